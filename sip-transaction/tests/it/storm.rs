//! Thousands of INVITE transactions at once under loss; the example `storm` of `sip-testkit` runs a million.

#[test]
fn five_thousand_invites_under_five_per_cent_loss_each_have_one_outcome() {
    let report = sip_testkit::storm::run(5000, 0.05, 1);
    assert!(report.rejected + report.accepted > 4990, "{report:?}");
    assert!(
        report.caller.retransmitted_requests > 300,
        "about a tenth of the INVITEs or their answers are lost"
    );
    assert!(report.callee.retransmitted_responses > 300);
    // RFC 3261 §17.1.1.2, §17.2.1: seven INVITEs and eleven responses at most, and far fewer at this loss.
    assert!(report.caller.retransmitted_requests < 2 * 5000);
    assert!(report.callee.retransmitted_responses < 2 * 5000);
}

#[test]
fn half_of_all_packets_lost() {
    let report = sip_testkit::storm::run(1000, 0.5, 2);
    assert!(report.rejected + report.accepted > 900, "{report:?}");
}
