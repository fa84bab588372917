//! Parses one description many times with one of several crates. `cargo xtask bench sdp` runs it; what the arguments
//! mean is written in `xtask/src/bench/peers.rs`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::fmt::Debug;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use sip_sdp::attribute::{
    Candidate, Crypto, ExtMap, Fingerprint, Fmtp, Group, IceOptions, IcePassword, IceUfrag,
    MaxPtime, Mid, Msid, Ptime, Rtcp, RtcpFeedback, Rtpmap, Setup, Ssrc, SsrcGroup,
};

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

const CASES: [(&str, &[u8]); 2] = [
    (
        "telephone, 294 bytes",
        include_bytes!("../data/telephone.sdp"),
    ),
    ("browser, 5781 bytes", include_bytes!("../data/browser.sdp")),
];

/// Ours twice: as parsed, and with every attribute decoded to its type as well.
const CRATES: [&str; 7] = [
    "sip-sdp",
    "sip-sdp, typed",
    "ezk-sdp-types",
    "sdp-types",
    "webrtc-sdp",
    "sdp (webrtc-rs)",
    "sdp-rs",
];

type Refused = Box<dyn Error>;
type Parser = Box<dyn Fn() -> Result<(), Refused>>;

/// Keep the result until it was seen, then drop it: that is part of the cost.
fn seen<T, E: Debug>(result: Result<T, E>) -> Result<(), Refused> {
    let parsed = result.map_err(|error| format!("{error:?}"))?;
    drop(black_box(parsed));
    Ok(())
}

fn parser(name: &str, bytes: &'static [u8]) -> Result<Parser, Refused> {
    let text = std::str::from_utf8(bytes)?;
    Ok(match name {
        "sip-sdp" => Box::new(move || seen(sip_sdp::SessionDescription::parse(black_box(bytes)))),
        "sip-sdp, typed" => Box::new(move || {
            let description = sip_sdp::SessionDescription::parse(black_box(bytes))?;
            typed(black_box(&description))
        }),
        "ezk-sdp-types" => {
            let source = bytesstr::BytesStr::from_static(text);
            Box::new(move || seen(ezk_sdp_types::SessionDescription::parse(black_box(&source))))
        }
        "sdp-types" => Box::new(move || seen(sdp_types::Session::parse(black_box(bytes)))),
        "webrtc-sdp" => Box::new(move || seen(webrtc_sdp::parse_sdp(black_box(text), false))),
        "sdp (webrtc-rs)" => Box::new(move || {
            let mut cursor = std::io::Cursor::new(black_box(bytes));
            seen(webrtc_rs_sdp::SessionDescription::unmarshal(&mut cursor))
        }),
        "sdp-rs" => Box::new(move || seen(black_box(text).parse::<sdp_rs::SessionDescription>())),
        other => return Err(format!("no crate {other}; there are {CRATES:?}").into()),
    })
}

/// Every attribute in one pass, as a program would that wants them all.
fn typed(description: &sip_sdp::SessionDescription) -> Result<(), Refused> {
    use sip_sdp::attribute::Attribute as _;
    black_box(description.origin());
    let media = description.media().map(|media| {
        black_box((media.port(), media.connection()));
        media.attributes()
    });
    for attribute in std::iter::once(description.attributes())
        .chain(media)
        .flatten()
    {
        let value = attribute.value.unwrap_or_default();
        macro_rules! decode {
            ($($type:ty),*) => {
                match attribute.name {
                    $(<$type>::NAME => drop(black_box(<$type>::decode(value)?)),)*
                    name => drop(black_box(sip_sdp::attribute::Direction::from_name(name))),
                }
            };
        }
        decode!(
            Rtpmap<'_>,
            Fmtp<'_>,
            RtcpFeedback<'_>,
            ExtMap<'_>,
            Candidate<'_>,
            Ssrc<'_>,
            SsrcGroup<'_>,
            Ptime,
            MaxPtime,
            Rtcp<'_>,
            Mid<'_>,
            Msid<'_>,
            Group<'_>,
            Fingerprint<'_>,
            Setup,
            IceUfrag<'_>,
            IcePassword<'_>,
            IceOptions<'_>,
            Crypto<'_>
        );
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["--list"] => {
            for (case, _) in CASES {
                for name in CRATES {
                    println!("{case}\t{name}");
                }
            }
            Ok(())
        }
        [case, name, times] => measure(case, name, times),
        _ => Err("sdp-peers --list | sdp-peers <case> <crate> <times>".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Parse `times` times and print the allocations of one time.
fn measure(case: &str, name: &str, times: &str) -> Result<(), Refused> {
    let (_, bytes) = CASES
        .into_iter()
        .find(|(known, _)| *known == case)
        .ok_or("no such case")?;
    let times: u64 = times.parse()?;
    let parse = parser(name, bytes)?;
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..times {
        parse()?;
    }
    println!(
        "{}",
        (ALLOCATIONS.load(Ordering::Relaxed) - before) / times.max(1)
    );
    Ok(())
}
