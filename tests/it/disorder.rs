//! Random lists for [`chaos`](crate::chaos): some hundred sequences of events, the same each time. With `SIP_DISSECT=FILE`, all that
//! leaves is written to a capture, for `cargo xtask interop dissect`.

use std::fs::File;
use std::io::BufWriter;
use std::time::{Duration, Instant, SystemTime};

use sip_stack::transport::{Captured, PcapngWriter};
use sip_testkit::{Clock, for_each_seed, seed_of};

use crate::chaos;

#[test]
fn whole_roles_survive_disorder() {
    let began: Instant = Clock::new().now();
    let file = std::env::var_os("SIP_DISSECT").map(|path| File::create(path).unwrap());
    let mut writer = file.map(|file| PcapngWriter::new(BufWriter::new(file)).unwrap());
    let mut written = 0;
    let mut all = chaos::Figures::default();
    for_each_seed(200, |seed| {
        let mut rng = seed_of(seed, "disorder").rng();
        let mut list = vec![0; 500];
        rng.fill(&mut list);
        let figures = chaos::run(&list, began, &mut |leaves| {
            let payload = leaves.payload.clone();
            if let Some(writer) = &mut writer
                && is_its_own(&payload)
            {
                let captured = Captured::new(true, leaves.kind, leaves.from, leaves.to, payload);
                // In order, and far enough apart for whoever reads it.
                written += 1;
                let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + written);
                writer.write(&captured, at).unwrap();
            }
        });
        all.arrived += figures.arrived;
        all.left += figures.left;
        all.successes += figures.successes;
        all.requests += figures.requests;
    });
    if let Some(mut writer) = writer {
        writer.flush().unwrap();
    }
    println!("{all:?}");
    // It is no proof of anything if nothing happens.
    assert!(all.arrived > 10_000 && all.left > 10_000, "{all:?}");
    assert!(all.successes > 1_000 && all.requests > 1_000, "{all:?}");
}

/// Whether nothing in a message is somebody else's fault: a 400 repeats what was broken, and a body is passed on as it came.
fn is_its_own(payload: &[u8]) -> bool {
    let text = String::from_utf8_lossy(payload);
    let is_whole = |(_, body): (&str, &str)| {
        body.is_empty()
            || body.ends_with("RTP/AVP 0\r\n") && body.lines().all(|line| line.contains('='))
    };
    !text.starts_with("SIP/2.0 400") && text.split_once("\r\n\r\n").is_some_and(is_whole)
}
