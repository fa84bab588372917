//! Whole roles: registrar, proxy, notifier, redirect server, stateless proxy and user agent, composed as in the program, in disorder.
#![no_main]

#[path = "../../tests/it/chaos.rs"]
mod chaos;
#[path = "../../tests/it/subject.rs"]
mod subject;

use std::time::Instant;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    chaos::run(data, Instant::now(), &mut |_| {});
});
