//! Call-progress tones of several countries (ITU-T E.180 and its Supplement 2, E.182).

use super::{Step, Tone};

/// Level of each sine, in dBm0.
const LEVEL: f32 = -13.0;

/// What a call-progress tone says (ITU-T E.182).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// Dial now.
    Dial,
    /// The other side rings.
    Ringing,
    /// The other side is busy.
    Busy,
    /// No line, or a failure.
    Congestion,
    /// Another call waits.
    CallWaiting,
    /// An announcement follows: the number cannot be reached.
    SpecialInformation,
}

/// Whose tones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Country {
    /// The recommendation for Europe: 425 Hz.
    Europe,
    /// United States and Canada.
    UnitedStates,
    /// United Kingdom.
    UnitedKingdom,
    /// Germany.
    Germany,
    /// France.
    France,
    /// Italy.
    Italy,
    /// Japan.
    Japan,
    /// Australia.
    Australia,
}

impl Country {
    /// All countries of this table.
    pub const ALL: [Self; 8] = [
        Self::Europe,
        Self::UnitedStates,
        Self::UnitedKingdom,
        Self::Germany,
        Self::France,
        Self::Italy,
        Self::Japan,
        Self::Australia,
    ];

    /// The country with an ISO 3166-1 code in either case, such as `de`; `None` if this table lacks it.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let table = [
            ("eu", Self::Europe),
            ("us", Self::UnitedStates),
            ("ca", Self::UnitedStates),
            ("gb", Self::UnitedKingdom),
            ("de", Self::Germany),
            ("fr", Self::France),
            ("it", Self::Italy),
            ("jp", Self::Japan),
            ("au", Self::Australia),
        ];
        table
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(code))
            .map(|(_, country)| country)
    }

    /// The steps of a tone, to be repeated for as long as the state lasts.
    #[must_use]
    pub fn steps(self, signal: Signal) -> Vec<Step> {
        // (frequencies, milliseconds on or off); no frequency is silence, 0 ms is for ever.
        let cadence: &[(&[f32], u32)] = match (self, signal) {
            // Three rising tones everywhere (ITU-T E.180 §7).
            (Self::UnitedStates, Signal::SpecialInformation) => &[
                (&[913.8], 274),
                (&[1370.6], 274),
                (&[1776.7], 380),
                (&[], 1000),
            ],
            (_, Signal::SpecialInformation) => &[
                (&[950.0], 330),
                (&[1400.0], 330),
                (&[1800.0], 330),
                (&[], 1000),
            ],

            (Self::Europe | Self::Germany, Signal::Dial) => &[(&[425.0], 0)],
            (Self::Europe | Self::Germany | Self::Italy, Signal::Ringing) => {
                &[(&[425.0], 1000), (&[], 4000)]
            }
            (Self::Europe | Self::Italy, Signal::Busy) => &[(&[425.0], 500), (&[], 500)],
            (Self::Europe | Self::Italy, Signal::Congestion) => &[(&[425.0], 200), (&[], 200)],
            (Self::Europe | Self::Germany, Signal::CallWaiting) => {
                &[(&[425.0], 200), (&[], 200), (&[425.0], 200), (&[], 5000)]
            }
            (Self::Germany, Signal::Busy) => &[(&[425.0], 480), (&[], 480)],
            (Self::Germany, Signal::Congestion) => &[(&[425.0], 240), (&[], 240)],

            (Self::UnitedStates, Signal::Dial) => &[(&[350.0, 440.0], 0)],
            (Self::UnitedStates, Signal::Ringing) => &[(&[440.0, 480.0], 2000), (&[], 4000)],
            (Self::UnitedStates, Signal::Busy) => &[(&[480.0, 620.0], 500), (&[], 500)],
            (Self::UnitedStates, Signal::Congestion) => &[(&[480.0, 620.0], 250), (&[], 250)],
            (Self::UnitedStates, Signal::CallWaiting) => &[(&[440.0], 300), (&[], 9700)],

            (Self::UnitedKingdom, Signal::Dial) => &[(&[350.0, 440.0], 0)],
            (Self::UnitedKingdom, Signal::Ringing) => &[
                (&[400.0, 450.0], 400),
                (&[], 200),
                (&[400.0, 450.0], 400),
                (&[], 2000),
            ],
            (Self::UnitedKingdom, Signal::Busy) => &[(&[400.0], 375), (&[], 375)],
            (Self::UnitedKingdom, Signal::Congestion) => {
                &[(&[400.0], 400), (&[], 350), (&[400.0], 225), (&[], 525)]
            }
            (Self::UnitedKingdom, Signal::CallWaiting) => &[(&[400.0], 100), (&[], 3000)],

            (Self::France, Signal::Dial) => &[(&[440.0], 0)],
            (Self::France, Signal::Ringing) => &[(&[440.0], 1500), (&[], 3500)],
            (Self::France, Signal::Busy) => &[(&[440.0], 500), (&[], 500)],
            (Self::France, Signal::Congestion) => &[(&[440.0], 250), (&[], 250)],
            (Self::France, Signal::CallWaiting) => &[(&[440.0], 300), (&[], 10_000)],

            (Self::Italy, Signal::Dial) => {
                &[(&[425.0], 200), (&[], 200), (&[425.0], 600), (&[], 1000)]
            }
            (Self::Italy, Signal::CallWaiting) => &[
                (&[425.0], 400),
                (&[], 100),
                (&[425.0], 250),
                (&[], 100),
                (&[425.0], 150),
                (&[], 14_000),
            ],

            (Self::Japan, Signal::Dial) => &[(&[400.0], 0)],
            // 400 Hz modulated by 16 Hz: its side bands.
            (Self::Japan, Signal::Ringing) => &[(&[384.0, 416.0], 1000), (&[], 2000)],
            (Self::Japan, Signal::Busy | Signal::Congestion) => &[(&[400.0], 500), (&[], 500)],
            (Self::Japan, Signal::CallWaiting) => &[(&[384.0, 416.0], 500), (&[], 4000)],

            (Self::Australia, Signal::Dial) => &[(&[413.0, 438.0], 0)],
            (Self::Australia, Signal::Ringing) => &[
                (&[413.0, 438.0], 400),
                (&[], 200),
                (&[413.0, 438.0], 400),
                (&[], 2000),
            ],
            (Self::Australia, Signal::Busy | Signal::Congestion) => &[(&[425.0], 375), (&[], 375)],
            (Self::Australia, Signal::CallWaiting) => {
                &[(&[425.0], 200), (&[], 200), (&[425.0], 200), (&[], 4400)]
            }
        };
        cadence
            .iter()
            .map(|(frequencies, millis)| Step::on(frequencies, LEVEL, *millis))
            .collect()
    }

    /// The tone as samples, for ever.
    ///
    /// ```
    /// use sip_rtp::tone::plan::{Country, Signal};
    ///
    /// let mut ringing = Country::from_code("us").expect("known").tone(Signal::Ringing, 8000);
    /// let mut pcm = vec![0; 6 * 8000];
    /// ringing.fill(&mut pcm);
    /// assert!(pcm[..16_000].iter().any(|sample| *sample != 0) && pcm[16_000..].iter().all(|sample| *sample == 0));
    /// ```
    #[must_use]
    pub fn tone(self, signal: Signal, sample_rate: u32) -> Tone {
        Tone::new(self.steps(signal), true, sample_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNALS: [Signal; 6] = [
        Signal::Dial,
        Signal::Ringing,
        Signal::Busy,
        Signal::Congestion,
        Signal::CallWaiting,
        Signal::SpecialInformation,
    ];

    #[test]
    fn itu_e_180_every_tone_sounds_and_has_its_period() {
        for country in Country::ALL {
            for signal in SIGNALS {
                let steps = country.steps(signal);
                let period: u32 = steps.iter().map(|step| step.millis).sum();
                let mut pcm = vec![0; 8 * if period == 0 { 1000 } else { period } as usize * 2];
                assert_eq!(country.tone(signal, 8000).fill(&mut pcm), pcm.len());
                let mut at = 0;
                for step in steps.iter().filter(|step| step.millis > 0) {
                    let len = 8 * step.millis as usize;
                    let sounds = pcm[at..at + len].iter().any(|sample| *sample != 0);
                    assert_eq!(
                        sounds,
                        !step.partials.is_empty(),
                        "{country:?} {signal:?} at {at}"
                    );
                    at += len;
                }
                let half = pcm.len() / 2;
                if period > 0 {
                    assert_eq!(pcm[..half], pcm[half..], "{country:?} {signal:?}");
                }
                assert!(pcm.iter().all(|sample| sample.unsigned_abs() < 20_000));
            }
        }
    }

    #[test]
    fn countries_by_code() {
        assert_eq!(
            (Country::from_code("DE"), Country::from_code("xx")),
            (Some(Country::Germany), None)
        );
    }
}
