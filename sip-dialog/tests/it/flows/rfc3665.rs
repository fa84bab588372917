//! The flows of RFC 3665: registrations and sessions.

use super::one::check;

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
