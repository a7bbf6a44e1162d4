//! Arbitrary `known_hosts` files: a line is read the same wherever it stands, and the line that an error names is the first bad one.

#![no_main]

use std::path::Path;

use git_mirror_fuzz::error::assert_presentable;
use libfuzzer_sys::fuzz_target;
use mirror_transport::ssh::{KnownHosts, KnownHostsError};

fuzz_target!(|text: &str| {
    let path = Path::new("known_hosts");
    match KnownHosts::parse(path, text) {
        Ok(hosts) => {
            let twice = KnownHosts::parse(path, &format!("{text}\n# a comment\n{text}"));
            assert_eq!(keys(&twice.expect("because each half is good")), 2 * keys(&hosts));
            assert!(keys(&hosts) <= text.lines().count());
        }
        Err(error) => {
            assert_presentable(&error);
            let KnownHostsError::Malformed { line, .. } = error else { panic!("{error}: no file was read") };
            let before: String = text.lines().take(line - 1).map(|line| format!("{line}\n")).collect();
            let up_to: String = text.lines().take(line).map(|line| format!("{line}\n")).collect();
            assert!(KnownHosts::parse(path, &before).is_ok(), "a bad line before line {line}");
            assert!(KnownHosts::parse(path, &up_to).is_err(), "line {line} is good");
        }
    }
});

/// How many keys there are, as the value shows itself.
fn keys(hosts: &KnownHosts) -> usize {
    let shown = format!("{hosts:?}");
    let number = shown.strip_suffix(" keys)").and_then(|shown| shown.rsplit_once(' ')).map(|(_, number)| number);
    number.and_then(|number| number.parse().ok()).expect("because it shows the number of its keys")
}
