//! Random lists for [`chaos`](crate::chaos): some hundred sequences of events, the same each time.

use std::time::Instant;

use sip_testkit::{Clock, for_each_seed, seed_of};

use crate::chaos;

#[test]
fn whole_roles_survive_disorder() {
    let began: Instant = Clock::new().now();
    let mut all = chaos::Figures::default();
    for_each_seed(200, |seed| {
        let mut rng = seed_of(seed, "disorder").rng();
        let mut list = vec![0; 500];
        rng.fill(&mut list);
        let figures = chaos::run(&list, began);
        all.arrived += figures.arrived;
        all.left += figures.left;
        all.successes += figures.successes;
        all.requests += figures.requests;
    });
    println!("{all:?}");
    // It is no proof of anything if nothing happens.
    assert!(all.arrived > 10_000 && all.left > 10_000, "{all:?}");
    assert!(all.successes > 1_000 && all.requests > 1_000, "{all:?}");
}
