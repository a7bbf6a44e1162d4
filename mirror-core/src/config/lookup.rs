//! Finding a node, a lane or a repository by the name that a person typed.

use std::fmt;

use super::types::{Lane, MirrorConfig, Node, Repository};
use crate::fault::{Classified, FaultClass, Retry};
use crate::name::{BranchName, NameKind, RepositoryName};

/// A name that the configuration does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum LookupError {
    /// No such node, lane or repository.
    #[error("there is no {} `{given}`{}", noun(*kind), within(node))]
    #[diagnostic(code(mirror::config::unknown_name), help("{}", known_text(*kind, known, given)))]
    Unknown {
        /// What was looked for.
        kind: NameKind,
        /// The name as it was given.
        given: String,
        /// The node whose lanes were searched.
        node: Option<String>,
        /// The names that exist.
        known: Vec<String>,
    },
    /// No node was named and there is more than one.
    #[error("the configuration has more than one node")]
    #[diagnostic(code(mirror::config::node_needed), help("add --node with one of: {}", known.join(", ")))]
    NodeNeeded {
        /// The names that exist.
        known: Vec<String>,
    },
}

impl MirrorConfig {
    /// Finds a node; ASCII case does not count.
    ///
    /// # Errors
    /// There is none; the error lists those that exist.
    pub fn node(&self, given: &str) -> Result<&Node, LookupError> {
        self.nodes.values().find(|node| node.name.matches(given)).ok_or_else(|| LookupError::Unknown {
            kind: NameKind::Node,
            given: given.to_owned(),
            node: None,
            known: names(self.nodes.keys()),
        })
    }

    /// Gives the one node of a configuration that has only one.
    ///
    /// # Errors
    /// There is more than one; the error lists them.
    pub fn only_node(&self) -> Result<&Node, LookupError> {
        let mut nodes = self.nodes.values();
        match (nodes.next(), nodes.next()) {
            (Some(node), None) => Ok(node),
            _ => Err(LookupError::NodeNeeded { known: names(self.nodes.keys()) }),
        }
    }

    /// Finds the repository of a lane.
    ///
    /// # Errors
    /// There is none, which a configuration from [`parse`](super::parse()) cannot have.
    pub fn repository_of(&self, lane: &Lane) -> Result<&Repository, LookupError> {
        self.repositories.get(&lane.repository).ok_or_else(|| LookupError::Unknown {
            kind: NameKind::Repository,
            given: lane.repository.to_string(),
            node: None,
            known: names(self.repositories.keys()),
        })
    }

    /// Gives the further branches of a repository that no lane of the node has as source or GitOps branch.
    pub fn further_branches<'a>(
        &'a self,
        node: &'a Node,
        repository: &'a Repository,
    ) -> impl Iterator<Item = &'a BranchName> {
        repository.branches.iter().filter(|branch| {
            !node.lanes.values().any(|lane| {
                lane.repository == repository.name && (lane.source.branch == **branch || lane.gitops == **branch)
            })
        })
    }
}

impl Node {
    /// Gives the lanes in the order of the file.
    #[must_use]
    pub fn lanes_in_order(&self) -> Vec<&Lane> {
        let mut lanes: Vec<&Lane> = self.lanes.values().collect();
        lanes.sort_by_key(|lane| lane.position);
        lanes
    }

    /// Gives the source branch of the first lane in the file that is of a repository: the one its `HEAD` names.
    #[must_use]
    pub fn first_source_branch(&self, repository: &RepositoryName) -> Option<&BranchName> {
        let of_it = self.lanes.values().filter(|lane| lane.repository == *repository);
        of_it.min_by_key(|lane| lane.position).map(|lane| &lane.source.branch)
    }

    /// Finds a lane; ASCII case does not count.
    ///
    /// # Errors
    /// There is none; the error lists those that exist.
    pub fn lane(&self, given: &str) -> Result<&Lane, LookupError> {
        self.lanes.values().find(|lane| lane.name.matches(given)).ok_or_else(|| LookupError::Unknown {
            kind: NameKind::Lane,
            given: given.to_owned(),
            node: Some(self.name.to_string()),
            known: names(self.lanes.keys()),
        })
    }
}

impl Classified for LookupError {
    fn class(&self) -> FaultClass {
        FaultClass::Usage
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// Finds the known name that a wrong one was probably meant to be.
///
/// One that differs only in case or punctuation is always taken; else up to a third of the letters may be wrong.
pub(super) fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let wanted = plain(given);
    known
        .into_iter()
        .map(|name| (distance(&wanted, &plain(name)), name))
        .filter(|(distance, name)| *distance * 3 <= name.chars().count().max(3))
        .min()
        .map(|(_, name)| name)
}

/// Counts the insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(from: &str, to: &str) -> usize {
    const LONGEST: usize = 64;
    let from: Vec<char> = from.chars().take(LONGEST).collect();
    let to: Vec<char> = to.chars().take(LONGEST).collect();
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[from.len()][to.len()]
}

fn names(of: impl Iterator<Item = impl fmt::Display>) -> Vec<String> {
    of.map(|name| name.to_string()).collect()
}

fn noun(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Node => "node",
        NameKind::Lane => "lane",
        NameKind::Repository => "repository",
        NameKind::Ref
        | NameKind::Branch
        | NameKind::Group
        | NameKind::Prefix
        | NameKind::TagPattern
        | NameKind::Commit => "name",
    }
}

fn within(node: &Option<String>) -> String {
    node.as_ref().map(|node| format!(" on node {node}")).unwrap_or_default()
}

pub(super) fn known_text(kind: NameKind, known: &[String], given: &str) -> String {
    let plural = match kind {
        NameKind::Repository => "repositories",
        NameKind::Node => "nodes",
        _ => "lanes",
    };
    let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    match closest(given, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`? The configuration has the {plural}: {list}"),
        None => format!("the configuration has the {plural}: {list}"),
    }
}
