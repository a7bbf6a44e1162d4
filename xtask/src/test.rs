//! `cargo xtask test`: the one test command.
//!
//! Suites of the package `mirror-tests` whose name begins with `real_` need the system's own `sshd` and `tinyproxy`, `strace` and
//! `go`. Where one of these is missing, the suites are listed as *not run*, never as passed; with `--require-all` that is a failure.

use clap::Args;

use crate::run::{self, Outcome, cargo, print};
use crate::tools;

/// What to test.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Fails where a suite could not run.
    #[arg(long)]
    require_all: bool,
    /// Runs only tests whose name contains this.
    filter: Option<String>,
}

/// The sums of the test runners' closing lines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs every test there is.
pub(crate) fn test(arguments: &Arguments) -> Outcome {
    if !tools::provide(&[tools::GIT]).is_empty() {
        return Err(format!("git is needed for the tests: {}", tools::install_line(&[tools::GIT])));
    }
    let absent = tools::provide(&tools::REAL);
    let suites = suites()?;
    let (run_now, not_run): (Vec<_>, Vec<_>) =
        suites.into_iter().partition(|suite| absent.is_empty() || !suite.starts_with("real_"));

    run::run(&mut cargo(["build", "--package", "mirror-cli", "--package", "mirror-tests", "--bins"]))?;
    let mut tally = Tally::default();
    let mut green = run_tests(&["--workspace", "--exclude", "mirror-tests"], arguments, &mut tally)?;
    let mut words = vec!["--package", "mirror-tests", "--lib", "--bins"];
    for suite in &run_now {
        words.extend(["--test", suite]);
    }
    green &= run_tests(&words, arguments, &mut tally)?;

    print("");
    for suite in &not_run {
        print(&format!(
            "not run: {suite}: needs {}",
            absent.iter().map(|tool| tool.program).collect::<Vec<_>>().join(", ")
        ));
    }
    if !not_run.is_empty() {
        print(&format!("to run them as well: {}", tools::install_line(&absent)));
    }
    print(&format!("{} passed, {} failed", tally.passed, tally.failed));
    if !green || tally.failed > 0 {
        return Err("tests failed".to_owned());
    }
    if arguments.require_all && (!not_run.is_empty() || tally.ignored > 0) {
        return Err(format!("{} suites and {} tests were not run", not_run.len(), tally.ignored));
    }
    Ok(())
}

fn run_tests(words: &[&str], arguments: &Arguments, tally: &mut Tally) -> Outcome<bool> {
    let mut command = cargo(["test", "--no-fail-fast"]);
    command.args(words).args(&arguments.filter);
    run::stream(&mut command, |line| tally.add(line))
}

/// The names of the end-to-end suites, from their files.
fn suites() -> Outcome<Vec<String>> {
    let mut suites: Vec<_> = run::files(".rs")?
        .into_iter()
        .filter(|file| file.parent().is_some_and(|folder| folder.ends_with("tests/tests")))
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect();
    suites.sort();
    Ok(suites)
}

impl Tally {
    fn add(&mut self, line: &str) {
        let Some(sums) = line.strip_prefix("test result: ") else { return };
        for part in sums.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(Ok(count)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) else { continue };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_summed() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s");
        tally.add("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s");
        tally.add("running 3 tests");
        assert_eq!(tally, Tally { passed: 13, failed: 2, ignored: 1 });
    }
}
