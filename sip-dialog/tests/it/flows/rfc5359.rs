//! The flows of RFC 5359: services such as hold, transfer, forwarding and conferences.

use super::{both, one::check};

#[test]
fn rfc5359_each_end_of_each_flow() {
    let deviations = [
        (
            "2.2",
            "Carol",
            "F19 of",
            "the 180 has another Call-ID than its INVITE",
        ),
        (
            "2.5",
            "Alice",
            "F21 of",
            "the ACK goes to a URI with gr, which the Contact has not",
        ),
        (
            "2.5",
            "Bob",
            "F14 of",
            "the same of the ACK to the re-INVITE",
        ),
        (
            "2.6",
            "Alice",
            "481",
            "the tags of the Replaces are swapped",
        ),
        (
            "2.10",
            "Bob",
            "also sends",
            "the 180 is printed as a 200, which gets its ACK twice",
        ),
        ("2.10", "Carol", "F10 of", "the same"),
        (
            "2.13",
            "Alice",
            "F4 of",
            "the Route of the first two INVITEs is printed without lr, and the third has lost it",
        ),
        (
            "2.13",
            "Announcement_Server",
            "F11 of",
            "the INVITE to it is not printed",
        ),
        (
            "2.15",
            "Park_Server",
            "F18 of",
            "the NOTIFY goes to another URI than that of the Contact",
        ),
        (
            "2.16",
            "Alice",
            "481",
            "the Replaces has lost a digit of a tag",
        ),
        (
            "2.17",
            "Alice",
            "F16 of",
            "the To of the last SUBSCRIBE is the From",
        ),
        (
            "2.17",
            "Bob",
            "F8 of",
            "a NOTIFY goes to another URI than that of the Contact",
        ),
        (
            "2.18",
            "Bob",
            "also sends",
            "the NOTIFYs that RFC 3515 section 2.4.4 asks for are left out",
        ),
    ];
    let played = check(include_str!("../../data/rfc5359.txt"), &deviations);
    assert_eq!(played, 52);
}

#[test]
fn rfc5359_all_ends_of_each_flow() {
    let differences = [
        (
            "2.2",
            "F19 is not sent",
            "the 180 has another Call-ID than its INVITE",
        ),
        (
            "2.6",
            "F8 is not sent",
            "the tags of the Replaces are swapped, which is 481",
        ),
        ("2.10", "F10 is not sent", "the 180 is printed as a 200"),
        (
            "2.13",
            "F11 is not sent",
            "the INVITE to the announcement server is not printed",
        ),
        (
            "2.16",
            "F8 is not sent",
            "the Replaces has lost a digit of a tag, which is 481",
        ),
        (
            "2.18",
            "Bob also sends NOTIFY",
            "the NOTIFYs that RFC 3515 section 2.4.4 asks for are left out",
        ),
    ];
    let played = both::check(include_str!("../../data/rfc5359.txt"), &differences);
    assert_eq!(played, 18);
}

#[test]
fn rfc5359_all_ends_over_bad_networks() {
    both::grid(include_str!("../../data/rfc5359.txt"));
}
