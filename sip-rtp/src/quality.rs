//! How good a call sounds, estimated: bursts of loss (RFC 3611 A.2) and the E-model (ITU-T G.107).

use std::time::Duration;

/// Packets received in a row that end a burst (RFC 3611 §4.7.2 recommends 16).
pub const GMIN: u8 = 16;

/// Tells isolated losses from bursts of them (RFC 3611 A.2).
#[derive(Debug, Clone, Default)]
pub struct LossPattern {
    /// Received since the last loss.
    received: u32,
    /// Lost within the current burst.
    burst: u32,
    losses: u32,
    discards: u32,
    total: u32,
    c11: u32,
    c13: u32,
    c14: u32,
    c22: u32,
    c23: u32,
    c33: u32,
}

/// What a [`LossPattern`] shows. Densities and rates are in 1/256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Bursts {
    /// Share of packets that the network lost.
    pub loss_rate: u8,
    /// Share of packets that came too late.
    pub discard_rate: u8,
    /// Share lost within bursts.
    pub burst_density: u8,
    /// Share lost between bursts.
    pub gap_density: u8,
    /// Mean length of a burst, in packets.
    pub burst_packets: u32,
    /// Mean length of a gap, in packets.
    pub gap_packets: u32,
}

impl LossPattern {
    /// A packet was played.
    pub fn on_received(&mut self) {
        self.received = self.received.saturating_add(1);
        self.total = self.total.saturating_add(1);
    }

    /// A packet was not there at its turn.
    pub fn on_lost(&mut self) {
        self.total = self.total.saturating_add(1);
        self.losses = self.losses.saturating_add(1);
        if self.received >= u32::from(GMIN) {
            // The burst before it is over; one that was a single loss was none.
            if self.burst == 1 {
                self.c14 += 1
            } else {
                self.c13 += 1
            }
            self.burst = 1;
            self.c11 = self.c11.saturating_add(self.received);
        } else {
            self.burst += 1;
            if self.received == 0 {
                self.c33 += 1;
            } else {
                self.c23 += 1;
                self.c22 += self.received - 1;
            }
        }
        self.received = 0;
    }

    /// A packet that counted as lost came after its turn: it was discarded, not lost.
    pub fn on_late(&mut self) {
        if self.losses > 0 {
            self.losses -= 1;
            self.discards += 1;
        }
    }

    /// What it shows so far.
    #[must_use]
    pub fn bursts(&self) -> Bursts {
        let ratio = |part: u32, whole: u32| {
            if whole == 0 {
                0.0
            } else {
                f64::from(part) / f64::from(whole)
            }
        };
        let octet = |share: f64| (share * 256.0).clamp(0.0, 255.0) as u8;
        // What was received since the last loss belongs to a gap once it is long enough.
        let open = if self.received >= u32::from(GMIN) {
            self.received
        } else {
            0
        };
        let c11 = self.c11.saturating_add(open);
        // RFC 3611 A.2: each transition is taken back as often as it is made.
        let (c31, c32) = (self.c13, self.c23);
        let p32 = ratio(c32, c31 + c32 + self.c33);
        let p23 = if self.c22 + self.c23 < 1 {
            1.0
        } else {
            1.0 - ratio(self.c22, self.c22 + self.c23)
        };
        let in_gaps = c11 + self.c14 + self.c13;
        let all = in_gaps + self.c22 + self.c23 + c31 + c32 + self.c33;
        let (gap_packets, burst_packets) = match self.c13 {
            // No burst yet: all is one gap.
            0 => (all, 0),
            bursts => (
                in_gaps / bursts,
                (all / bursts).saturating_sub(in_gaps / bursts),
            ),
        };
        Bursts {
            loss_rate: octet(ratio(self.losses, self.total)),
            discard_rate: octet(ratio(self.discards, self.total)),
            burst_density: if self.c13 == 0 {
                0
            } else {
                octet(p23 / (p23 + p32))
            },
            gap_density: octet(ratio(self.c14, c11 + self.c14)),
            burst_packets,
            gap_packets,
        }
    }
}

/// The transmission rating R of the E-model, 0 to 100, for G.711 with concealment (ITU-T G.107, G.113 appendix I):
/// `one_way` is the delay from mouth to ear, `loss` the share of packets not played, 0 to 1.
///
/// ```
/// use std::time::Duration;
/// use sip_rtp::quality::{mean_opinion_score, r_factor};
///
/// let good = r_factor(Duration::from_millis(50), 0.0);
/// assert!(good > 90.0 && mean_opinion_score(good) > 4.3);
/// let bad = r_factor(Duration::from_millis(400), 0.2);
/// assert!(bad < 50.0 && mean_opinion_score(bad) < 2.6);
/// ```
#[must_use]
pub fn r_factor(one_way: Duration, loss: f64) -> f64 {
    let millis = one_way.as_secs_f64() * 1000.0;
    // The usual approximation of the delay impairment: it bends at 177.3 ms.
    let delay = 0.024 * millis + 0.11 * (millis - 177.3).max(0.0);
    // G.113 appendix I: G.711 with concealment has Ie = 0 and Bpl = 25.1.
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    let equipment = 95.0 * percent / (percent + 25.1);
    (93.2 - delay - equipment).clamp(0.0, 100.0)
}

/// The mean opinion score that a rating stands for, 1 to 4.5 (ITU-T G.107 annex B).
#[must_use]
pub fn mean_opinion_score(r: f64) -> f64 {
    let r = r.clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a pattern of `.` (played) and `x` (lost), each with a count.
    fn pattern(parts: &[(u32, char)]) -> Bursts {
        let mut pattern = LossPattern::default();
        for (count, what) in parts {
            for _ in 0..*count {
                if *what == 'x' {
                    pattern.on_lost()
                } else {
                    pattern.on_received()
                }
            }
        }
        pattern.bursts()
    }

    #[test]
    fn rfc3611_a_2_isolated_losses_are_no_burst() {
        let parts: Vec<(u32, char)> = (0..50).flat_map(|_| [(49, '.'), (1, 'x')]).collect();
        let bursts = pattern(&parts);
        // The first loss is counted as the end of a burst that never was, as the algorithm has it.
        assert!((4..=6).contains(&bursts.gap_density), "{bursts:?}");
        assert_eq!((bursts.loss_rate, bursts.discard_rate), (5, 0));
    }

    #[test]
    fn rfc3611_a_2_bursts_have_their_density_and_length() {
        // Every 200 packets, ten in which every other one is lost.
        let mut parts = Vec::new();
        for _ in 0..100 {
            parts.push((190, '.'));
            (0..5).for_each(|_| parts.extend([(1, 'x'), (1, '.')]));
        }
        let bursts = pattern(&parts);
        assert!((110..=160).contains(&bursts.burst_density), "{bursts:?}");
        assert!((7..=11).contains(&bursts.burst_packets), "{bursts:?}");
        assert!((185..=196).contains(&bursts.gap_packets), "{bursts:?}");
        assert_eq!((bursts.gap_density, bursts.loss_rate), (0, 6));
    }

    #[test]
    fn a_clean_stream_and_an_empty_one() {
        assert_eq!(pattern(&[]), Bursts::default());
        let bursts = pattern(&[(1000, '.')]);
        assert_eq!(
            (bursts.loss_rate, bursts.burst_density, bursts.gap_packets),
            (0, 0, 1000)
        );
        let mut late = LossPattern::default();
        (0..255).for_each(|_| late.on_received());
        late.on_lost();
        late.on_late();
        assert_eq!(
            (late.bursts().loss_rate, late.bursts().discard_rate),
            (0, 1)
        );
    }

    #[test]
    fn itu_g_107_annex_b_ratings_and_scores() {
        // Points of the table: R 90, 80, 70, 60, 50.
        for (r, mos) in [
            (90.0, 4.34),
            (80.0, 4.03),
            (70.0, 3.60),
            (60.0, 3.10),
            (50.0, 2.58),
        ] {
            assert!(
                (mean_opinion_score(r) - mos).abs() < 0.01,
                "{r}: {}",
                mean_opinion_score(r)
            );
        }
        assert_eq!(
            (mean_opinion_score(0.0), mean_opinion_score(200.0)),
            (1.0, 4.5)
        );
    }
}
