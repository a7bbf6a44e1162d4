//! The length of files: a file over the limit is to be split by noun.

use std::path::{Path, PathBuf};

use super::{Finding, sources};
use crate::run::Outcome;

/// The most lines a source file may have, its test modules not counted.
const LIMIT: usize = 500;

/// Checks every source file of the workspace; the suites under `tests/tests` and files of tests are lists and may be longer.
pub(super) fn check() -> Outcome<Vec<Finding>> {
    let sources = sources(|file| file.contains("src/") && !file.ends_with("tests.rs"))?;
    Ok(findings(&sources))
}

fn findings(sources: &[(PathBuf, String)]) -> Vec<Finding> {
    sources.iter().filter_map(|(file, text)| too_long(file, text)).collect()
}

fn too_long(file: &Path, text: &str) -> Option<Finding> {
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
    (lines > LIMIT).then(|| {
        Finding::new(
            file.display().to_string(),
            format!("{lines} lines without tests; split it by noun (at most {LIMIT})"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_fails_without_counting_tests() {
        let long = "//\n".repeat(LIMIT + 1);
        let tested = format!("{}#[cfg(test)]\n{long}", "//\n".repeat(LIMIT));
        let found = findings(&[(PathBuf::from("a.rs"), long), (PathBuf::from("b.rs"), tested)]);
        assert_eq!(found.iter().map(|finding| finding.place.as_str()).collect::<Vec<_>>(), ["a.rs"]);
    }
}
