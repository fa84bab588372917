//! How late packets come: the least transit time, and the distribution above it.

use crate::source::ticks;

use super::JitterConfig;

/// Width of a bin of the distribution.
const BIN_MS: i64 = 4;
/// Bins: 640 ms.
const BINS: usize = 160;
/// Packets over which the distribution is a plain average; from then on each replaces this part of it: a memory of some
/// ten seconds.
const MEMORY: u32 = 500;
/// What all bins together may weigh before they are scaled down.
const HEAVY: f32 = 1e6;
/// Packets before the distribution is believed over the initial delay.
const SETTLED: u32 = 150;
/// Packets beyond the longest delay, in a row, that are believed.
const BEYOND_PACKETS: u8 = 10;
/// Seconds of a half of the window for the least transit.
const WINDOW_SECONDS: i64 = 5;

#[derive(Debug)]
pub(super) struct DelayEstimator {
    clock_rate: i64,
    bin: i64,
    initial: i64,
    min: i64,
    max: i64,
    late_share: f32,
    /// How often each delay occurred. A later packet weighs more, instead of all earlier ones less: one bin changes.
    bins: [f32; BINS],
    /// What all bins weigh.
    total: f32,
    /// The first bin of which it and those above weigh no more than the share that may be late, and what they weigh.
    level: usize,
    late: f32,
    packets: u32,
    /// Least transit in this half of the window and in the one before.
    least: Option<(i64, i64)>,
    half_ends: i64,
    /// Packets in a row that came later than any delay we would take, and the least transit among them.
    beyond: Option<(u8, i64)>,
    target: i64,
}

impl DelayEstimator {
    pub(super) fn new(config: &JitterConfig) -> Self {
        let to_ticks = |duration| ticks(duration, config.clock_rate) as i64;
        let initial = to_ticks(config.initial_delay).min(to_ticks(config.max_delay));
        Self {
            clock_rate: i64::from(config.clock_rate),
            bin: (BIN_MS * i64::from(config.clock_rate) / 1000).max(1),
            initial,
            min: to_ticks(config.min_delay),
            max: to_ticks(config.max_delay),
            late_share: config.late_share,
            bins: [0.0; BINS],
            total: 0.0,
            level: 0,
            late: 0.0,
            packets: 0,
            least: None,
            half_ends: 0,
            beyond: None,
            target: initial,
        }
    }

    pub(super) fn on_packet(&mut self, now: i64, at: i64) {
        let transit = now - at;
        if self.least.is_some() && self.delay_at(now, at) > self.max {
            // No delay of the buffer makes this packet come in time: it says nothing about the delay to aim at. Many in a
            // row mean that the sender's clock stood still (on hold, say): that is the new normal.
            let (count, least) = self.beyond.unwrap_or((0, transit));
            let (count, least) = (count + 1, least.min(transit));
            if count < BEYOND_PACKETS {
                self.beyond = Some((count, least));
                return;
            }
            self.least = Some((least, least));
            self.half_ends = now + WINDOW_SECONDS * self.clock_rate;
        }
        self.beyond = None;
        self.least = Some(match self.least {
            None => {
                self.half_ends = now + WINDOW_SECONDS * self.clock_rate;
                (transit, transit)
            }
            Some((_, previous)) if now >= self.half_ends => {
                self.half_ends = now + WINDOW_SECONDS * self.clock_rate;
                let (current, _) = self.least.unwrap_or((transit, previous));
                (transit, current)
            }
            Some((current, previous)) => (current.min(transit), previous),
        });
        let delay = self.delay_at(now, at).max(0);
        let index = usize::try_from(delay / self.bin)
            .unwrap_or(BINS - 1)
            .min(BINS - 1);
        self.packets = self.packets.saturating_add(1);
        self.count(index);
        self.target = self.compute_target();
    }

    /// Adds a packet to the distribution and moves the level to where it belongs now.
    fn count(&mut self, index: usize) {
        let weight = if self.packets <= MEMORY {
            1.0
        } else {
            self.total / (MEMORY - 1) as f32
        };
        if let Some(bin) = self.bins.get_mut(index) {
            *bin += weight;
        }
        self.total += weight;
        if index >= self.level {
            self.late += weight;
        }
        if self.total > HEAVY {
            let scale = MEMORY as f32 / self.total;
            self.bins.iter_mut().for_each(|bin| *bin *= scale);
            // Summed anew, so that errors of rounding do not add up.
            self.total = self.bins.iter().sum();
            self.late = self.bins.iter().skip(self.level).sum();
        }
        let allowed = self.late_share * self.total;
        while self.late > allowed
            && let Some(bin) = self.bins.get(self.level)
        {
            self.late -= bin;
            self.level += 1;
        }
        while let Some(below) = self.level.checked_sub(1)
            && let Some(bin) = self.bins.get(below)
            && self.late + bin <= allowed
        {
            self.late += bin;
            self.level = below;
        }
    }

    /// The delay at `now` of what was sent at `at`, above the least transit.
    pub(super) fn delay_at(&self, now: i64, at: i64) -> i64 {
        self.least
            .map_or(0, |(current, previous)| now - at - current.min(previous))
    }

    pub(super) fn target(&self) -> i64 {
        self.target
    }

    pub(super) fn is_settled(&self) -> bool {
        self.packets >= SETTLED
    }

    pub(super) fn is_wild(&self, transit: i64, seconds: i64) -> bool {
        self.least.is_some_and(|(current, previous)| {
            (transit - current.min(previous)).abs() > seconds * self.clock_rate
        })
    }

    fn compute_target(&self) -> i64 {
        // The upper edge of the last bin below the level, so that its packets are in time.
        let measured = self.level as i64 * self.bin;
        let measured = if self.is_settled() {
            measured
        } else {
            measured.max(self.initial)
        };
        measured.clamp(self.min, self.max)
    }
}
