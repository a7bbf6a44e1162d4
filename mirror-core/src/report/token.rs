//! `token new`, `token list` and `token revoke`: who may push, and read where readers need a token.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ExitCode, Instant, NextCommand, Reported, schema_id};
use crate::fault::Fault;
use crate::name::{LaneName, NodeName};
use crate::operation::Verb;

/// The report of `token new`: the only place where the token itself ever stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenNewReport {
    /// Names the schema: `git-mirror/token-new/v1`.
    pub schema: String,
    /// Whether the token was made.
    pub ok: bool,
    /// The node whose server takes it.
    pub node: NodeName,
    /// The lanes whose GitOps branches it may push to.
    pub lanes: Vec<LaneName>,
    /// The token. It is shown here and kept nowhere: the file has its hash.
    pub token: ShownToken,
    /// What the file says of it.
    pub entry: TokenEntry,
    /// The file that has its hash.
    pub file: String,
    /// The exact commands to run next.
    pub next: Vec<NextCommand>,
}

/// The report of `token list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenListReport {
    /// Names the schema: `git-mirror/token-list/v1`.
    pub schema: String,
    /// Whether the file could be read.
    pub ok: bool,
    /// The node whose server takes them.
    pub node: NodeName,
    /// The lanes of the node.
    pub lanes: Vec<LaneName>,
    /// The tokens, by name.
    pub tokens: Vec<TokenEntry>,
    /// The file that has their hashes.
    pub file: String,
    /// The exact commands to run next.
    pub next: Vec<NextCommand>,
}

/// The report of `token revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenRevokeReport {
    /// Names the schema: `git-mirror/token-revoke/v1`.
    pub schema: String,
    /// Whether the token is out of the file.
    pub ok: bool,
    /// The node whose server took it.
    pub node: NodeName,
    /// The lanes whose GitOps branches it could push to.
    pub lanes: Vec<LaneName>,
    /// What the file said of it.
    pub entry: TokenEntry,
    /// The file that had its hash.
    pub file: String,
    /// The exact commands to run next.
    pub next: Vec<NextCommand>,
}

/// What is known of a token. The token itself is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenEntry {
    /// The name of its holder, as journal and log tell it.
    pub name: String,
    /// The lanes it is limited to; absent where it is good for every lane of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_to: Option<Vec<LaneName>>,
    /// When it was made.
    #[schemars(with = "Instant")]
    pub created_at: Timestamp,
    /// When it ends; absent where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Instant>")]
    pub expires_at: Option<Timestamp>,
    /// Whether it has ended.
    pub expired: bool,
}

/// A token on its way to the one who asked for it. A report carries it; nothing else prints it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ShownToken(String);

impl ShownToken {
    /// Takes a token that was just made.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The token, to be shown to the one who asked for it.
    #[must_use]
    pub fn show(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShownToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownToken(hidden)")
    }
}

impl TokenEntry {
    /// The lanes of a node that the token is good for; those it names and the node has no more are left out.
    #[must_use]
    pub fn lanes_of(&self, node: &[LaneName]) -> Vec<LaneName> {
        let good = |lane: &&LaneName| self.limited_to.as_ref().is_none_or(|named| named.contains(lane));
        node.iter().filter(good).cloned().collect()
    }
}

impl TokenNewReport {
    /// Tells of a token that stands in `file` now; `lanes` are those of the node.
    #[must_use]
    pub fn made(
        node: NodeName,
        lanes: &[LaneName],
        token: ShownToken,
        entry: TokenEntry,
        file: impl Into<String>,
    ) -> Self {
        Self {
            schema: schema_id(Verb::TokenNew),
            ok: true,
            node,
            lanes: entry.lanes_of(lanes),
            token,
            entry,
            file: file.into(),
            next: Vec::new(),
        }
    }
}

impl TokenListReport {
    /// Tells of the tokens in `file`; `lanes` are those of the node.
    #[must_use]
    pub fn listed(node: NodeName, lanes: Vec<LaneName>, tokens: Vec<TokenEntry>, file: impl Into<String>) -> Self {
        Self { schema: schema_id(Verb::TokenList), ok: true, node, lanes, tokens, file: file.into(), next: Vec::new() }
    }
}

impl TokenRevokeReport {
    /// Tells of a token that was in `file`; `lanes` are those of the node.
    #[must_use]
    pub fn revoked(node: NodeName, lanes: &[LaneName], entry: TokenEntry, file: impl Into<String>) -> Self {
        Self {
            schema: schema_id(Verb::TokenRevoke),
            ok: true,
            node,
            lanes: entry.lanes_of(lanes),
            entry,
            file: file.into(),
            next: Vec::new(),
        }
    }
}

macro_rules! always_done {
    ($($report:ty),+) => {$(
        impl Reported for $report {
            fn exit(&self) -> ExitCode {
                ExitCode::Done
            }

            fn faults(&self) -> Vec<&Fault> {
                Vec::new()
            }

            fn next(&self) -> &[NextCommand] {
                &self.next
            }

            fn add_global_args(&mut self, args: &[String]) {
                super::envelope::add_global_args(&mut self.next, args);
            }
        }
    )+};
}

always_done!(TokenNewReport, TokenListReport, TokenRevokeReport);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_in_its_report_and_in_no_debug_text() {
        let lane = LaneName::parse("main").unwrap();
        let entry = TokenEntry {
            name: "ci".to_owned(),
            limited_to: Some(vec![LaneName::parse("gone").unwrap()]),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            expired: false,
        };
        let node = NodeName::parse("local").unwrap();
        let report = TokenNewReport::made(
            node,
            std::slice::from_ref(&lane),
            ShownToken::new("gmt_secret"),
            entry,
            "tokens.yaml",
        );
        assert!(!format!("{report:?}").contains("gmt_secret"));
        assert_eq!(serde_json::to_string(&report).unwrap().matches("gmt_secret").count(), 1);
        assert_eq!(report.lanes, Vec::new(), "the lane it names is not on the node any more");
        assert_eq!(TokenEntry { limited_to: None, ..report.entry }.lanes_of(std::slice::from_ref(&lane)), [lane]);
    }
}
