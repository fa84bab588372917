//! A million INVITE transactions under 5 % loss, in virtual time.
//!
//! `cargo run --release -p sip-testkit --example storm -- [calls] [loss] [seed]`

#![allow(clippy::print_stdout, reason = "this is a program")]

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: f64| {
        arguments
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (calls, loss, seed) = (argument(1e6), argument(0.05), argument(1.0));
    let start = std::time::Instant::now();
    let report = sip_testkit::storm::run(calls as u64, loss, seed as u64);
    let seconds = start.elapsed().as_secs_f64();
    println!("{report:#?}");
    println!(
        "{calls} INVITE transactions in {seconds:.1} s: {:.1} us each",
        seconds * 1e6 / calls
    );
}
