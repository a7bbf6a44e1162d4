//! Sizes and durations as they are written: `2GiB`, `15m`.

use std::fmt;
use std::time::Duration;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// A size or duration that is not written as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityFault {
    /// A number alone.
    #[error("has no unit")]
    NoUnit,
    /// Something that does not begin with a whole number.
    #[error("does not begin with a whole number")]
    NoNumber,
    /// A unit that is none.
    #[error("has a unit that is not known")]
    Unit,
    /// More than fits.
    #[error("is too large")]
    TooLarge,
}

const SIZES: [(&str, u64); 5] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
const SPANS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// A hundred years: far beyond any use, and far from where arithmetic with timestamps ends.
const LONGEST: u64 = 36_500 * 86_400_000;

impl ByteSize {
    /// Takes a number of bytes.
    pub const fn bytes(count: u64) -> Self {
        Self(count)
    }

    /// Takes a number of gibibytes.
    pub const fn gib(count: u32) -> Self {
        Self((count as u64) << 30)
    }

    /// Gives the number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads a size, such as `512MiB`.
    ///
    /// # Units
    /// `B`, `KiB`, `MiB`, `GiB`, `TiB`.
    ///
    /// # Errors
    /// No whole number with one of the units, or too large a one.
    pub fn parse(text: &str) -> Result<Self, QuantityFault> {
        quantity(text, &SIZES, u64::MAX).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&largest_unit(self.0, &SIZES, "0B"))
    }
}

/// Reads a duration, such as `90s`.
///
/// # Units
/// `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
/// No whole number with one of the units, or more than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityFault> {
    quantity(text, &SPANS, LONGEST).map(Duration::from_millis)
}

/// Writes a duration so that [`parse_duration`] reads it back: in the largest unit that leaves no rest. What is below a millisecond is
/// left out.
pub fn duration_text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(LONGEST);
    largest_unit(millis, &SPANS, "0s")
}

fn quantity(text: &str, units: &[(&str, u64)], most: u64) -> Result<u64, QuantityFault> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err(QuantityFault::NoNumber);
    }
    if unit.is_empty() {
        return Err(QuantityFault::NoUnit);
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(QuantityFault::Unit);
    };
    let number: u64 = number.parse().map_err(|_| QuantityFault::TooLarge)?;
    match number.checked_mul(*factor) {
        Some(value) if value <= most => Ok(value),
        _ => Err(QuantityFault::TooLarge),
    }
}

fn largest_unit(value: u64, units: &[(&str, u64)], zero: &str) -> String {
    if value == 0 {
        return zero.to_owned();
    }
    let fitting = units.iter().rev().find(|(_, factor)| value.is_multiple_of(*factor));
    let (unit, factor) = fitting.unwrap_or(&units[0]);
    format!("{}{unit}", value / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_duration(text: &str, expect: Result<u64, QuantityFault>) {
        let read = parse_duration(text);
        assert_eq!(read, expect.map(Duration::from_millis), "{text}");
        if let Ok(duration) = read {
            assert_eq!(parse_duration(&duration_text(duration)), Ok(duration), "{text} is written back");
        }
    }

    #[test]
    fn durations() {
        check_duration("10s", Ok(10_000));
        check_duration("15m", Ok(900_000));
        check_duration("30d", Ok(30 * 86_400_000));
        check_duration("1h", Ok(3_600_000));
        check_duration("250ms", Ok(250));
        check_duration("0s", Ok(0));
        check_duration("90s", Ok(90_000));
        check_duration("", Err(QuantityFault::NoNumber));
        check_duration("-1s", Err(QuantityFault::NoNumber));
        check_duration("1.5h", Err(QuantityFault::Unit));
        check_duration("10", Err(QuantityFault::NoUnit));
        check_duration("10 s", Err(QuantityFault::Unit));
        check_duration("10S", Err(QuantityFault::Unit));
        check_duration("36500d", Ok(LONGEST));
        check_duration("36501d", Err(QuantityFault::TooLarge));
        check_duration("99999999999999999999s", Err(QuantityFault::TooLarge));
        check_duration("18446744073709551615d", Err(QuantityFault::TooLarge));
    }

    fn check_size(text: &str, expect: Result<u64, QuantityFault>) {
        let read = ByteSize::parse(text);
        assert_eq!(read, expect.map(ByteSize), "{text}");
        if let Ok(size) = read {
            assert_eq!(ByteSize::parse(&size.to_string()), Ok(size), "{text} is written back");
        }
    }

    #[test]
    fn sizes() {
        check_size("2GiB", Ok(2 << 30));
        check_size("1536MiB", Ok(1536 << 20));
        check_size("7B", Ok(7));
        check_size("0B", Ok(0));
        check_size("2GB", Err(QuantityFault::Unit));
        check_size("2", Err(QuantityFault::NoUnit));
        check_size("GiB", Err(QuantityFault::NoNumber));
        check_size("16777216TiB", Err(QuantityFault::TooLarge));
    }
}
