//! `cargo xtask verify`: what a reviewer would otherwise have to remember, as checks of the code base.
//!
//! Each check is a function from its input to its findings, so that a test can give it an example that must fail it.

mod arrows;
mod explained;
mod length;
mod outside;
mod pages;
mod purity;
mod source;

use std::path::PathBuf;

use clap::Args;

use crate::codegen;
use crate::run::{Outcome, print, root};

/// Which checks to run.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Runs only the check of this name.
    #[arg(long)]
    only: Option<String>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Where: a file with its line, or a crate.
    pub(crate) place: String,
    /// What is wrong and what would be right.
    pub(crate) problem: String,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

type Check = fn() -> Outcome<Vec<Finding>>;

const CHECKS: [(&str, Check); 9] = [
    ("format", || Ok(outside::format(&root()))),
    ("arrows", arrows::check),
    ("purity", purity::check),
    ("length", length::check),
    ("generated", codegen::check),
    ("codes", explained::check),
    ("pages", pages::check),
    ("clippy", || Ok(outside::clippy(&root(), &["--workspace", "--all-targets"]))),
    ("docs", || Ok(outside::docs(&root(), &["--workspace"]))),
];

/// Runs the checks, quick ones first, all of them even where one fails.
pub(crate) fn verify(arguments: &Arguments) -> Outcome {
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| only == name);
    if !CHECKS.iter().any(|(name, _)| wanted(name)) {
        let names: Vec<_> = CHECKS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no check of that name; there are {}", names.join(", ")));
    }
    let mut failed = Vec::new();
    for (name, check) in CHECKS.iter().filter(|(name, _)| wanted(name)) {
        let findings = check()?;
        print(&format!("{} {name}", if findings.is_empty() { "ok  " } else { "FAIL" }));
        for finding in &findings {
            print(&format!("     {}: {}", finding.place, finding.problem));
        }
        if !findings.is_empty() {
            failed.push(*name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("checks failed: {}", failed.join(", "))) }
}

/// Reads the Rust sources below the given folders of the workspace.
fn sources(below: impl Fn(&str) -> bool) -> Outcome<Vec<(PathBuf, String)>> {
    let mut sources = Vec::new();
    for file in crate::run::files(".rs")? {
        if below(&file.to_string_lossy()) {
            let text =
                std::fs::read_to_string(root().join(&file)).map_err(|error| format!("{}: {error}", file.display()))?;
            sources.push((file, text));
        }
    }
    Ok(sources)
}
