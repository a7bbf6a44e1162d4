//! `token new`, `token list` and `token revoke`. The token itself stands on a line of its own, ready to be copied.

use jiff::Timestamp;
use mirror_core::report::token::{TokenEntry, TokenListReport, TokenNewReport, TokenRevokeReport};

use super::{View, heading};
use crate::output::humanize::{ago, coarse, count};
use crate::output::page::{Cell, Page, Row};
use crate::output::printer::Shown;
use crate::output::style::{Mark, Tone};

impl Shown for TokenNewReport {
    fn write(&self, page: &mut Page, view: &View) {
        heading(page, &self.node, "token new");
        page.table(&[row(&self.entry, Mark::Good, view)]);
        page.gap();
        page.line(self.token.show());
        page.gap();
        page.toned(Tone::Dim, format!("Shown this once: {} keeps its hash alone.", self.file));
        page.toned(
            Tone::Dim,
            "Git takes it as the password of any user, or as a header `Authorization: Bearer TOKEN` (http.extraHeader).",
        );
    }
}

impl Shown for TokenListReport {
    fn write(&self, page: &mut Page, view: &View) {
        heading(page, &self.node, &format!("{} in {}", count(self.tokens.len() as u64, "token"), self.file));
        let mark = |entry: &TokenEntry| if entry.expired { Mark::Finding } else { Mark::Good };
        let rows: Vec<Row> = self.tokens.iter().map(|entry| row(entry, mark(entry), view)).collect();
        page.table(&rows);
    }
}

impl Shown for TokenRevokeReport {
    fn write(&self, page: &mut Page, view: &View) {
        heading(page, &self.node, "token revoke");
        page.table(&[row(&self.entry, Mark::Good, view)]);
        page.toned(Tone::Dim, format!("Out of {}: from the next request on it is good for nothing.", self.file));
    }
}

fn row(entry: &TokenEntry, mark: Mark, view: &View) -> Row {
    let lanes = match &entry.limited_to {
        None => "every lane".to_owned(),
        Some(lanes) => lanes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let tone = if entry.expired { Tone::Warn } else { Tone::Plain };
    Row::marked(
        mark,
        [
            Cell::new(Tone::Strong, &entry.name),
            Cell::plain(lanes),
            Cell::new(tone, end(entry, view.now)),
            Cell::new(Tone::Dim, format!("made {}", ago(entry.created_at, view.now))),
        ],
    )
}

fn end(entry: &TokenEntry, now: Timestamp) -> String {
    match entry.expires_at {
        None => "never ends".to_owned(),
        Some(at) if entry.expired => format!("ended {}", ago(at, now)),
        Some(at) => format!("ends in {}", coarse(at.duration_since(now).unsigned_abs())),
    }
}
