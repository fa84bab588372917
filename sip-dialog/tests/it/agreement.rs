//! Random commands to two agents beside their model.

use proptest::prelude::*;

use crate::model;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_agents_do_what_their_model_does(commands in proptest::collection::vec(any::<u8>(), 0..160)) {
        model::run(&commands, sip_testkit::Clock::new().now());
    }
}

#[test]
fn a_dialog_that_outlives_its_session_is_used_for_another_call_beside_it() {
    // A call, a REFER in it, its end, another call with its own REFER the other way, then the outcome of both.
    let commands = [
        0, 0, 2, 1, 8, 0, 9, 1, 4, 0, 0, 1, 2, 0, 8, 1, 9, 0, 11, 1, 12, 0, 12, 1, 4, 1,
    ];
    model::run(&commands, sip_testkit::Clock::new().now());
}
