//! Parses one description many times with one of several crates, or counts instructions and allocations of them all.
//!
//! `sdp-peers <crate> <file> <times>` parses; `sdp-peers measure` runs itself under callgrind (see README.md).

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use sip_sdp::attribute::{
    Candidate, Crypto, ExtMap, Fingerprint, Fmtp, Group, IceOptions, IcePassword, IceUfrag, MaxPtime, Mid, Msid, Ptime, Rtcp,
    RtcpFeedback, Rtpmap, Setup, Ssrc, SsrcGroup,
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

/// Ours twice: as parsed, and with every attribute decoded to its type as well.
const CRATES: [&str; 7] =
    ["sip-sdp", "sip-sdp-typed", "ezk-sdp-types", "sdp-types", "webrtc-sdp", "sdp (webrtc-rs)", "sdp-rs"];

type Parser = Box<dyn Fn()>;

fn parser(name: &str, bytes: &'static [u8]) -> Result<Parser, Box<dyn Error>> {
    let text = std::str::from_utf8(bytes)?;
    Ok(match name {
        "sip-sdp" => Box::new(move || {
            black_box(sip_sdp::SessionDescription::parse(black_box(bytes))).expect("parses");
        }),
        "sip-sdp-typed" => Box::new(move || {
            let description = sip_sdp::SessionDescription::parse(black_box(bytes)).expect("parses");
            typed(&description);
            black_box(description);
        }),
        "ezk-sdp-types" => {
            let source = bytesstr::BytesStr::from_static(text);
            Box::new(move || {
                black_box(ezk_sdp_types::SessionDescription::parse(black_box(&source))).expect("parses");
            })
        }
        "sdp-types" => Box::new(move || {
            black_box(sdp_types::Session::parse(black_box(bytes))).expect("parses");
        }),
        "webrtc-sdp" => Box::new(move || {
            black_box(webrtc_sdp::parse_sdp(black_box(text), false)).expect("parses");
        }),
        "sdp (webrtc-rs)" => Box::new(move || {
            let mut cursor = std::io::Cursor::new(black_box(bytes));
            black_box(webrtc_rs_sdp::SessionDescription::unmarshal(&mut cursor)).expect("parses");
        }),
        "sdp-rs" => Box::new(move || {
            black_box(black_box(text).parse::<sdp_rs::SessionDescription>()).expect("parses");
        }),
        other => return Err(format!("no crate {other}; there are {CRATES:?}").into()),
    })
}

/// Every attribute in one pass, as a program would that wants them all.
fn typed(description: &sip_sdp::SessionDescription) {
    use sip_sdp::attribute::Attribute as _;
    black_box(description.origin());
    let sections = std::iter::once(description.attributes()).chain(description.media().map(|media| {
        black_box((media.port(), media.connection()));
        media.attributes()
    }));
    for attribute in sections.flatten() {
        let value = attribute.value.unwrap_or_default();
        macro_rules! decode {
            ($($type:ty),*) => {
                match attribute.name {
                    $(<$type>::NAME => drop(black_box(<$type>::decode(value)).expect("decodes")),)*
                    name => drop(black_box(sip_sdp::attribute::Direction::from_name(name))),
                }
            };
        }
        decode!(
            Rtpmap<'_>, Fmtp<'_>, RtcpFeedback<'_>, ExtMap<'_>, Candidate<'_>, Ssrc<'_>, SsrcGroup<'_>, Ptime, MaxPtime,
            Rtcp<'_>, Mid<'_>, Msid<'_>, Group<'_>, Fingerprint<'_>, Setup, IceUfrag<'_>, IcePassword<'_>, IceOptions<'_>,
            Crypto<'_>
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["measure"] => measure(),
        [name, file, times] => {
            let bytes: &'static [u8] = std::fs::read(file)?.leak();
            let parse = parser(name, bytes)?;
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            let times: u64 = times.parse()?;
            for _ in 0..times {
                parse();
            }
            println!("{}", (ALLOCATIONS.load(Ordering::Relaxed) - before) / times.max(1));
            Ok(())
        }
        _ => Err("sdp-peers <crate> <file> <times> | sdp-peers measure".into()),
    }
}

/// Instructions of a run by callgrind's total.
fn instructions(name: &str, file: &str, times: u64) -> Result<(u64, String), Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([name, file, &times.to_string()])
        .output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    let line = log.lines().find_map(|line| line.split_once("Collected :"));
    let (_, count) = line.ok_or_else(|| format!("valgrind did not count: {log}"))?;
    Ok((count.trim().parse()?, String::from_utf8_lossy(&output.stdout).trim().to_string()))
}

fn measure() -> Result<(), Box<dyn Error>> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/data/");
    let mut files: Vec<_> = std::fs::read_dir(data)?.collect::<Result<_, _>>()?;
    files.sort_by_key(std::fs::DirEntry::path);
    for file in files {
        let path = file.path();
        let path = path.to_str().ok_or("a path that is not UTF-8")?;
        println!("{} ({} bytes)", file.file_name().to_string_lossy(), std::fs::metadata(path)?.len());
        let mut ours = None;
        for name in CRATES {
            // The difference of two runs leaves one description's cost: start-up cancels out.
            let (few, many) = (instructions(name, path, 10), instructions(name, path, 110));
            let (Ok((few, _)), Ok((many, allocations))) = (few, many) else {
                println!("  {name:18} does not parse it");
                continue;
            };
            let count = (many - few) / 100;
            let base = *ours.get_or_insert(count);
            println!("  {name:18} {count:>8} instructions  {allocations:>4} allocations  {:>6.2}", count as f64 / base as f64);
        }
    }
    Ok(())
}
