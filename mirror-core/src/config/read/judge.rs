//! What a node can read: a local node has files and an agent, a cluster node has Secrets.

use super::block::{At, Found};
use crate::config::finding::Finding;
use crate::config::problem::AcrossFault;
use crate::config::tree::Span;
use crate::config::types::{Identity, KnownHosts, NodeKind, SecretSource};

/// Whose a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The node's own.
    Own,
    /// That of all nodes.
    Common,
}

/// Judges whether a node can read what it is given: a local node has files, a cluster node has Secrets.
pub(super) struct Judge<'a> {
    pub(super) node: &'a str,
    pub(super) node_key: &'a Span,
    pub(super) kind: NodeKind,
}

const LOCAL_IDENTITY: &str = "`{ file: ~/.ssh/id_ed25519 }` or `{ agent: true }`";
const CLUSTER_IDENTITY: &str = "`{ secret: git-mirror-ssh, key: id_ed25519 }`";

impl Judge<'_> {
    pub(super) fn identity(&self, at: &At<Identity>, origin: Origin, found: &mut Found) {
        let path = format!("nodes.{}.githubTransport.identity", self.node);
        match (self.kind, &at.value) {
            (NodeKind::Local, Identity::File { .. } | Identity::Agent)
            | (NodeKind::Cluster, Identity::Secret { .. }) => {}
            (NodeKind::Local, Identity::Secret { .. }) => {
                self.local_secret(self.seen(at, origin), "identity", path, LOCAL_IDENTITY, found);
            }
            (NodeKind::Cluster, Identity::File { .. } | Identity::Agent) => {
                self.cluster_file(self.seen(at, origin), "identity", path, CLUSTER_IDENTITY, found);
            }
        }
    }

    pub(super) fn no_identity(&self, found: &mut Found) {
        let example = match self.kind {
            NodeKind::Local => "{ file: ~/.ssh/id_ed25519 }",
            NodeKind::Cluster => "{ secret: git-mirror-ssh, key: id_ed25519 }",
        };
        let fault = AcrossFault::NoIdentity { node: self.node.to_owned(), example };
        found.push(Finding::new(fault, self.node_key.clone(), "this node"));
    }

    pub(super) fn known_hosts(&self, at: &At<KnownHosts>, origin: Origin, found: &mut Found) {
        let path = format!("nodes.{}.githubTransport.knownHosts", self.node);
        match (self.kind, &at.value) {
            (_, KnownHosts::Github)
            | (NodeKind::Local, KnownHosts::File(_))
            | (NodeKind::Cluster, KnownHosts::Secret { .. }) => {}
            (NodeKind::Local, KnownHosts::Secret { .. }) => {
                let example = "`github` or `{ file: ~/.ssh/known_hosts }`";
                self.local_secret(self.seen(at, origin), "known hosts", path, example, found);
            }
            (NodeKind::Cluster, KnownHosts::File(_)) => {
                let example = "`github` or `{ secret: …, key: known_hosts }`";
                self.cluster_file(self.seen(at, origin), "known hosts", path, example, found);
            }
        }
    }

    /// Judges a secret of any other use; `key` is its path below the node.
    pub(super) fn secret_source(
        &self,
        at: &At<SecretSource>,
        origin: Origin,
        what: &'static str,
        key: &str,
        found: &mut Found,
    ) {
        let path = format!("nodes.{}.{key}", self.node);
        match (self.kind, &at.value) {
            (NodeKind::Local, SecretSource::File(_)) | (NodeKind::Cluster, SecretSource::Secret { .. }) => {}
            (NodeKind::Local, SecretSource::Secret { .. }) => {
                self.local_secret(self.seen(at, origin), what, path, "`{ file: … }`", found);
            }
            (NodeKind::Cluster, SecretSource::File(_)) => {
                self.cluster_file(self.seen(at, origin), what, path, "`{ secret: …, key: … }`", found);
            }
        }
    }

    fn local_secret(&self, seen: Seen, what: &'static str, path: String, example: &'static str, found: &mut Found) {
        let fault = AcrossFault::LocalSecret { node: self.node.to_owned(), what, path, example };
        found.push(seen.with(fault, "a Kubernetes Secret"));
    }

    fn cluster_file(&self, seen: Seen, what: &'static str, path: String, example: &'static str, found: &mut Found) {
        let fault = AcrossFault::ClusterFile { node: self.node.to_owned(), what, path, example };
        found.push(seen.with(fault, "on this machine"));
    }

    fn seen<T>(&self, at: &At<T>, origin: Origin) -> Seen {
        let used_by = match origin {
            Origin::Own => None,
            Origin::Common => Some(self.node_key.clone()),
        };
        Seen { span: at.span.clone(), used_by }
    }
}

/// Where a setting stands, and the node that uses it where that is somewhere else.
struct Seen {
    span: Span,
    used_by: Option<Span>,
}

impl Seen {
    fn with(self, fault: AcrossFault, label: &'static str) -> Finding {
        let finding = Finding::new(fault, self.span, label);
        match self.used_by {
            Some(node) => finding.also(node, "used by this node"),
            None => finding,
        }
    }
}
