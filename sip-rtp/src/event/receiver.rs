//! The receiving half of RFC 4733: each event once, whatever was lost or doubled on the way.

use super::{Event, EventPayload};

/// What an event packet means to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// An event began; the first packet of it that arrived, which may be its last.
    Started(Event),
    /// An event ended after this many ticks of the RTP clock.
    Ended(Event, u64),
}

/// Turns event packets into [`Received`] values.
///
/// Events are told apart by their RTP timestamp, never by the marker bit, which may be lost (RFC 4733 §2.5.2.2).
#[derive(Debug, Default)]
pub struct EventReceiver {
    current: Option<Current>,
    /// Timestamp of the newest event that is over: older and equal ones are repetitions.
    last: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    event: Event,
    timestamp: u32,
    duration: u16,
    /// Ticks of the segments before this one (RFC 4733 §2.5.2.3).
    earlier: u64,
    /// Where on the media clock the last report reached.
    reached: u32,
}

impl EventReceiver {
    /// A receiver that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one event packet. `each` is called for what it means, in order: up to one end and one beginning.
    pub fn handle_packet(
        &mut self,
        timestamp: u32,
        payload: &[u8],
        mut each: impl FnMut(Received),
    ) {
        // RFC 4733 §2.5.1.5: several events in one packet follow each other without a gap.
        let mut timestamp = timestamp;
        for report in EventPayload::parse_all(payload) {
            self.on_report(timestamp, report, &mut each);
            timestamp = timestamp.wrapping_add(u32::from(report.duration));
        }
    }

    /// Tells that no event packet came for three intervals: an event whose end packets were all lost is over (RFC 4733
    /// §2.5.2.2).
    pub fn expire(&mut self, mut each: impl FnMut(Received)) {
        if let Some(current) = self.current.take() {
            self.finish(current, &mut each);
        }
    }

    /// The event that lasts now.
    #[must_use]
    pub fn current(&self) -> Option<Event> {
        self.current.map(|current| current.event)
    }

    /// The point of the media clock up to which the current event is known to last.
    #[must_use]
    pub fn reached(&self) -> Option<u32> {
        self.current.map(|current| current.reached)
    }

    fn on_report(&mut self, timestamp: u32, report: EventPayload, each: &mut impl FnMut(Received)) {
        if let Some(current) = &mut self.current {
            if current.timestamp == timestamp {
                // An update, or one that was overtaken: the longest duration counts.
                current.duration = current.duration.max(report.duration);
                current.reached = timestamp.wrapping_add(u32::from(current.duration));
                if report.end {
                    let current = *current;
                    self.current = None;
                    self.finish(current, each);
                }
                return;
            }
            if is_older(timestamp, current.timestamp) {
                return;
            }
            let segment = u32::from(u16::MAX);
            if report.event == current.event && timestamp == current.timestamp.wrapping_add(segment)
            {
                // RFC 4733 §2.5.2.3: no gap after a full segment, so it is the same event going on.
                current.earlier += u64::from(segment);
                current.timestamp = timestamp;
                current.duration = report.duration;
                current.reached = timestamp.wrapping_add(u32::from(report.duration));
                if report.end {
                    let current = *current;
                    self.current = None;
                    self.finish(current, each);
                }
                return;
            }
            // The next event: all end packets of this one were lost.
            let over = *current;
            self.current = None;
            self.finish(over, each);
        }
        if self
            .last
            .is_some_and(|last| last == timestamp || is_older(timestamp, last))
        {
            return;
        }
        each(Received::Started(report.event));
        let current = Current {
            event: report.event,
            timestamp,
            duration: report.duration,
            earlier: 0,
            reached: timestamp.wrapping_add(u32::from(report.duration)),
        };
        if report.end {
            self.finish(current, each);
        } else {
            self.current = Some(current);
        }
    }

    fn finish(&mut self, current: Current, each: &mut impl FnMut(Received)) {
        self.last = Some(current.timestamp);
        each(Received::Ended(
            current.event,
            current.earlier + u64::from(current.duration),
        ));
    }
}

/// Whether `a` lies before `b` on a clock that wraps.
fn is_older(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}
