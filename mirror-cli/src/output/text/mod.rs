//! Reports as text for people: what is wrong first, one line a lane, details on demand, the next commands last.
//!
//! One file a report. Pure: the same report, look and view give the same text. Nothing here adds a judgement of its own.

mod config_check;
mod doctor;
mod fault;
mod flush;
mod history;
mod init;
mod maintain;
mod resolve;
mod snapshots;
mod status;
mod sync;
mod token;

use jiff::Timestamp;
use mirror_core::name::{CommitId, NodeName, RefName};

use super::humanize::count;
use super::page::Page;
use super::printer::Shown;
use super::style::{Look, Tone};

/// What the reader of a report wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// How much.
    pub detail: Detail,
    /// The time of day, for ages.
    pub now: Timestamp,
}

/// How much a reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What five seconds allow.
    Brief,
    /// Everything.
    Full,
}

/// Makes the text of a report.
#[must_use]
pub fn render<R: Shown>(report: &R, look: Look, view: &View) -> String {
    let mut page = Page::new(look);
    report.write(&mut page, view);
    page.next(report.next());
    page.into_text()
}

/// Puts the first line of a report: the node, and what the report is.
fn heading(page: &mut Page, node: &NodeName, note: &str) {
    let node = page.paint(Tone::Strong, node.as_str());
    let note = page.paint(Tone::Dim, &format!("· {note}"));
    page.line(format!("{node} {note}"));
}

/// Whether a report tells what was done, or what would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tense {
    Did,
    Would,
}

impl Tense {
    fn of(dry_run: Option<bool>) -> Self {
        if dry_run == Some(true) { Self::Would } else { Self::Did }
    }

    fn title(self, verb: &str) -> String {
        match self {
            Self::Did => verb.to_owned(),
            Self::Would => format!("{verb}, dry run: nothing was changed"),
        }
    }
}

/// A branch without `refs/heads/`; another ref as it is.
fn branch(name: &RefName) -> String {
    name.as_str().strip_prefix("refs/heads/").unwrap_or(name.as_str()).to_owned()
}

/// The way of a ref from one value to another.
fn moved(from: Option<CommitId>, to: Option<CommitId>) -> String {
    format!("{} → {}", short(from), short(to))
}

/// So many commits, or just commits where nobody counted.
fn commits(number: Option<u64>) -> String {
    number.map_or_else(|| "commits".to_owned(), |number| count(number, "commit"))
}

/// A commit as people compare it; `none` where there is none.
fn short(commit: Option<CommitId>) -> String {
    commit.map_or_else(|| "none".to_owned(), |commit| commit.short())
}

#[cfg(test)]
mod tests;
