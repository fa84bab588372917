//! The four transaction machines beside their reference model: any sequence of events gives the same outputs and the
//! same deadlines as the figures of RFC 3261 section 17 and RFC 6026 do.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_testkit::model::{Machine, check};

fuzz_target!(|data: &[u8]| {
    let Some((first, events)) = data.split_first() else {
        return;
    };
    let machine = Machine::ALL[usize::from(first & 3)];
    let reliable = first & 4 != 0;
    // A transaction that has seen this many events has long ended or goes round in circles.
    check(machine, reliable, &events[..events.len().min(200)]);
});
