//! The sending half of RFC 4733.

use std::collections::VecDeque;
use std::fmt;

use super::{Event, EventPayload};

/// Packets that report the end of an event (RFC 4733 §2.5.1.4).
const END_PACKETS: u8 = 3;
/// Longest duration of one segment (RFC 4733 §2.5.1.3).
const MAX_SEGMENT: u32 = 0xffff;
/// Digits that may wait. More than anyone types; a bound against a runaway caller.
const MAX_QUEUE: usize = 256;

/// The queue of events is full; try again when some are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyEvents;

impl fmt::Display for TooManyEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MAX_QUEUE} telephone events are already waiting")
    }
}

impl std::error::Error for TooManyEvents {}

/// What to send in this packet interval in place of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventPacket {
    /// The RTP timestamp: when the event, or its segment, began.
    pub timestamp: u32,
    /// Whether the marker bit is set: only on the first packet of an event.
    pub marker: bool,
    /// The payload.
    pub payload: EventPayload,
}

/// Sends events one after the other, one packet per interval, on the media clock of the audio.
///
/// Ask [`Self::next_packet`] once per packet interval: it answers with an event packet while an event is being sent
/// or repeated, and with `None` when the interval belongs to the audio.
#[derive(Debug)]
pub struct EventSender {
    queue: VecDeque<Queued>,
    current: Option<Current>,
    /// No event may begin before this point of the media clock.
    resume_at: Option<u32>,
    gap: u32,
}

#[derive(Debug, Clone, Copy)]
struct Queued {
    event: Event,
    volume: u8,
    duration: u32,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    event: Event,
    volume: u8,
    /// Where on the media clock the segment began.
    start: u32,
    /// What of the event lies after the beginning of this segment.
    left: u32,
    first: bool,
    /// End packets still to send; `None` while the event lasts.
    ending: Option<u8>,
}

impl EventSender {
    /// A sender that leaves at least `gap` ticks of audio between two events.
    #[must_use]
    pub fn new(gap: u32) -> Self {
        Self {
            queue: VecDeque::new(),
            current: None,
            resume_at: None,
            gap,
        }
    }

    /// Queues an event of `duration` ticks at `volume` -dBm0 (10 is usual for DTMF).
    ///
    /// # Errors
    /// When 256 events wait already.
    pub fn send(&mut self, event: Event, duration: u32, volume: u8) -> Result<(), TooManyEvents> {
        if self.queue.len() >= MAX_QUEUE {
            return Err(TooManyEvents);
        }
        self.queue.push_back(Queued {
            event,
            volume: volume.min(63),
            duration: duration.max(1),
        });
        Ok(())
    }

    /// The event packet of the interval that begins at `media_time` and lasts `interval` ticks.
    pub fn next_packet(&mut self, media_time: u32, interval: u32) -> Option<EventPacket> {
        if self.current.is_none() {
            self.begin(media_time);
        }
        let current = self.current.as_mut()?;
        let marker = std::mem::take(&mut current.first);
        if let Some(left) = current.ending {
            // RFC 4733 §2.5.1.4: the final packet goes out three times, with the same timestamp and duration.
            let packet = current.packet(marker, true, current.left);
            current.ending = left.checked_sub(1).filter(|left| *left > 0);
            if current.ending.is_none() {
                self.current = None;
                self.resume_at = Some(media_time.wrapping_add(interval).wrapping_add(self.gap));
            }
            return Some(packet);
        }
        // What has elapsed at the end of this interval.
        let elapsed = media_time
            .wrapping_add(interval)
            .wrapping_sub(current.start);
        if elapsed >= current.left && current.left <= MAX_SEGMENT {
            current.ending = Some(END_PACKETS - 1);
            return Some(current.packet(marker, true, current.left));
        }
        if elapsed >= MAX_SEGMENT {
            // RFC 4733 §2.5.1.3: report the longest duration without E; the next segment begins where this one ended.
            let packet = current.packet(marker, false, MAX_SEGMENT);
            current.start = current.start.wrapping_add(MAX_SEGMENT);
            current.left -= MAX_SEGMENT;
            return Some(packet);
        }
        Some(current.packet(marker, false, elapsed))
    }

    /// Whether an event is being sent or waits.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.current.is_some() || !self.queue.is_empty()
    }

    fn begin(&mut self, media_time: u32) {
        if let Some(resume_at) = self.resume_at {
            if (resume_at.wrapping_sub(media_time) as i32) > 0 {
                return;
            }
            self.resume_at = None;
        }
        self.current = self.queue.pop_front().map(
            |Queued {
                 event,
                 volume,
                 duration,
             }| Current {
                event,
                volume,
                start: media_time,
                left: duration,
                first: true,
                ending: None,
            },
        );
    }
}

impl Current {
    fn packet(&self, marker: bool, end: bool, duration: u32) -> EventPacket {
        let duration = duration.min(MAX_SEGMENT) as u16;
        let payload = EventPayload {
            event: self.event,
            end,
            volume: self.volume,
            duration,
        };
        EventPacket {
            timestamp: self.start,
            marker,
            payload,
        }
    }
}
