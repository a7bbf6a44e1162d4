//! The table on the terminal: the ratio first, then both sides.

use super::figure::{Figure, Reach, Reading, Report, Unit};
use crate::run::print;

/// Shows one figure.
pub(super) fn figure(figure: &Figure) {
    print("");
    print(&format!("{}: {}, against {}", figure.name, figure.title, figure.against));
    for reading in &figure.readings {
        print(&line(reading));
    }
}

/// Shows how many targets were met.
pub(super) fn summary(report: &Report) {
    let readings =
        || report.figures.iter().flat_map(|figure| figure.readings.iter().map(move |reading| (figure, reading)));
    let held = readings().filter(|(_, reading)| reading.reached == Some(true)).count();
    let missed: Vec<_> = readings()
        .filter(|(_, reading)| reading.reached == Some(false))
        .map(|(figure, reading)| format!("{} ({})", figure.name, reading.measure))
        .collect();
    print("");
    match missed.as_slice() {
        [] => print(&format!("all {held} are reached")),
        missed => print(&format!("{held} are reached, {} are not: {}", missed.len(), missed.join(", "))),
    }
}

fn line(reading: &Reading) -> String {
    let ratio = format!("{:.2}×", reading.ratio);
    let verdict = match reading.reached {
        None => "",
        Some(true) => "reached",
        Some(false) => "NOT REACHED",
    };
    let reach = match reading.reach {
        None => String::new(),
        Some(Reach::RatioAtMost(most)) => format!("≤ {most}×"),
        Some(Reach::RatioAtLeast(least)) => format!("≥ {least}×"),
        Some(Reach::AtMost(most)) => format!("≤ {}", amount(most, reading.unit)),
        Some(Reach::Exactly(wanted)) => format!("= {}", amount(wanted, reading.unit)),
    };
    let (ours, theirs) = (amount(reading.ours.value, reading.unit), amount(reading.theirs.value, reading.unit));
    let [us, them] = reading.sides;
    let sides = format!("{us} {ours}, {them} {theirs}");
    format!("  {ratio:>7}  {:<29}{sides:<40}{reach:<12}{verdict}", reading.measure).trim_end().to_owned()
}

fn amount(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds if value < 1.0 => format!("{:.1} ms", value * 1e3),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Bytes if value < 1e6 => format!("{:.1} kB", value / 1e3),
        Unit::Bytes => format!("{:.1} MB", value / 1e6),
        Unit::RoundTrips => format!("{value:.1}"),
        Unit::Tunnels => format!("{value:.0}"),
        Unit::RequestsPerSecond => format!("{value:.0}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::repeat::Series;
    use super::*;

    #[test]
    fn the_ratio_comes_first() {
        let series = |value| Series::median(vec![value]);
        let reading = Reading::of("wall", Unit::Seconds, series(4.7), series(10.8)).reach(Reach::RatioAtMost(0.5));
        let words: Vec<_> = line(&reading).split_whitespace().map(str::to_owned).collect();
        assert_eq!(words.join(" "), "0.44× wall ours 4.70 s, git 10.80 s ≤ 0.5× reached");
        let reading = Reading::of("peak", Unit::Bytes, series(3.1e7), series(6.2e7)).reach(Reach::AtMost(3e7));
        let words: Vec<_> = line(&reading).split_whitespace().map(str::to_owned).collect();
        assert_eq!(words.join(" "), "0.50× peak ours 31.0 MB, git 62.0 MB ≤ 30.0 MB NOT REACHED");
    }
}
