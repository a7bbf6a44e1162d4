//! Ages, lengths of time and sizes as people say them.

use std::time::Duration;

use jiff::Timestamp;

/// Says how long ago something was: `42 s ago`, `3 h ago`, `just now`.
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    match Duration::try_from(now.duration_since(then)) {
        Ok(age) if age < Duration::from_secs(1) => "just now".to_owned(),
        Ok(age) => format!("{} ago", coarse(age)),
        // A clock that was set back must not turn into a large number.
        Err(_) => "just now".to_owned(),
    }
}

/// Says a length of time in its largest unit: `42 s`, `5 min`, `3 h`, `12 d`.
#[must_use]
pub fn coarse(length: Duration) -> String {
    match length.as_secs() {
        secs @ 0..=119 => format!("{secs} s"),
        secs @ 120..=7199 => format!("{} min", secs / 60),
        secs @ 7200..=172_799 => format!("{} h", secs / 3600),
        secs => format!("{} d", secs / 86_400),
    }
}

/// Says how long something took: `8 ms`, `1.3 s`, `2 min 5 s`.
#[must_use]
pub fn took(length: Duration) -> String {
    match length.as_millis() {
        millis @ 0..=999 => format!("{millis} ms"),
        millis @ 1000..=9_999 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        millis @ 10_000..=119_999 => format!("{} s", millis / 1000),
        millis => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1000),
    }
}

/// Says a size in binary units: `512 B`, `1.5 KiB`, `20 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = bytes;
    let mut rest = 0;
    while whole >= 1024 && unit + 1 < UNITS.len() {
        rest = whole % 1024;
        whole /= 1024;
        unit += 1;
    }
    let tenths = rest * 10 / 1024;
    if unit > 0 && whole < 10 {
        format!("{whole}.{tenths} {}", UNITS[unit])
    } else {
        format!("{whole} {}", UNITS[unit])
    }
}

/// Says a count with its noun: `1 commit`, `2 commits`.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    let plural = if noun.ends_with("ch") || noun.ends_with('s') { "es" } else { "s" };
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}{plural}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_said_in_their_largest_unit() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let check = |seconds: i64, expect: &str| {
            assert_eq!(ago(Timestamp::from_second(1_000_000 - seconds).unwrap(), now), expect);
        };
        check(0, "just now");
        check(42, "42 s ago");
        check(119, "119 s ago");
        check(120, "2 min ago");
        check(7_200, "2 h ago");
        check(172_800, "2 d ago");
        check(-5, "just now");
    }

    #[test]
    fn sizes_and_lengths_keep_their_unit() {
        assert_eq!(
            [0, 1023, 1024, 1536, 10 * 1024, 20 << 20, 3 << 40].map(size),
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 KiB", "20 MiB", "3.0 TiB"]
        );
        assert_eq!(
            [8, 1300, 45_000, 125_000].map(|millis| took(Duration::from_millis(millis))),
            ["8 ms", "1.3 s", "45 s", "2 min 5 s"]
        );
        assert_eq!([count(1, "commit"), count(0, "lane"), count(3, "branch")], ["1 commit", "0 lanes", "3 branches"]);
    }
}
