//! Finding a node, a lane or a repository by the name that was given for it: one rule, one error, and one code a kind, wherever the name
//! is said.
//!
//! It knows what may be named, and where it was looked for. It never decides what a verb does where nothing is named.

use std::fmt;

use super::similar::closest;
use super::types::{Lane, MirrorConfig, Node, Repository};
use crate::fault::{Classified, FaultClass, Retry};
use crate::name::{BranchName, LaneName, NodeName, RepositoryName};

/// A name that stands for nothing, or that has to be given and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum LookupError {
    /// No such node.
    #[error("there is no node {0}")]
    #[diagnostic(code(mirror::config::unknown_node), help("{}", .0.help("nodes")))]
    Node(UnknownName),
    /// No such lane.
    #[error("there is no lane {0}")]
    #[diagnostic(code(mirror::config::unknown_lane), help("{}", .0.help("lanes")))]
    Lane(UnknownName),
    /// No such repository.
    #[error("there is no repository {0}")]
    #[diagnostic(code(mirror::config::unknown_repository), help("{}", .0.help("repositories")))]
    Repository(UnknownName),
    /// No node was named and there is more than one.
    #[error("the configuration has more than one node")]
    #[diagnostic(code(mirror::config::node_needed), help("add --node with one of: {}", known.join(", ")))]
    NodeNeeded {
        /// The names that exist.
        known: Vec<String>,
    },
}

/// A name that stands for nothing where it was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The name as it was given.
    pub given: String,
    /// Where it was looked for.
    pub scope: Scope,
    /// The names that exist there.
    pub known: Vec<String>,
}

/// Where a name is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The configuration as a whole.
    Configuration,
    /// One node of it.
    Node(NodeName),
    /// A server elsewhere, by its address.
    Server(String),
}

/// What is found by its name.
pub trait Named {
    /// The error of a name that nothing of this kind has.
    const UNKNOWN: fn(UnknownName) -> LookupError;

    /// Gives the name.
    fn name(&self) -> &str;
}

/// Finds the one that is called `given`; ASCII case and white space around the name do not count.
///
/// # Errors
/// None is; the error lists those that exist, and names the one that was probably meant.
pub fn find<'a, T: Named>(
    given: &str,
    among: impl IntoIterator<Item = &'a T, IntoIter: Clone>,
    scope: &Scope,
) -> Result<&'a T, LookupError> {
    find_by(given, among, T::name, scope).map_err(T::UNKNOWN)
}

/// Finds all that the given names stand for, each once and in the order of `among`; all there are where no name is given.
///
/// # Errors
/// As [`find`], for the first name that nothing has.
pub fn select<'a, T: Named, S: AsRef<str>>(
    given: &[S],
    among: impl IntoIterator<Item = &'a T, IntoIter: Clone>,
    scope: &Scope,
) -> Result<Vec<&'a T>, LookupError> {
    let among = among.into_iter();
    for name in given {
        find(name.as_ref(), among.clone(), scope)?;
    }
    let is_given = |one: &&T| given.is_empty() || given.iter().any(|name| is_same_name(one.name(), name.as_ref()));
    Ok(among.filter(is_given).collect())
}

/// Finds what has a name without being [`Named`].
pub(super) fn find_by<'a, T>(
    given: &str,
    among: impl IntoIterator<Item = &'a T, IntoIter: Clone>,
    name_of: impl Fn(&T) -> &str,
    scope: &Scope,
) -> Result<&'a T, UnknownName> {
    let among = among.into_iter();
    among.clone().find(|one| is_same_name(name_of(one), given)).ok_or_else(|| UnknownName {
        given: given.trim().to_owned(),
        scope: scope.clone(),
        known: among.map(|one| name_of(one).to_owned()).collect(),
    })
}

/// Says whether a name is the one that was given.
fn is_same_name(name: &str, given: &str) -> bool {
    name.eq_ignore_ascii_case(given.trim())
}

impl MirrorConfig {
    /// Finds a node, as [`find`] does.
    ///
    /// # Errors
    /// There is none; the error lists those that exist.
    pub fn node(&self, given: &str) -> Result<&Node, LookupError> {
        find(given, self.nodes.values(), &Scope::Configuration)
    }

    /// Gives the one node of a configuration that has only one.
    ///
    /// # Errors
    /// There is more than one; the error lists them.
    pub fn only_node(&self) -> Result<&Node, LookupError> {
        let mut nodes = self.nodes.values();
        match (nodes.next(), nodes.next()) {
            (Some(node), None) => Ok(node),
            _ => Err(LookupError::NodeNeeded { known: self.nodes.keys().map(ToString::to_string).collect() }),
        }
    }

    /// Finds a repository, as [`find`] does.
    ///
    /// # Errors
    /// There is none; the error lists those that exist.
    pub fn repository(&self, given: &str) -> Result<&Repository, LookupError> {
        find(given, self.repositories.values(), &Scope::Configuration)
    }

    /// Gives the further branches of a repository that no lane of the node has as source or GitOps branch.
    pub fn further_branches<'a>(
        &'a self,
        node: &'a Node,
        repository: &'a Repository,
    ) -> impl Iterator<Item = &'a BranchName> {
        let is_own = |lane: &Lane, branch: &BranchName| {
            lane.repository == repository.name && lane.branches().any(|own| own == branch)
        };
        repository.branches.iter().filter(move |branch| !node.lanes.values().any(|lane| is_own(lane, branch)))
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

    /// Finds a lane, as [`find`] does.
    ///
    /// # Errors
    /// There is none; the error lists those that exist.
    pub fn lane(&self, given: &str) -> Result<&Lane, LookupError> {
        find(given, self.lanes.values(), &self.scope())
    }

    /// Finds the lanes that are named, as [`select`] does; all of them where none is.
    ///
    /// # Errors
    /// One of them does not exist; the error lists those that do.
    pub fn lanes_named<S: AsRef<str>>(&self, given: &[S]) -> Result<Vec<&Lane>, LookupError> {
        select(given, self.lanes.values(), &self.scope())
    }

    fn scope(&self) -> Scope {
        Scope::Node(self.name.clone())
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

/// Writes the name, and where it was looked for where that is not the configuration as a whole.
impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.given)?;
        match &self.scope {
            Scope::Configuration => Ok(()),
            Scope::Node(node) => write!(f, " on node {node}"),
            Scope::Server(address) => write!(f, " on the server {address}"),
        }
    }
}

impl UnknownName {
    /// Lists what there is, and names what was probably meant.
    fn help(&self, plural: &str) -> String {
        let scope = match &self.scope {
            Scope::Configuration => "the configuration".to_owned(),
            Scope::Node(node) => format!("node {node}"),
            Scope::Server(_) => "the server".to_owned(),
        };
        let list = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
        match closest(&self.given, self.known.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`? {} has the {plural}: {list}", capitalised(&scope)),
            None => format!("{scope} has the {plural}: {list}"),
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl Named for NodeName {
    const UNKNOWN: fn(UnknownName) -> LookupError = LookupError::Node;

    fn name(&self) -> &str {
        self.as_str()
    }
}

impl Named for LaneName {
    const UNKNOWN: fn(UnknownName) -> LookupError = LookupError::Lane;

    fn name(&self) -> &str {
        self.as_str()
    }
}

impl Named for RepositoryName {
    const UNKNOWN: fn(UnknownName) -> LookupError = LookupError::Repository;

    fn name(&self) -> &str {
        self.as_str()
    }
}

impl Named for Node {
    const UNKNOWN: fn(UnknownName) -> LookupError = NodeName::UNKNOWN;

    fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl Named for Lane {
    const UNKNOWN: fn(UnknownName) -> LookupError = LaneName::UNKNOWN;

    fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl Named for Repository {
    const UNKNOWN: fn(UnknownName) -> LookupError = RepositoryName::UNKNOWN;

    fn name(&self) -> &str {
        self.name.as_str()
    }
}

#[cfg(test)]
mod tests;
