//! A fault inside a report: its causes, repair and code, as lines below the lane or step it belongs to.

use mirror_core::fault::Fault;

use super::{Detail, View};
use crate::output::page::Page;
use crate::output::style::Tone;

/// The lines below a fault's message. The code is for those who look it up.
pub(super) fn lines(page: &Page, fault: &Fault, view: &View) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for cause in &fault.causes {
        lines.push(page.paint(Tone::Plain, &format!("because: {cause}")));
    }
    if let Some(location) = &fault.location {
        lines.push(page.paint(Tone::Plain, &format!("at: {location}")));
    }
    if let Some(help) = &fault.help {
        let label = page.paint(Tone::Command, "help:");
        lines.push(format!("{label} {}", page.paint(Tone::Plain, help)));
    }
    if view.detail == Detail::Full {
        lines.push(page.paint(Tone::Dim, &format!("code: {}", fault.code)));
    }
    lines
}

/// Puts a fault that belongs to no lane.
pub(super) fn put(page: &mut Page, fault: &Fault, view: &View) {
    let sign = page.paint(Tone::Bad, crate::output::Mark::Failed.sign(page.look().marks));
    let message = page.paint(Tone::Bad, &fault.message);
    page.line(format!("{sign} {message}"));
    for line in lines(page, fault, view) {
        page.line(format!("    {line}"));
    }
}
