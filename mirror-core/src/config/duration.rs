//! Lengths of time as they are written: `500ms`, `90s`, `15m`, `1h30m`, `90d`. One grammar, in the configuration and on the command line.

use std::time::Duration;

use super::size::QuantityFault;

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
/// A hundred years: far beyond any use, and far from where arithmetic with timestamps ends.
const LONGEST: u64 = 36_500 * 86_400_000;

/// What a duration looks like in the JSON Schema, which does not see the order of the units.
pub(super) const PATTERN: &str = r"^([0-9]+(d|h|m|s|ms))+$";

/// Reads a length of time, such as `90s` or `1h30m`: whole numbers with units, the largest unit first, each at most once.
///
/// # Units
/// `d` (of 24 hours), `h`, `m`, `s`, `ms`.
///
/// # Errors
/// Something else, or more than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityFault> {
    let mut rest = text;
    let mut smaller = &UNITS[..];
    let mut total: u64 = 0;
    loop {
        let (number, behind) = split(rest, |c| !c.is_ascii_digit());
        let (unit, behind) = split(behind, |c| c.is_ascii_digit());
        if number.is_empty() {
            return Err(QuantityFault::NoNumber);
        }
        if unit.is_empty() {
            return Err(QuantityFault::NoUnit);
        }
        let Some(at) = smaller.iter().position(|(name, _)| *name == unit) else {
            let known = UNITS.iter().any(|(name, _)| *name == unit);
            return Err(if known { QuantityFault::Order } else { QuantityFault::Unit });
        };
        let number: u64 = number.parse().map_err(|_| QuantityFault::TooLarge)?;
        let sum = number.checked_mul(smaller[at].1).and_then(|part| total.checked_add(part));
        total = sum.filter(|sum| *sum <= LONGEST).ok_or(QuantityFault::TooLarge)?;
        if behind.is_empty() {
            return Ok(Duration::from_millis(total));
        }
        (smaller, rest) = (&smaller[at + 1..], behind);
    }
}

/// Writes a duration so that [`parse_duration`] reads it back: in the largest unit that leaves no rest. What is below a millisecond is
/// left out.
pub fn duration_text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(LONGEST);
    let fits = |(_, factor): &&(&str, u64)| millis != 0 && millis.is_multiple_of(*factor);
    let (unit, factor) = UNITS.iter().find(fits).unwrap_or(&("s", 1000));
    format!("{}{unit}", millis / factor)
}

fn split(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: Result<u64, QuantityFault>) {
        let read = parse_duration(text);
        assert_eq!(read, expect.map(Duration::from_millis), "{text}");
        if let Ok(duration) = read {
            assert_eq!(parse_duration(&duration_text(duration)), Ok(duration), "{text} is written back");
        }
    }

    #[test]
    fn durations() {
        check("10s", Ok(10_000));
        check("15m", Ok(900_000));
        check("30d", Ok(30 * 86_400_000));
        check("1h", Ok(3_600_000));
        check("250ms", Ok(250));
        check("0s", Ok(0));
        check("90s", Ok(90_000));
        check("1h30m", Ok(5_400_000));
        check("90d", Ok(90 * 86_400_000));
        check("1d2h3m4s5ms", Ok(93_784_005));
        check("1m500ms", Ok(60_500));
        check("", Err(QuantityFault::NoNumber));
        check("h", Err(QuantityFault::NoNumber));
        check("-1s", Err(QuantityFault::NoNumber));
        check("-1h30m", Err(QuantityFault::NoNumber));
        check("5m ago", Err(QuantityFault::Unit));
        check("10", Err(QuantityFault::NoUnit));
        check("1h30", Err(QuantityFault::NoUnit));
        check("1.5h", Err(QuantityFault::Unit));
        check("10 s", Err(QuantityFault::Unit));
        check("1h 30m", Err(QuantityFault::Unit));
        check("500us", Err(QuantityFault::Unit));
        check("10S", Err(QuantityFault::Unit));
        check("1mo", Err(QuantityFault::Unit));
        check("30m1h", Err(QuantityFault::Order));
        check("1h1h", Err(QuantityFault::Order));
        check("36500d", Ok(LONGEST));
        check("36501d", Err(QuantityFault::TooLarge));
        check("36500d1ms", Err(QuantityFault::TooLarge));
        check("99999999999999999999s", Err(QuantityFault::TooLarge));
        check("18446744073709551615d", Err(QuantityFault::TooLarge));
        check("1d18446744073709551615ms", Err(QuantityFault::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in prop_oneof![0..=LONGEST, (0..=LONGEST / 60_000).prop_map(|minutes| minutes * 60_000)]) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&duration_text(duration)), Ok(duration));
        }

        #[test]
        fn parts_add_up(numbers in prop::array::uniform5(prop::option::of(0..5000_u64))) {
            let parts = || numbers.iter().zip(UNITS).filter_map(|(number, unit)| Some((number.as_ref()?, unit)));
            let text: String = parts().map(|(number, (unit, _))| format!("{number}{unit}")).collect();
            let sum = parts().map(|(number, (_, factor))| number * factor).sum();
            let expect = if text.is_empty() { Err(QuantityFault::NoNumber) } else { Ok(Duration::from_millis(sum)) };
            prop_assert_eq!(parse_duration(&text), expect);
        }

        #[test]
        fn no_text_is_too_much(text in "[0-9dhms .-]{0,20}|\\PC{0,20}") {
            if let Ok(duration) = parse_duration(&text) {
                prop_assert!(duration <= Duration::from_millis(LONGEST));
                prop_assert_eq!(parse_duration(&duration_text(duration)), Ok(duration));
            }
        }
    }
}
