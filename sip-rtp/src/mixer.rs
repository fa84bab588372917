//! Mixing for conferences: everybody hears everybody else.
//!
//! Each tick, [`Mixer::write`] gives the samples of those who sent, [`Mixer::mix`] adds them up, and [`Mixer::read`] takes
//! out what one listener hears: the sum without its own part. A limiter lowers loud sums smoothly instead of clipping
//! them, and a level meter per participant finds the active speaker.

/// Gain of 1 in fixed point.
const UNITY: i32 = 1 << 12;
/// The greatest gain: 18 dB.
const MAX_GAIN: f32 = 8.0;
/// The limiter recovers by this share of what is missing, per frame.
const RECOVERY: f32 = 0.05;
/// Level below which nobody speaks: about -50 dBov.
const SPEECH_LEVEL: f32 = 100.0;
/// How much louder another must be to become the active speaker, and for how many frames.
const TAKEOVER_RATIO: f32 = 1.4;
const TAKEOVER_FRAMES: u32 = 10;

/// A participant of a [`Mixer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParticipantId {
    index: u32,
    generation: u32,
}

/// See the [module](self).
///
/// ```
/// use sip_rtp::mixer::Mixer;
///
/// let mut mixer = Mixer::new(160);
/// let (alice, bob) = (mixer.add(), mixer.add());
/// mixer.write(alice, &[1000; 160]);
/// mixer.write(bob, &[-300; 160]);
/// mixer.mix();
/// let mut heard = [0; 160];
/// mixer.read(alice, &mut heard);
/// assert_eq!(heard, [-300; 160]);
/// ```
#[derive(Debug)]
pub struct Mixer {
    frame: usize,
    slots: Vec<Slot>,
    sum: Vec<i32>,
    limiter: f32,
    /// The gain that the last `mix` applies, in fixed point.
    applied: i32,
    active: Option<ParticipantId>,
    challenger: Option<(ParticipantId, u32)>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    used: bool,
    gain: i32,
    muted: bool,
    wrote: bool,
    level: f32,
    /// This frame's samples after gain; zeros when it did not write.
    pcm: Vec<i16>,
}

impl Mixer {
    /// A mixer of frames of `frame` samples: 160 for 20 ms at 8 kHz, 320 at 16 kHz, 960 at 48 kHz.
    #[must_use]
    pub fn new(frame: usize) -> Self {
        Self {
            frame,
            slots: Vec::new(),
            sum: vec![0; frame],
            limiter: 1.0,
            applied: UNITY,
            active: None,
            challenger: None,
        }
    }

    /// Adds a participant.
    pub fn add(&mut self) -> ParticipantId {
        let index = self
            .slots
            .iter()
            .position(|slot| !slot.used)
            .unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push(Slot {
                generation: 0,
                used: false,
                gain: UNITY,
                muted: false,
                wrote: false,
                level: 0.0,
                pcm: vec![0; self.frame],
            });
        }
        let generation = self.slots.get_mut(index).map_or(0, |slot| {
            (slot.used, slot.gain, slot.muted, slot.level) = (true, UNITY, false, 0.0);
            slot.generation
        });
        ParticipantId {
            index: index as u32,
            generation,
        }
    }

    /// Removes a participant; its id is never valid again.
    pub fn remove(&mut self, id: ParticipantId) {
        if let Some(slot) = self.slot(id) {
            slot.generation = slot.generation.wrapping_add(1);
            (slot.used, slot.wrote) = (false, false);
            slot.pcm.fill(0);
        }
        if self.active == Some(id) {
            self.active = None;
        }
    }

    /// How loud the others hear this participant: 1 as it speaks, at most 8 (18 dB).
    pub fn set_gain(&mut self, id: ParticipantId, gain: f32) {
        if let Some(slot) = self.slot(id) {
            slot.gain = (gain.clamp(0.0, MAX_GAIN) * UNITY as f32) as i32;
        }
    }

    /// Whether the others hear this participant at all.
    pub fn set_muted(&mut self, id: ParticipantId, muted: bool) {
        if let Some(slot) = self.slot(id) {
            slot.muted = muted;
        }
    }

    /// The samples of one participant for this tick. A short frame is filled up with silence; one that does not write is
    /// silent.
    pub fn write(&mut self, id: ParticipantId, pcm: &[i16]) {
        let Some(slot) = self.slot(id) else { return };
        if slot.muted {
            return;
        }
        slot.wrote = true;
        let gain = slot.gain;
        let len = pcm.len().min(slot.pcm.len());
        let (head, tail) = slot.pcm.split_at_mut(len);
        if gain == UNITY {
            head.copy_from_slice(pcm.get(..len).unwrap_or_default());
        } else {
            for (to, from) in head.iter_mut().zip(pcm) {
                *to = clamp(i32::from(*from) * gain / UNITY);
            }
        }
        tail.fill(0);
    }

    /// Adds up what was written since the last call.
    pub fn mix(&mut self) {
        self.sum.fill(0);
        for slot in &mut self.slots {
            if !std::mem::take(&mut slot.wrote) {
                slot.pcm.fill(0);
                slot.level *= 0.8;
                continue;
            }
            let mut energy = 0i64;
            for (sum, sample) in self.sum.iter_mut().zip(&slot.pcm) {
                *sum += i32::from(*sample);
                energy += i64::from(i32::from(*sample) * i32::from(*sample));
            }
            let rms = (energy as f32 / self.frame.max(1) as f32).sqrt();
            // A quick rise and a slow fall, as a meter has it.
            slot.level = if rms > slot.level {
                slot.level * 0.3 + rms * 0.7
            } else {
                slot.level * 0.9 + rms * 0.1
            };
        }
        let peak = self
            .sum
            .iter()
            .fold(0, |peak, sample| peak.max(sample.abs()));
        let fits = if peak > 32_767 {
            32_767.0 / peak as f32
        } else {
            1.0
        };
        self.limiter = fits.min(self.limiter + (1.0 - self.limiter) * RECOVERY);
        self.applied = if self.limiter > 0.999 {
            UNITY
        } else {
            (self.limiter * UNITY as f32) as i32
        };
        self.find_speaker();
    }

    /// What one participant hears: all others. One that is unknown hears silence.
    pub fn read(&self, id: ParticipantId, pcm: &mut [i16]) {
        let Some(slot) = self
            .slots
            .get(id.index as usize)
            .filter(|slot| slot.used && slot.generation == id.generation)
        else {
            pcm.fill(0);
            return;
        };
        self.write_sum(pcm, slot.pcm.iter().map(|sample| i32::from(*sample)));
    }

    /// What one who only listens hears, such as a recorder: all.
    pub fn read_all(&self, pcm: &mut [i16]) {
        self.write_sum(pcm, std::iter::repeat(0));
    }

    /// Who speaks: the loudest, with inertia. Stays with who spoke last while nobody speaks.
    #[must_use]
    pub fn active_speaker(&self) -> Option<ParticipantId> {
        self.active
    }

    /// The level of a participant: root mean square of recent frames, 0 to 32767.
    #[must_use]
    pub fn level(&self, id: ParticipantId) -> f32 {
        self.slots
            .get(id.index as usize)
            .filter(|slot| slot.used && slot.generation == id.generation)
            .map_or(0.0, |slot| slot.level)
    }

    /// The number of participants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.iter().filter(|slot| slot.used).count()
    }

    /// Whether there is no participant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn write_sum(&self, pcm: &mut [i16], own: impl Iterator<Item = i32>) {
        let len = pcm.len().min(self.frame);
        let (head, tail) = pcm.split_at_mut(len);
        if self.applied == UNITY {
            for ((to, sum), own) in head.iter_mut().zip(&self.sum).zip(own) {
                *to = clamp(sum - own);
            }
        } else {
            // Up to 2^16 participants at full scale fit 32 bits before the gain, not after it.
            for ((to, sum), own) in head.iter_mut().zip(&self.sum).zip(own) {
                *to = (i64::from(sum - own) * i64::from(self.applied) / i64::from(UNITY))
                    .clamp(-32_768, 32_767) as i16;
            }
        }
        tail.fill(0);
    }

    fn find_speaker(&mut self) {
        let used = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.used && slot.level >= SPEECH_LEVEL);
        let loudest = used.max_by(|(_, a), (_, b)| a.level.total_cmp(&b.level));
        let Some((index, slot)) = loudest else {
            self.challenger = None;
            return;
        };
        let (id, level) = (
            ParticipantId {
                index: index as u32,
                generation: slot.generation,
            },
            slot.level,
        );
        match self.active {
            Some(active) if active == id => self.challenger = None,
            Some(active) if level < self.level(active) * TAKEOVER_RATIO => self.challenger = None,
            Some(_) => {
                let frames = self
                    .challenger
                    .filter(|(challenger, _)| *challenger == id)
                    .map_or(1, |(_, frames)| frames + 1);
                if frames >= TAKEOVER_FRAMES {
                    (self.active, self.challenger) = (Some(id), None);
                } else {
                    self.challenger = Some((id, frames));
                }
            }
            None => self.active = Some(id),
        }
    }

    fn slot(&mut self, id: ParticipantId) -> Option<&mut Slot> {
        self.slots
            .get_mut(id.index as usize)
            .filter(|slot| slot.used && slot.generation == id.generation)
    }
}

fn clamp(sample: i32) -> i16 {
    sample.clamp(-32_768, 32_767) as i16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(mixer: &Mixer, id: ParticipantId) -> Vec<i16> {
        let mut pcm = vec![7; mixer.frame];
        mixer.read(id, &mut pcm);
        pcm
    }

    #[test]
    fn everybody_hears_the_others_at_any_rate() {
        for frame in [160, 320, 960] {
            let mut mixer = Mixer::new(frame);
            let ids: Vec<_> = (0..4).map(|_| mixer.add()).collect();
            for (index, id) in ids.iter().enumerate() {
                mixer.write(*id, &vec![10i16.pow(index as u32); frame]);
            }
            mixer.mix();
            let levels: Vec<i16> = ids.iter().map(|id| heard(&mixer, *id)[frame - 1]).collect();
            assert_eq!(levels, [1110, 1101, 1011, 111]);
            let mut all = vec![0; frame];
            mixer.read_all(&mut all);
            assert_eq!(all, vec![1111; frame]);
            // Nobody wrote since: silence.
            mixer.mix();
            assert_eq!(heard(&mixer, ids[0]), vec![0; frame]);
        }
    }

    #[test]
    fn gain_and_mute() {
        let mut mixer = Mixer::new(160);
        let (a, b) = (mixer.add(), mixer.add());
        mixer.set_gain(a, 0.5);
        mixer.write(a, &[1000; 160]);
        mixer.mix();
        assert_eq!(heard(&mixer, b)[0], 500);
        mixer.set_gain(a, 100.0);
        mixer.write(a, &[1000; 160]);
        mixer.mix();
        assert_eq!(heard(&mixer, b)[0], 8000);
        mixer.set_muted(a, true);
        mixer.write(a, &[1000; 160]);
        mixer.mix();
        assert_eq!(heard(&mixer, b)[0], 0);
    }

    #[test]
    fn a_loud_sum_is_lowered_and_not_clipped() {
        let mut mixer = Mixer::new(160);
        let ids: Vec<_> = (0..10).map(|_| mixer.add()).collect();
        let wave: Vec<i16> = (0..160)
            .map(|n| ((f64::from(n) * 0.05).sin() * 20_000.0) as i16)
            .collect();
        ids.iter().for_each(|id| mixer.write(*id, &wave));
        mixer.mix();
        let pcm = heard(&mixer, ids[0]);
        // The shape is kept: the same wave at another level.
        let scale = f64::from(pcm[31]) / f64::from(wave[31]);
        for (heard, original) in pcm.iter().zip(&wave) {
            assert!((f64::from(*heard) - f64::from(*original) * scale).abs() < 20.0);
        }
        // And the gain comes back when it is quiet again.
        for _ in 0..200 {
            mixer.write(ids[0], &[1000; 160]);
            mixer.mix();
        }
        assert_eq!(heard(&mixer, ids[1])[0], 1000);
    }

    #[test]
    fn the_active_speaker_changes_with_inertia() {
        let mut mixer = Mixer::new(160);
        let (a, b) = (mixer.add(), mixer.add());
        let speak = |mixer: &mut Mixer, loud: ParticipantId, frames: usize| {
            for _ in 0..frames {
                for id in [a, b] {
                    let level = if id == loud { 5000 } else { 50 };
                    mixer.write(
                        id,
                        &(0..160)
                            .map(|n| if n % 2 == 0 { level } else { -level })
                            .collect::<Vec<i16>>(),
                    );
                }
                mixer.mix();
            }
        };
        speak(&mut mixer, a, 1);
        assert_eq!(mixer.active_speaker(), Some(a));
        speak(&mut mixer, b, 5);
        assert_eq!(mixer.active_speaker(), Some(a));
        speak(&mut mixer, b, 30);
        assert_eq!(mixer.active_speaker(), Some(b));
        // A cough does not take the floor, and silence does not give it up.
        speak(&mut mixer, a, 2);
        (0..100).for_each(|_| mixer.mix());
        assert_eq!(mixer.active_speaker(), Some(b));
        mixer.remove(b);
        assert_eq!(mixer.active_speaker(), None);
    }

    #[test]
    fn an_old_id_means_nobody() {
        let mut mixer = Mixer::new(160);
        let old = mixer.add();
        mixer.remove(old);
        let new = mixer.add();
        assert_ne!(old, new);
        mixer.write(old, &[1000; 160]);
        mixer.mix();
        let other = mixer.add();
        assert_eq!(
            (heard(&mixer, other)[0], heard(&mixer, old)[0], mixer.len()),
            (0, 0, 2)
        );
    }

    proptest! {
        #[test]
        fn without_overload_it_is_a_plain_sum(frames in proptest::collection::vec(proptest::collection::vec(-1000i16..1000, 0..40), 1..12)) {
            let mut mixer = Mixer::new(32);
            let ids: Vec<_> = frames.iter().map(|_| mixer.add()).collect();
            for (id, frame) in ids.iter().zip(&frames) {
                mixer.write(*id, frame);
            }
            mixer.mix();
            for (listener, id) in ids.iter().enumerate() {
                let pcm = heard(&mixer, *id);
                for (at, sample) in pcm.iter().enumerate() {
                    let others = frames.iter().enumerate().filter(|(index, _)| *index != listener);
                    let expected: i32 = others.map(|(_, frame)| i32::from(frame.get(at).copied().unwrap_or(0))).sum();
                    prop_assert_eq!(i32::from(*sample), expected);
                }
            }
        }
    }
}
