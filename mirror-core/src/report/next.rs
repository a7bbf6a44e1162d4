//! The exact commands to run next: built in one place, quoted for a shell, ready to paste.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::{LaneName, NodeName};
use crate::operation::Verb;

/// The program that commands name.
const PROGRAM: &str = "git-mirror";

/// What a next command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextVerb {
    /// Brings upstream's refs here, and waits for it.
    Sync,
    /// Brings the GitOps commits upstream, and waits for it.
    Flush,
    /// Looks at upstream, then tells the state.
    StatusRefresh,
    /// Tells the state as it is remembered.
    Status,
    /// Shows what adopting upstream's tip of a diverged lane would do. It changes nothing; the operator adds `--confirm`.
    ResolveAdoptPlan,
    /// Adopts upstream's tip of a diverged lane, with the local one set aside.
    ResolveAdopt,
    /// Walks the road to upstream, step by step.
    Doctor,
    /// Tells what happened before.
    History,
    /// Drops the snapshots that retention lets go.
    SnapshotsPrune,
    /// Tidies the cache: packs, commit-graph, refs, garbage.
    Maintain,
    /// Checks the configuration; takes no target.
    ConfigCheck,
}

impl NextVerb {
    const fn verb(self) -> Verb {
        match self {
            Self::Sync => Verb::Sync,
            Self::Flush => Verb::Flush,
            Self::StatusRefresh | Self::Status => Verb::Status,
            Self::ResolveAdoptPlan | Self::ResolveAdopt => Verb::LaneResolve,
            Self::Doctor => Verb::Doctor,
            Self::History => Verb::History,
            Self::SnapshotsPrune => Verb::SnapshotsPrune,
            Self::Maintain => Verb::Maintain,
            Self::ConfigCheck => Verb::ConfigCheck,
        }
    }

    const fn words_after(self) -> &'static [&'static str] {
        match self {
            Self::Sync | Self::Flush => &["--confirm", "--wait"],
            Self::StatusRefresh => &["--refresh"],
            Self::ResolveAdoptPlan => &["--adopt-upstream", "--dry-run"],
            Self::ResolveAdopt => &["--adopt-upstream", "--confirm"],
            Self::SnapshotsPrune | Self::Maintain => &["--confirm"],
            Self::Status | Self::Doctor | Self::History | Self::ConfigCheck => &[],
        }
    }
}

/// One command, as words. It is shown, and stands in a report, as one line for a POSIX shell.
///
/// ```
/// use mirror_core::name::{LaneName, NodeName};
/// use mirror_core::report::{NextCommand, NextVerb};
///
/// let (node, lane) = (NodeName::parse("D601")?, LaneName::parse("v03")?);
/// let command = NextCommand::for_lane(NextVerb::Flush, &node, &lane);
/// assert_eq!(command.to_string(), "git-mirror flush --node D601 --lane v03 --confirm --wait");
/// let elsewhere = command.with_global_args(["-f", "my mirror.yaml"]);
/// assert_eq!(elsewhere.to_string(), "git-mirror -f 'my mirror.yaml' flush --node D601 --lane v03 --confirm --wait");
/// # Ok::<(), mirror_core::name::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextCommand {
    words: Vec<String>,
}

impl NextCommand {
    /// The command for one lane of a node.
    #[must_use]
    pub fn for_lane(verb: NextVerb, node: &NodeName, lane: &LaneName) -> Self {
        Self::build(verb, &["--node", node.as_str(), "--lane", lane.as_str()])
    }

    /// The command for a node with all its lanes.
    #[must_use]
    pub fn for_node(verb: NextVerb, node: &NodeName) -> Self {
        Self::build(verb, &["--node", node.as_str()])
    }

    /// The command for a whole configuration.
    #[must_use]
    pub fn for_configuration(verb: NextVerb) -> Self {
        Self::build(verb, &[])
    }

    fn build(verb: NextVerb, target: &[&str]) -> Self {
        let words = [&[PROGRAM], verb.verb().words(), target, verb.words_after()].concat();
        Self { words: words.into_iter().map(str::to_owned).collect() }
    }

    /// Puts arguments for the whole program (such as `-f FILE`) behind its name.
    #[must_use]
    pub fn with_global_args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let behind_name = 1.min(self.words.len());
        self.words.splice(behind_name..behind_name, args.into_iter().map(Into::into));
        self
    }

    /// The words, the program's name first.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

impl fmt::Display for NextCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&quoted(word))?;
        }
        Ok(())
    }
}

/// Quotes a word for a POSIX shell, where it needs quoting.
///
/// # Source
/// POSIX.1-2024, Shell Command Language, section 2.2 "Quoting".
fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

/// Takes a line apart that [`NextCommand`] wrote; nothing where a quote is left open.
fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

impl Serialize for NextCommand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NextCommand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let line = String::deserialize(deserializer)?;
        split(&line).map(|words| Self { words }).ok_or_else(|| D::Error::custom("a command with an open quote"))
    }
}

impl JsonSchema for NextCommand {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("NextCommand")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A command line for a POSIX shell." })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_that_a_shell_would_touch_are_quoted() {
        let check = |word: &str, expect: &str| assert_eq!(quoted(word), expect);
        check("v0.3", "v0.3");
        check("", "''");
        check("a b", "'a b'");
        check("$HOME", "'$HOME'");
        check("it's", r"'it'\''s'");
        check("*", "'*'");
        check("~/x", "'~/x'");
        check("a\nb", "'a\nb'");
    }

    proptest! {
        #[test]
        fn a_command_survives_its_line(args in prop::collection::vec(".*", 0..5)) {
            let command = NextCommand::for_configuration(NextVerb::ConfigCheck).with_global_args(args);
            let json = serde_json::to_string(&command).unwrap();
            prop_assert_eq!(serde_json::from_str::<NextCommand>(&json).unwrap(), command);
        }
    }
}
