//! The tokens of `RFC 8225` with the keys that it prints, and tokens that were computed with its private key.

pub(in crate::identity) const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgi7q2TZvN9VDFg8Vy\nqCP06bETrR2v8MRvr89rn4i+UAahRANCAAQWfaj1HUETpoNCrOtp9KA8o0V79IuW\nARKt9C1cFPkyd3FBP4SeiNZxQhDrD0tdBHls3/wFe8++K2FrPyQF9vuh\n-----END PRIVATE KEY-----\n";
pub(in crate::identity) const PUBLIC_HALF: [u8; 65] = [
    0x04, 0x16, 0x7d, 0xa8, 0xf5, 0x1d, 0x41, 0x13, 0xa6, 0x83, 0x42, 0xac, 0xeb, 0x69, 0xf4, 0xa0,
    0x3c, 0xa3, 0x45, 0x7b, 0xf4, 0x8b, 0x96, 0x01, 0x12, 0xad, 0xf4, 0x2d, 0x5c, 0x14, 0xf9, 0x32,
    0x77, 0x71, 0x41, 0x3f, 0x84, 0x9e, 0x88, 0xd6, 0x71, 0x42, 0x10, 0xeb, 0x0f, 0x4b, 0x5d, 0x04,
    0x79, 0x6c, 0xdf, 0xfc, 0x05, 0x7b, 0xcf, 0xbe, 0x2b, 0x61, 0x6b, 0x3f, 0x24, 0x05, 0xf6, 0xfb,
    0xa1,
];
pub(in crate::identity) const PUBLISHED: [u8; 65] = [
    0x04, 0xf0, 0x73, 0x5b, 0x41, 0xdf, 0xd3, 0x9a, 0xf0, 0x8a, 0xc0, 0xf2, 0x87, 0x90, 0xc1, 0x7d,
    0x7d, 0x27, 0x1a, 0xbc, 0x67, 0x87, 0xef, 0xc6, 0x13, 0x53, 0xca, 0x8b, 0x4b, 0xc2, 0x39, 0x1c,
    0xb1, 0xd2, 0x4a, 0x69, 0x40, 0x4c, 0xb7, 0x2c, 0x95, 0x03, 0x21, 0x34, 0x2f, 0xce, 0x86, 0x55,
    0x81, 0x60, 0x2e, 0xb6, 0xea, 0x72, 0x25, 0xa3, 0xb5, 0xde, 0x79, 0xb6, 0x12, 0xed, 0x26, 0xf7,
    0xee,
];
/// RFC 8225 section 7.1: verifies with the public key that is printed, and has `iat` as a string.
pub(super) const RFC_7_1: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIxNTU1NTEyMTIifX0.rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w";
/// RFC 8225 appendix A: verifies with no key that is printed.
pub(super) const RFC_A: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1NTUxMjEyIn19.VLBCIVDCaeK6M4hLJb6SHQvacAQVvoiiEOWQ_iUkqk79UD81fHQ0E1b3_GluIkba7UWYRM47ZbNFdOJquE35cw";
/// Name, token, header, claims.
pub(super) const COMPUTED: [[&str; 4]; 4] = [
    [
        "base passport",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.eyJkZXN0Ijp7InRuIjpbIjEyMTU1NTUxMjEzIl19LCJpYXQiOjE0NDMyMDgzNDUsIm9yaWciOnsidG4iOiIxMjE1NTU1MTIxMiJ9fQ.C7TeQ1mTjLfUTLegNgmctqKFwLHO83zTE4q6PF7wb3Q_x3jg5WPfmXAf0EAp8Hzi8sUm7cUodWve77vu5OqmBg",
        "{\"alg\":\"ES256\",\"typ\":\"passport\",\"x5u\":\"https://cert.example.org/passport.cer\"}",
        "{\"dest\":{\"tn\":[\"12155551213\"]},\"iat\":1443208345,\"orig\":{\"tn\":\"12155551212\"}}",
    ],
    [
        "shaken, RFC 8588",
        "eyJhbGciOiJFUzI1NiIsInBwdCI6InNoYWtlbiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.eyJhdHRlc3QiOiJBIiwiZGVzdCI6eyJ0biI6WyIxMjE1NTU1MTIxMyJdfSwiaWF0IjoxNDQzMjA4MzQ1LCJvcmlnIjp7InRuIjoiMTIxNTU1NTEyMTIifSwib3JpZ2lkIjoiMTIzZTQ1NjctZTg5Yi0xMmQzLWE0NTYtNDI2NjU1NDQwMDAwIn0.IQZllsyyYq54zIBAEdPHeejBHkPxzWTTfhylJO2BPEX029O1JUoMYqebM3gcGu87fzd8ysEXU-KimwvrgjzOHg",
        "{\"alg\":\"ES256\",\"ppt\":\"shaken\",\"typ\":\"passport\",\"x5u\":\"https://cert.example.org/passport.cer\"}",
        "{\"attest\":\"A\",\"dest\":{\"tn\":[\"12155551213\"]},\"iat\":1443208345,\"orig\":{\"tn\":\"12155551212\"},\"origid\":\"123e4567-e89b-12d3-a456-426655440000\"}",
    ],
    [
        "div, RFC 8946",
        "eyJhbGciOiJFUzI1NiIsInBwdCI6ImRpdiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly93d3cuZXhhbXBsZS5jb20vY2VydC5jZXIifQ.eyJkZXN0Ijp7InRuIjpbIjEyMTU1NTUxMjE0Il19LCJkaXYiOnsidG4iOiIxMjE1NTU1MTIxMyJ9LCJpYXQiOjE0NDMyMDgzNDUsIm9yaWciOnsidG4iOiIxMjE1NTU1MTIxMiJ9fQ.-n2FvrI8EdNWxk5Y9upcm4m4p2qh78A0x_FLCQ4o-89HKZHTSP68FtBehZMVvVu2v8hH-L2QcFLm-mbIeVKzuA",
        "{\"alg\":\"ES256\",\"ppt\":\"div\",\"typ\":\"passport\",\"x5u\":\"https://www.example.com/cert.cer\"}",
        "{\"dest\":{\"tn\":[\"12155551214\"]},\"div\":{\"tn\":\"12155551213\"},\"iat\":1443208345,\"orig\":{\"tn\":\"12155551212\"}}",
    ],
    [
        "mky, RFC 8225 5.2.2",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ0MzIwODM0NSwibWt5IjpbeyJhbGciOiJzaGEtMjU2IiwiZGlnIjoiMDIxQUNDNTQyN0FCRUI5QzUzM0YzRTRCNjUyRTdENDYzRjU0NDJDRDU0RjE3QTAzQTI3REY5QjA3RjQ2MTlCMiJ9XSwib3JpZyI6eyJ0biI6IjEyMTU1NTUxMjEyIn19.q4_QWrQVRSgjYjVi2f6eGanUzoNOISOueSET_GVvXmw3xw2H3oDzXyUhQKgWlGUAb7NcyAuhi2auB_RxvByA8Q",
        "{\"alg\":\"ES256\",\"typ\":\"passport\",\"x5u\":\"https://cert.example.org/passport.cer\"}",
        "{\"dest\":{\"uri\":[\"sip:alice@example.com\"]},\"iat\":1443208345,\"mky\":[{\"alg\":\"sha-256\",\"dig\":\"021ACC5427ABEB9C533F3E4B652E7D463F5442CD54F17A03A27DF9B07F4619B2\"}],\"orig\":{\"tn\":\"12155551212\"}}",
    ],
];
