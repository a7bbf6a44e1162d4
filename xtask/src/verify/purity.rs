//! The core stays pure: no files, sockets, environment, processes, threads or clocks, and nothing asynchronous.

use std::path::PathBuf;

use super::source::code_only;
use super::{Finding, sources};
use crate::run::Outcome;

const MODULES: [&str; 5] = ["fs", "net", "env", "process", "thread"];
const CLOCKS: [&str; 4] = ["SystemTime", "Instant::now", "Timestamp::now", "Zoned::now"];

/// Checks the core's sources without its tests: these may run git.
pub(super) fn check() -> Outcome<Vec<Finding>> {
    Ok(findings(&sources(|file| file.starts_with("mirror-core/src/"))?))
}

fn findings(sources: &[(PathBuf, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in sources {
        let code = code_only(text);
        for (what, at) in impurities(&code) {
            let line = code[..at].matches('\n').count() + 1;
            findings.push(Finding::new(
                format!("{}:{line}", file.display()),
                format!("{what} in the core; it belongs to the engine or the transport"),
            ));
        }
    }
    findings
}

fn impurities(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("std::") {
        let rest = &code[at + "std::".len()..];
        for name in names(rest) {
            if MODULES.contains(&name) {
                found.push((format!("std::{name}"), at));
            }
        }
    }
    for (at, _) in code.match_indices("std::time::") {
        if names(&code[at + "std::time::".len()..]).contains(&"Instant") {
            found.push(("std::time::Instant".to_owned(), at));
        }
    }
    for clock in CLOCKS {
        found.extend(words(code, clock).map(|at| (clock.to_owned(), at)));
    }
    for word in ["async", "await"] {
        found.extend(words(code, word).map(|at| (format!("`{word}`"), at)));
    }
    found.sort_by_key(|(_, at)| *at);
    found
}

/// The names that stand right behind a path's `::`: one, or the members of a group.
fn names(rest: &str) -> Vec<&str> {
    let Some(group) = rest.strip_prefix('{') else { return vec![leading(rest)] };
    let (mut depth, mut start, mut members) = (0_usize, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.into_iter().map(|member| leading(member.trim())).collect()
}

fn leading(text: &str) -> &str {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or("")
}

fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !is_word(code[..*at].chars().next_back()) && !is_word(code[at + word.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        findings(&[(PathBuf::from("x.rs"), text.to_owned())]).into_iter().map(|found| found.place).collect()
    }

    #[test]
    fn every_impurity_fails() {
        for bad in [
            "use std::fs;",
            "use std::{collections::{BTreeMap, BTreeSet}, net::TcpStream};",
            "fn f() { std::env::var(\"X\"); }",
            "use std::process::Command;",
            "use ::std::thread;",
            "use std::time::{Duration, SystemTime};",
            "use std::time::Instant;",
            "let now = jiff::Timestamp::now();",
            "pub async fn f() {}",
            "x.await",
        ] {
            assert_eq!(places(bad), ["x.rs:1"], "{bad}");
        }
    }

    #[test]
    fn similar_names_pass() {
        for good in [
            "use std::time::Duration;",
            "/// like std::fs\nfn awaited() {}",
            "use std::{fmt, collections::BTreeMap};",
            "use crate::report::Instant;",
            "let text = \"std::env\"; let asynchronous = 1;",
        ] {
            assert_eq!(places(good), Vec::<String>::new(), "{good}");
        }
    }
}
