//! What is wrong with a configuration: each finding with its place, its reason and its repair.

use std::fmt::{self, Write as _};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use super::problem::Problem;
use super::tree::Span;
use crate::fault::{Classified, FaultClass, Retry};
use crate::name::escaped;

/// So many findings are reported at once; what lies behind them mostly follows from them.
const MOST: usize = 20;

/// A configuration that is refused, with everything that was found wrong.
///
/// Its source text has every secret masked that was recognised, so that a report with source lines cannot print one.
#[derive(Debug)]
pub struct ConfigError(Box<Refused>);

#[derive(Debug)]
struct Refused {
    file: String,
    source: Option<NamedSource<String>>,
    findings: Vec<Finding>,
}

impl ConfigError {
    /// Collects findings in the order of the file; `text` must be masked.
    pub(super) fn new(file: &str, text: Option<String>, mut findings: Vec<Finding>) -> Self {
        let refused: Vec<Span> = findings
            .iter()
            .filter(|one| matches!(one.problem, Problem::Refused(_)))
            .filter_map(Finding::span)
            .collect();
        // What is refused by design is not judged as a value or name as well.
        findings.retain(|one| {
            let judged = matches!(one.problem, Problem::Value(_) | Problem::Name(_) | Problem::Lookup(_));
            !judged || one.span().is_none_or(|span| !refused.contains(&span))
        });
        findings.sort_by_key(|finding| finding.labels.first().map_or(0, |(span, _)| span.start));
        let source = text.map(|text| NamedSource::new(file, text).with_language("YAML"));
        Self(Box::new(Refused { file: file.to_owned(), source, findings }))
    }

    /// Gives the findings, in the order of the file.
    pub fn findings(&self) -> &[Finding] {
        &self.0.findings
    }

    fn single(&self) -> Option<&Finding> {
        match self.0.findings.as_slice() {
            [finding] => Some(finding),
            _ => None,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single() {
            Some(finding) => write!(f, "{finding}"),
            None => write!(f, "{} has {} faults", self.0.file, self.0.findings.len()),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Diagnostic for ConfigError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self.single() {
            Some(finding) => finding.code(),
            None => Some(Box::new("mirror::config::refused")),
        }
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self.single() {
            Some(finding) => finding.help(),
            None if self.0.findings.len() > MOST => Some(Box::new(format!(
                "the first {MOST} are shown: repair them, then run `git-mirror config check` again"
            ))),
            None => Some(Box::new("repair them, then run `git-mirror config check`")),
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.single().and_then(Diagnostic::labels)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self.single() {
            Some(_) => None,
            None => Some(Box::new(self.0.findings.iter().take(MOST).map(|finding| finding as &dyn Diagnostic))),
        }
    }
}

impl Classified for ConfigError {
    fn class(&self) -> FaultClass {
        FaultClass::Usage
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// One thing that is wrong, with its places.
#[derive(Debug)]
pub struct Finding {
    problem: Problem,
    labels: Vec<(Span, String)>,
}

impl Finding {
    pub(super) fn new(problem: impl Into<Problem>, span: Span, label: impl Into<String>) -> Self {
        Self { problem: problem.into(), labels: vec![(span, label.into())] }
    }

    /// Makes a finding about the file as a whole.
    pub(super) fn bare(problem: impl Into<Problem>) -> Self {
        Self { problem: problem.into(), labels: Vec::new() }
    }

    /// Adds a second place that the reader has to see.
    pub(super) fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.labels.push((span, label.into()));
        self
    }

    /// Gives what is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Gives where it is wrong, as bytes of the file; nothing where the file as a whole is meant.
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|(span, _)| span.clone())
    }
}

/// Writes what is wrong; what it quotes of the file is escaped where it would disturb a terminal.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.to_string().chars().flat_map(escaped).try_for_each(|c| f.write_char(c))
    }
}

impl std::error::Error for Finding {}

impl Diagnostic for Finding {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(
            self.labels.iter().map(|(span, label)| LabeledSpan::new(Some(label.clone()), span.start, span.len())),
        ))
    }
}
