//! Does one piece of work on one message with one of several crates, as often as wanted; see README.md.
//!
//! `--list` prints the cases and crates, `<case> <crate> <times>` works and prints the allocations of one round.

mod ours;
mod peers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One round of work. It panics when the crate cannot do it.
type Work = Box<dyn FnMut()>;

const INVITE: &[u8] = include_bytes!("../../../../benches/messages/invite.sip");
/// The INVITE on its way through a proxy, with a Route that names it.
const ROUTED: &[u8] = include_bytes!("../../../../benches/messages/invite-route.sip");
const REGISTERED: &[u8] = include_bytes!("../../../../benches/messages/register-200.sip");
const OPTIONS: &[u8] = include_bytes!("../../../../benches/messages/options.sip");
const LONG_INVITE: &[u8] = include_bytes!("../../../../benches/messages/invite-3k.sip");
/// A request of HTTP with the size and the fields of the INVITE.
const HTTP: &[u8] = include_bytes!("../data/1-as-http.http");

/// A case, the message, the work, and the crates that can do such work.
const CASES: &[(&str, &[u8], &str, &[&str])] = &[
    ("invite: parse", INVITE, "parse", PARSERS_AND_HTTP),
    ("200: parse", REGISTERED, "parse", PARSERS),
    ("options: parse", OPTIONS, "parse", PARSERS),
    ("invite-3k: parse", LONG_INVITE, "parse", PARSERS),
    ("invite: parse and read", INVITE, "read", READERS),
    ("200: parse and read", REGISTERED, "read", READERS),
    ("options: parse and read", OPTIONS, "read", READERS),
    ("invite: every field decoded", INVITE, "decode all", OURS),
    ("invite: proxy hop", ROUTED, "proxy hop", OURS),
    ("invite: received and rport", INVITE, "stamp", OURS),
    ("invite: response", INVITE, "answer", OURS),
    ("invite: encode", INVITE, "encode", OURS),
];

const OURS: &[&str] = &["sip-message"];
const PARSERS: &[&str] = &[
    "sip-message",
    "rsip",
    "rsipstack",
    "ezk-sip-types",
    "rvoip-sip-core",
];
const PARSERS_AND_HTTP: &[&str] = &[
    "sip-message",
    "rsip",
    "rsipstack",
    "ezk-sip-types",
    "rvoip-sip-core",
    "httparse (HTTP)",
];
const READERS: &[&str] = PARSERS;

fn work(case: &str, name: &str) -> Result<Work, Box<dyn Error>> {
    let (_, message, what, _) = CASES
        .iter()
        .find(|(other, ..)| *other == case)
        .ok_or("no such case")?;
    match (name, *what) {
        ("sip-message", what) => ours::work(what, message),
        ("httparse (HTTP)", _) => Ok(peers::http(HTTP)),
        (name, "parse") => peers::parse(name, message),
        (name, "read") => peers::read(name, message),
        _ => Err("the crate does not do that".into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["--list"] => {
            for (case, _, _, crates) in CASES {
                for name in *crates {
                    println!("{case}\t{name}");
                }
            }
            Ok(())
        }
        [case, name, times] => {
            let mut work = work(case, name)?;
            let times: u64 = times.parse()?;
            // What is set up once is not part of a round.
            work();
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for _ in 0..times {
                work();
            }
            println!(
                "{}",
                (ALLOCATIONS.load(Ordering::Relaxed) - before) / times.max(1)
            );
            Ok(())
        }
        _ => Err("message-peers --list | message-peers <case> <crate> <times>".into()),
    }
}
