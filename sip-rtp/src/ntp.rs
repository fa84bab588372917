//! Wall-clock time as RTCP carries it (RFC 3550 §4).

use std::time::{Duration, SystemTime};

/// Seconds between 1900-01-01 (NTP) and 1970-01-01 (Unix).
const UNIX_OFFSET: u64 = 2_208_988_800;

/// An NTP timestamp: seconds since 1900 in the high 32 bits, their fraction in the low 32 (RFC 3550 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NtpTime(u64);

impl NtpTime {
    /// From the 64 bits on the wire.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// From a wall clock. Times before 1970 count as 1970; the seconds wrap in 2036, as they do on the wire.
    #[must_use]
    pub fn from_system_time(time: SystemTime) -> Self {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = since.as_secs().wrapping_add(UNIX_OFFSET) & 0xffff_ffff;
        Self((seconds << 32) | ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000))
    }

    /// The 64 bits on the wire.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The middle 32 bits: units of 1/65536 s, the form of LSR and DLSR (RFC 3550 §6.4.1).
    #[must_use]
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// This time plus a duration; wraps as NTP does.
    #[must_use]
    pub fn wrapping_add(self, duration: Duration) -> Self {
        let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
        Self(self.0.wrapping_add((duration.as_secs() << 32) | fraction))
    }
}

/// A duration in units of 1/65536 s, saturating (about 18 hours): the form of DLSR.
#[must_use]
pub fn to_short(duration: Duration) -> u32 {
    let units = (u64::from(duration.subsec_nanos()) << 16) / 1_000_000_000;
    u32::try_from(
        duration
            .as_secs()
            .saturating_mul(65_536)
            .saturating_add(units),
    )
    .unwrap_or(u32::MAX)
}

/// The duration that `units` of 1/65536 s are.
#[must_use]
pub fn from_short(units: u32) -> Duration {
    Duration::from_nanos(u64::from(units) * 1_000_000_000 / 65_536)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3550_4_ntp_of_the_unix_epoch() {
        assert_eq!(
            NtpTime::from_system_time(SystemTime::UNIX_EPOCH).to_bits(),
            UNIX_OFFSET << 32
        );
        let half = SystemTime::UNIX_EPOCH + Duration::from_millis(500);
        assert_eq!(
            NtpTime::from_system_time(half).to_bits() as u32,
            0x8000_0000
        );
    }

    #[test]
    fn middle_bits_and_short_durations() {
        let time = NtpTime::from_bits(0xe8f5_b44d_b705_0000);
        assert_eq!(time.middle(), 0xb44d_b705);
        assert_eq!(to_short(Duration::from_millis(1500)), 0x0001_8000);
        assert_eq!(from_short(0x0001_8000), Duration::from_millis(1500));
        assert_eq!(to_short(Duration::from_secs(1 << 40)), u32::MAX);
        assert_eq!(
            time.wrapping_add(Duration::from_secs(1)).to_bits(),
            0xe8f5_b44e_b705_0000
        );
    }
}
