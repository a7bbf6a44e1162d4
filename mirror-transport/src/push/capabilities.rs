//! What a server says that it can do, and what of it a push uses.

use super::error::PushError;
use super::messages::printable;

/// What a receive-pack advertised behind the NUL of its first line, as far as a push asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    words: Vec<String>,
}

/// Which form of report a push asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusReport {
    /// `report-status-v2`: lines may be followed by options.
    V2,
    /// `report-status`.
    V1,
}

impl Capabilities {
    /// Splits the list at its spaces.
    pub fn parse(list: &[u8]) -> Self {
        let words = String::from_utf8_lossy(list);
        Capabilities { words: words.split_ascii_whitespace().map(str::to_owned).collect() }
    }

    /// Says whether the server names a capability, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.words.iter().any(|word| word.split('=').next() == Some(name))
    }

    /// Gives the value of a capability that has one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Gives the best form of report the server offers.
    pub fn status_report(&self) -> Option<StatusReport> {
        if self.has("report-status-v2") {
            Some(StatusReport::V2)
        } else {
            self.has("report-status").then_some(StatusReport::V1)
        }
    }

    /// Refuses a repository that does not name its objects by SHA-1.
    pub(super) fn verify_object_format(&self) -> Result<(), PushError> {
        match self.value("object-format") {
            None | Some("sha1") => Ok(()),
            Some(other) => Err(PushError::ObjectFormat { found: printable(other.as_bytes()) }),
        }
    }

    /// Builds the list that goes behind the first command: of what the server offers, what this push uses. Deletions and push options
    /// are never among it; `atomic` is where there is more than one command.
    pub(super) fn for_push(&self, report: StatusReport, commands: usize) -> String {
        let mut list = String::from(match report {
            StatusReport::V2 => " report-status-v2",
            StatusReport::V1 => " report-status",
        });
        if self.has("side-band-64k") {
            list.push_str(" side-band-64k");
        }
        if commands > 1 && self.has("atomic") {
            list.push_str(" atomic");
        }
        if self.value("object-format").is_some() {
            list.push_str(" object-format=sha1");
        }
        if self.has("agent") {
            list.push_str(concat!(" agent=git-mirror/", env!("CARGO_PKG_VERSION")));
        }
        list
    }
}
