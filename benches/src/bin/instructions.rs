//! Does one case so many times, for a tool that counts instructions or allocations: `instructions --list`,
//! `instructions CASE TIMES`. Measures one footprint: `instructions --footprints`, `instructions --bytes NAME`.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks to its user on standard output"
)]

use std::process::ExitCode;

/// What is made ready is the same for a short and a long run, so that it cancels out in their difference.
const READY: u64 = 1_100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--list"] => {
            for case in sip_bench::cases() {
                println!("{}", case.name());
            }
            ExitCode::SUCCESS
        }
        ["--footprints"] => {
            for footprint in sip_bench::footprints() {
                println!("{}", footprint.name);
            }
            ExitCode::SUCCESS
        }
        ["--bytes", name] => {
            let all = sip_bench::footprints();
            let Some(footprint) = all.iter().find(|footprint| footprint.name == *name) else {
                eprintln!("there is no footprint '{name}'");
                return ExitCode::FAILURE;
            };
            println!("{}", (footprint.measure)());
            ExitCode::SUCCESS
        }
        [name, times] => {
            let (Some(mut case), Ok(times)) = (
                sip_bench::cases()
                    .into_iter()
                    .find(|case| case.name() == *name),
                times.parse::<u64>(),
            ) else {
                eprintln!("there is no case '{name}', or '{times}' is no number");
                return ExitCode::FAILURE;
            };
            case.prepare(times.max(READY));
            for _ in 0..times {
                case.run();
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: instructions --list | CASE TIMES | --footprints | --bytes NAME");
            ExitCode::from(2)
        }
    }
}
