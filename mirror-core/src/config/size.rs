//! Sizes as they are written: `2GiB`.

use std::fmt;

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
    /// Units that do not go from the largest to the smallest, or one that stands twice.
    #[error("has its units in the wrong order, or one of them twice")]
    Order,
    /// More than fits.
    #[error("is too large")]
    TooLarge,
}

const UNITS: [(&str, u64); 5] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

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
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        if number.is_empty() {
            return Err(QuantityFault::NoNumber);
        }
        if unit.is_empty() {
            return Err(QuantityFault::NoUnit);
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(QuantityFault::Unit);
        };
        let number: u64 = number.parse().map_err(|_| QuantityFault::TooLarge)?;
        number.checked_mul(*factor).map(Self).ok_or(QuantityFault::TooLarge)
    }
}

/// Writes the size in the largest unit that leaves no rest.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*factor);
        let (unit, factor) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", self.0 / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<u64, QuantityFault>) {
        let read = ByteSize::parse(text);
        assert_eq!(read, expect.map(ByteSize), "{text}");
        if let Ok(size) = read {
            assert_eq!(ByteSize::parse(&size.to_string()), Ok(size), "{text} is written back");
        }
    }

    #[test]
    fn sizes() {
        check("2GiB", Ok(2 << 30));
        check("1536MiB", Ok(1536 << 20));
        check("7B", Ok(7));
        check("0B", Ok(0));
        check("2GB", Err(QuantityFault::Unit));
        check("2", Err(QuantityFault::NoUnit));
        check("GiB", Err(QuantityFault::NoNumber));
        check("16777216TiB", Err(QuantityFault::TooLarge));
    }
}
