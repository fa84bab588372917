//! Does one case so many times, for a tool that counts instructions: `instructions --list`, `instructions CASE TIMES`.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks to its user on standard output"
)]

use std::process::ExitCode;

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
            for _ in 0..times {
                case.run();
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: instructions --list | instructions CASE TIMES");
            ExitCode::from(2)
        }
    }
}
