//! The flows of RFC 3665: registrations and sessions.

use super::{both, one::check};

#[test]
fn rfc3665_each_end_of_each_flow() {
    let deviations = [(
        "3.3",
        "Alice",
        "F11 of 3.3 Session with Multiple Proxy Authentication, Alice being ours: Route",
        "the third INVITE has lost the Route of the first two",
    )];
    let played = check(include_str!("../../data/rfc3665.txt"), &deviations);
    assert_eq!(played, 27);
}

#[test]
fn rfc3665_all_ends_of_each_flow() {
    let differences = [(
        "3.10",
        "Bob also gets CANCEL",
        "the RFC does not say what becomes of the INVITE that nobody answers",
    )];
    let played = both::check(include_str!("../../data/rfc3665.txt"), &differences);
    assert_eq!(played, 16);
}

#[test]
fn rfc3665_all_ends_over_bad_networks() {
    both::grid(include_str!("../../data/rfc3665.txt"));
}
