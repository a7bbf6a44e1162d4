//! Verbs: the one list of what the program does.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Everything that is run, recorded and reported under a name of its own.
///
/// [`Verb::as_str`] is the word that stands on disk, in schemas, metrics and ids of operations; it never changes once it was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Reports the state as it is remembered, or after looking at upstream.
    Status,
    /// Brings upstream's refs here.
    Sync,
    /// Brings the GitOps commits upstream.
    Flush,
    /// Ends the divergence of a lane.
    LaneResolve,
    /// Lists snapshots.
    SnapshotsList,
    /// Drops the snapshots that retention lets go.
    SnapshotsPrune,
    /// Reports the operations of the journal.
    History,
    /// Repacks the cache, writes its commit-graph, removes garbage.
    Maintain,
    /// Checks the connection to upstream, step by step.
    Doctor,
    /// Writes a configuration.
    Init,
    /// Checks a configuration.
    ConfigCheck,
    /// Serves readers and writers.
    Serve,
    /// Makes a token.
    TokenNew,
    /// Lists tokens.
    TokenList,
    /// Revokes a token.
    TokenRevoke,
    /// Receives a push of a writer. Only a server does it, and only a client of Git asks for it.
    Push,
}

impl Verb {
    /// Every verb, in the order of the documentation.
    pub const ALL: [Self; 16] = [
        Self::Status,
        Self::Sync,
        Self::Flush,
        Self::LaneResolve,
        Self::SnapshotsList,
        Self::SnapshotsPrune,
        Self::History,
        Self::Maintain,
        Self::Doctor,
        Self::Init,
        Self::ConfigCheck,
        Self::Serve,
        Self::TokenNew,
        Self::TokenList,
        Self::TokenRevoke,
        Self::Push,
    ];

    /// The word in journals, locks, metrics, schemas and ids of operations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Sync => "sync",
            Self::Flush => "flush",
            Self::LaneResolve => "lane-resolve",
            Self::SnapshotsList => "snapshots-list",
            Self::SnapshotsPrune => "snapshots-prune",
            Self::History => "history",
            Self::Maintain => "maintain",
            Self::Doctor => "doctor",
            Self::Init => "init",
            Self::ConfigCheck => "config-check",
            Self::Serve => "serve",
            Self::TokenNew => "token-new",
            Self::TokenList => "token-list",
            Self::TokenRevoke => "token-revoke",
            Self::Push => "push",
        }
    }

    /// The words by which the command line runs it. A push has none there: `git push` asks for it.
    #[must_use]
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Status => &["status"],
            Self::Sync => &["sync"],
            Self::Flush => &["flush"],
            Self::LaneResolve => &["lane", "resolve"],
            Self::SnapshotsList => &["snapshots", "list"],
            Self::SnapshotsPrune => &["snapshots", "prune"],
            Self::History => &["history"],
            Self::Maintain => &["maintain"],
            Self::Doctor => &["doctor"],
            Self::Init => &["init"],
            Self::ConfigCheck => &["config", "check"],
            Self::Serve => &["serve"],
            Self::TokenNew => &["token", "new"],
            Self::TokenList => &["token", "list"],
            Self::TokenRevoke => &["token", "revoke"],
            Self::Push => &[],
        }
    }

    fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == word)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A verb as a file or another process has it. One that only a newer program knows is kept as it was written, so that its records can be
/// read and shown.
///
/// ```
/// use mirror_core::operation::{RecordedVerb, Verb};
///
/// assert_eq!(RecordedVerb::from("flush"), RecordedVerb::Known(Verb::Flush));
/// assert_eq!(RecordedVerb::from("adopt").to_string(), "adopt");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordedVerb {
    /// One of this program's.
    Known(Verb),
    /// One of another version of it.
    Unknown(Box<str>),
}

impl RecordedVerb {
    /// The word as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(verb) => verb.as_str(),
            Self::Unknown(word) => word,
        }
    }
}

impl From<Verb> for RecordedVerb {
    fn from(verb: Verb) -> Self {
        Self::Known(verb)
    }
}

impl From<&str> for RecordedVerb {
    fn from(word: &str) -> Self {
        Verb::find(word).map_or_else(|| Self::Unknown(word.into()), Self::Known)
    }
}

impl PartialEq<Verb> for RecordedVerb {
    fn eq(&self, other: &Verb) -> bool {
        *self == Self::Known(*other)
    }
}

/// By the word, so that a map of them is written in the order of its keys.
impl Ord for RecordedVerb {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for RecordedVerb {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RecordedVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for RecordedVerb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RecordedVerb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*String::deserialize(deserializer)?))
    }
}

impl JsonSchema for RecordedVerb {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("RecordedVerb")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_survives_its_word() {
        for verb in Verb::ALL {
            let json = serde_json::to_string(&RecordedVerb::Known(verb)).unwrap();
            assert_eq!(json, format!("\"{verb}\""));
            assert_eq!(serde_json::from_str::<RecordedVerb>(&json).unwrap(), verb);
            assert!(verb == Verb::Push || verb.words().join("-") == verb.as_str(), "{verb}");
        }
    }

    #[test]
    fn an_unknown_verb_stays_as_it_was_written() {
        let json = "\"trigger-current\"";
        let verb: RecordedVerb = serde_json::from_str(json).unwrap();
        assert_eq!(verb, RecordedVerb::Unknown("trigger-current".into()));
        assert_eq!(serde_json::to_string(&verb).unwrap(), json);
    }
}
