//! What a binding costs: resident memory of the process for each of many bindings, each of an address of record of its
//! own, as a telephone registers it (Linux). In memory, or with a file in the embedded store.
//!
//! ```text
//! cargo run --release --example bindings -- [BINDINGS [FILE]]
//! ```
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that is run by hand"
)]

use std::time::SystemTime;

use sip_stack::domain::Aor;
use sip_stack::location::{
    BindingUpdate, Change, ContactUpdate, Embedded, LocationStore, Memory, UpdateOutcome,
};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let count: usize = std::env::args()
        .nth(1)
        .map_or(100_000, |count| count.parse().unwrap());
    let store: Box<dyn LocationStore> = match std::env::args().nth(2) {
        None => Box::new(Memory::new()),
        Some(file) => Box::new(Embedded::open(file).unwrap()),
    };
    let before = resident();
    let mut waiting = Vec::new();
    for number in 0..count {
        let aor = Aor::new(&format!("user{number:06}"), "example.com");
        let uri = format!("sip:user{number:06}@192.0.2.{}:5060", number % 250);
        let mut contact = ContactUpdate::new(&uri, 3600);
        contact.user_agent = "Telephone/5.2.1 (a model)".into();
        let call_id = format!("{number:024}@192.0.2.{}", number % 250);
        let update = BindingUpdate::new(&call_id, 1, Change::Contacts(vec![contact]));
        waiting.push(store.update(&aor, update, SystemTime::now()));
        // As many as are committed together.
        if waiting.len() == 1000 || number + 1 == count {
            for update in waiting.drain(..) {
                let outcome = update.await.unwrap();
                assert!(matches!(outcome, UpdateOutcome::Stored(all) if all.len() == 1));
            }
        }
    }
    drop(waiting);
    let after = resident();
    println!(
        "{count} bindings: {} octets each ({} KiB before, {} KiB after)",
        (after - before) / count,
        before / 1024,
        after / 1024
    );
    assert_eq!(store.len(), Some(count));
}

/// Octets of memory that this process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}
