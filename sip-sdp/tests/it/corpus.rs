//! Every description printed in an RFC (SIP's and its neighbours') is read, or refused for a written reason.

use std::fmt::Write as _;

use sip_sdp::attribute::{
    AcceptTypes, ActualConfiguration, Attribute, AttributeCapability, BundleOnly, Candidate,
    CapabilitySet, ConfirmStatus, ConnectionReuse, Content, Crypto, CurrentStatus, DesiredStatus,
    EndOfCandidates, ExtMap, Fingerprint, Fmtp, Group, IceLite, IceOptions, IcePassword, IceUfrag,
    KeyManagement, Label, MaxMessageSize, MaxPtime, Mid, Msid, MsidSemantic, MsrpPath,
    PotentialConfiguration, Ptime, RemoteCandidates, Rid, Rtcp, RtcpFeedback, RtcpMux,
    RtcpReducedSize, Rtpmap, SctpPort, Setup, Simulcast, Ssrc, SsrcGroup, TlsId,
    TransportCapability,
};
use sip_sdp::{ParserConfig, SessionDescription};

use crate::data::split;

const EXAMPLES: &str = include_str!("../data/rfc-examples.txt");
const VERDICTS: &str = include_str!("../data/rfc-examples.verdicts");

/// Why a description is refused by every rule set, or an attribute of it: errors of the RFCs, confirmed by reading them.
const REASONS: [(&str, &str); 32] = [
    (
        "3108-08",
        "an ATM port `PORT-$/VPI-0/VCI-$`, which RFC 8866's grammar of m= does not have",
    ),
    ("3388-06", "the rtpmap lacks its clock rate"),
    ("3407-01", "the rtpmap lacks its clock rate"),
    ("5124-01", "the crypto line lacks its tag"),
    (
        "5245-01",
        "the candidate line is broken in the RFC's layout",
    ),
    ("5245-02", "`$NAT-PUB-1.PORT` is a placeholder"),
    ("5245-03", "`$R-PUB-1.PORT` is a placeholder"),
    (
        "5763-",
        "the fingerprint is broken over two lines with a backslash",
    ),
    ("5888-07", "the rtpmap lacks its clock rate"),
    (
        "5939-15",
        "the fingerprint is broken over two lines with a backslash",
    ),
    (
        "5939-16",
        "the fingerprint is broken over two lines with a backslash",
    ),
    ("6050-01", "the rtpmap lacks its clock rate"),
    ("6284-01", "a remark follows the rtcp attribute"),
    ("6314-", "`$NAT-PUB-1.port` and the like are placeholders"),
    ("6871-03", "the port 66544 has more than 16 bits"),
    ("6871-04", "the rtpmap lacks its clock rate"),
    (
        "6871-11",
        "the password has 20 characters where RFC 8839 demands 22",
    ),
    ("7006-01", "the port 66544 has more than 16 bits"),
    (
        "7345-",
        "the fingerprint is broken over two lines with a backslash",
    ),
    ("8627-02", "a=ssrc without an attribute"),
    ("8829-01", "the fingerprint is broken over two lines"),
    ("8829-02", "the fingerprint is broken over two lines"),
    ("8829-03", "the fingerprint is broken over two lines"),
    ("8829-04", "the fingerprint is broken over two lines"),
    ("8829-05", "the fingerprint is broken over two lines"),
    ("8829-06", "the fingerprint is broken over two lines"),
    ("8829-07", "the fingerprint is broken over two lines"),
    ("8829-08", "the fingerprint is broken over two lines"),
    ("8829-09", "the fingerprint is broken over two lines"),
    ("8829-10", "the fingerprint is broken over two lines"),
    (
        "8839-0",
        "`$NAT-PUB-1.PORT` and `$R-PUB-1.PORT` are placeholders",
    ),
    (
        "8859-",
        "m= is cut off (09); the port 560024 has more than 16 bits (10)",
    ),
];

/// What the strict rules, those of a telephone, and all leniencies say, and the attributes that do not decode.
fn verdict(text: &str) -> String {
    let mut out = String::new();
    let mut best = None;
    for (name, config) in [
        ("strict", ParserConfig::strict()),
        ("deployed", ParserConfig::deployed()),
        ("lenient", ParserConfig::lenient()),
    ] {
        match SessionDescription::parse_with(text.as_bytes(), &config) {
            Ok(description) => {
                assert_eq!(description.to_string(), text, "printed as it came");
                writeln!(out, "{name}: ok").expect("a string");
                best = Some(description);
                break;
            }
            Err(error) => writeln!(out, "{name}: {error}").expect("a string"),
        }
    }
    if let Some(description) = best {
        let mut faults = Vec::new();
        macro_rules! read {
            ($($type:ty),*) => {$(
                let sections = std::iter::once(description.attributes()).chain(description.media().map(|media| media.attributes()));
                for section in sections {
                    for read in section.of::<$type>() {
                        match read {
                            Ok(attribute) => {
                                let mut printed = String::new();
                                attribute.encode(&mut printed);
                                // What is printed reads as the same.
                                assert_eq!(<$type>::decode(&printed).as_ref(), Ok(&attribute));
                            }
                            Err(error) => faults.push((error.line, error.to_string())),
                        }
                    }
                }
            )*};
        }
        read!(
            AcceptTypes<'_>,
            ActualConfiguration<'_>,
            AttributeCapability<'_>,
            BundleOnly,
            Candidate<'_>,
            CapabilitySet<'_, true>,
            CapabilitySet<'_, false>,
            ConfirmStatus<'_>,
            ConnectionReuse,
            Content<'_>,
            Crypto<'_>,
            CurrentStatus<'_>,
            DesiredStatus<'_>,
            EndOfCandidates,
            ExtMap<'_>,
            Fingerprint<'_>,
            Fmtp<'_>,
            Group<'_>,
            IceLite,
            IceOptions<'_>,
            IcePassword<'_>,
            IceUfrag<'_>,
            KeyManagement<'_>,
            Label<'_>,
            MaxMessageSize,
            MaxPtime,
            Mid<'_>,
            Msid<'_>,
            MsidSemantic<'_>,
            MsrpPath<'_>,
            PotentialConfiguration<'_>,
            Ptime,
            RemoteCandidates<'_>,
            Rid<'_>,
            Rtcp<'_>,
            RtcpFeedback<'_>,
            RtcpMux,
            RtcpReducedSize,
            Rtpmap<'_>,
            SctpPort,
            Setup,
            Simulcast<'_>,
            Ssrc<'_>,
            SsrcGroup<'_>,
            TlsId<'_>,
            TransportCapability<'_>
        );
        faults.sort();
        for (_, fault) in faults {
            writeln!(out, "attribute: {fault}").expect("a string");
        }
    }
    out
}

#[test]
fn rfc_examples_are_read_or_have_a_verdict() {
    let mut all = String::new();
    for (name, text) in split(EXAMPLES) {
        let verdict = verdict(&text);
        if verdict != "strict: ok\n" {
            writeln!(all, "== {name}\n{}", verdict.trim_end()).expect("a string");
            let refused = verdict.contains("lenient: line") || verdict.contains("attribute: ");
            let reason = REASONS.iter().find(|(prefix, _)| name.starts_with(prefix));
            assert!(
                !refused || reason.is_some(),
                "{name} has no reason: {verdict}"
            );
            if let (true, Some((_, reason))) = (refused, reason) {
                writeln!(all, "why: {reason}").expect("a string");
            }
        }
    }
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(
            concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/data/rfc-examples.verdicts"
            ),
            &all,
        )
        .expect("written");
        return;
    }
    assert_eq!(all, VERDICTS);
    assert_eq!(split(EXAMPLES).len(), 473);
}
