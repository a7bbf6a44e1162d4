//! Where a local node's things are: paths of its caches and of the files its connection to upstream needs.
//!
//! Turns a node of the configuration into absolute paths. It reads no file and opens no socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mirror_core::config::{
    Identity, KnownHosts, Lane, LocalSettings, LookupError, MirrorConfig, Node, NodeSettings, Repository, SecretSource,
    Serve, Tls, Transport,
};
use mirror_core::fault::{Classified, FaultClass, Retry};
use mirror_core::name::{NodeName, RefPrefix, RepositoryName};

use crate::space::SpaceGuard;
use crate::warm::Sessions;

/// Where relative paths of a configuration begin.
#[derive(Debug, Clone)]
pub struct Base {
    /// The folder of the configuration file.
    pub folder: PathBuf,
    /// The user's home, for paths that begin with `~/`.
    pub home: Option<PathBuf>,
    /// The socket of the user's SSH agent, where one runs.
    pub agent: Option<PathBuf>,
}

/// Why a node cannot be worked on here.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum NodeError {
    /// The node is a cluster.
    #[error("node {node} is a cluster, and this build works on local nodes only")]
    #[diagnostic(
        code(mirror::node::cluster),
        help("nothing was changed; use a node that has `cache:` instead of `cluster:`")
    )]
    Cluster {
        /// The node.
        node: NodeName,
    },
    /// The node is not in the configuration.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lookup(#[from] LookupError),
    /// A path begins with `~/` and nobody's home is known.
    #[error("cannot expand {path}: HOME is not set")]
    #[diagnostic(code(mirror::node::no_home), help("set HOME, or write the whole path in the configuration"))]
    NoHome {
        /// The path as it stands in the configuration.
        path: String,
    },
    /// A local node refers to a Kubernetes Secret.
    #[error("node {node} is local and cannot read the Kubernetes secret {secret}")]
    #[diagnostic(code(mirror::node::secret), help("on a local node use {{ file: … }}"))]
    Secret {
        /// The node.
        node: NodeName,
        /// The secret.
        secret: String,
    },
    /// A path that is not text.
    #[error("the path {} is not UTF-8", path.display())]
    #[diagnostic(
        code(mirror::node::not_text),
        help("move the configuration to a folder whose path is UTF-8, or write the whole path of this file in it")
    )]
    NotText {
        /// The path.
        path: PathBuf,
    },
    /// The identity is an agent, and none runs.
    #[error("node {node} logs in by an SSH agent, and SSH_AUTH_SOCK is not set")]
    #[diagnostic(
        code(mirror::node::no_agent),
        help("start one (`eval $(ssh-agent)`; `ssh-add`), or use identity: {{ file: … }}")
    )]
    NoAgent {
        /// The node.
        node: NodeName,
    },
}

impl Classified for NodeError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Cluster { .. } => FaultClass::Cluster,
            Self::Lookup(error) => error.class(),
            Self::NoHome { .. } | Self::Secret { .. } | Self::NotText { .. } | Self::NoAgent { .. } => {
                FaultClass::Usage
            }
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// Where the private key of a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// In a file.
    File {
        /// The key file.
        key: PathBuf,
        /// The file with its passphrase.
        passphrase: Option<PathBuf>,
    },
    /// With the agent at this socket.
    Agent(PathBuf),
}

/// The files that a connection to upstream needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointFiles {
    /// Who logs in.
    pub identity: IdentitySource,
    /// The file of known host keys; `None` means GitHub's own, built in.
    pub known_hosts: Option<PathBuf>,
    /// The file with the proxy's user and password.
    pub proxy_credentials: Option<PathBuf>,
}

/// A node that is a folder of this machine, with every path made whole.
#[derive(Debug, Clone)]
pub struct LocalNode {
    /// The node.
    pub node: Node,
    /// The folder that holds its caches.
    pub caches: PathBuf,
    /// Where snapshots live, and how long.
    pub snapshots: mirror_core::config::Snapshots,
    space: Option<Arc<SpaceGuard>>,
    sessions: Option<Arc<Sessions>>,
    base: Base,
    repositories: Vec<Repository>,
}

impl LocalNode {
    /// Finds a node by name, without regard to case, and makes its paths whole.
    ///
    /// # Errors
    /// [`NodeError`] where there is no such node, or it is not one that works here.
    pub fn resolve(config: &MirrorConfig, base: &Base, name: &str) -> Result<Self, NodeError> {
        let node = config.node(name)?;
        let NodeSettings::Local(LocalSettings { cache, serve }) = &node.settings else {
            return Err(NodeError::Cluster { node: node.name.clone() });
        };
        let caches = base.path(cache)?;
        Ok(Self {
            node: node.clone(),
            space: serve.as_ref().map(|serve| Arc::new(SpaceGuard::new(caches.clone(), serve.free_space))),
            caches,
            sessions: None,
            base: base.clone(),
            snapshots: config.snapshots.clone(),
            repositories: config
                .repositories
                .values()
                .map(|repository| without_lanes(config, node, repository))
                .collect(),
        })
    }

    /// Finds lanes by name, without regard to case; all of the node's lanes where none is named.
    ///
    /// # Errors
    /// One of them does not exist; the error lists those that do.
    pub fn lanes<S: AsRef<str>>(&self, names: &[S]) -> Result<Vec<&Lane>, LookupError> {
        self.node.lanes_named(names)
    }

    /// The repository of a lane.
    ///
    /// # Panics
    /// Never for a lane of this node: a configuration whose lanes name unknown repositories does not parse.
    #[must_use]
    pub fn repository(&self, lane: &Lane) -> &Repository {
        self.repositories
            .iter()
            .find(|repository| repository.name == lane.repository)
            .expect("because a configuration whose lanes name unknown repositories does not parse")
    }

    /// Groups lanes by their repository: each group shares a cache and a connection.
    #[must_use]
    pub fn by_repository<'l>(&'l self, lanes: &[&'l Lane]) -> Vec<(&'l Repository, Vec<&'l Lane>)> {
        let mut groups: Vec<(&Repository, Vec<&Lane>)> = Vec::new();
        for lane in lanes {
            match groups.iter_mut().find(|(repository, _)| repository.name == lane.repository) {
                Some((_, members)) => members.push(lane),
                None => groups.push((self.repository(lane), vec![lane])),
            }
        }
        groups
    }

    /// The folder of a repository's cache.
    #[must_use]
    pub fn cache(&self, repository: &RepositoryName) -> PathBuf {
        self.caches.join(format!("{repository}.git"))
    }

    /// The files that a connection to upstream needs. Asked for by what goes to upstream alone: a status needs none of them.
    ///
    /// # Errors
    /// [`NodeError`] where one of them cannot be found from here.
    pub fn endpoint_files(&self) -> Result<EndpointFiles, NodeError> {
        endpoint_files(&self.node, &self.base)
    }

    /// How the node serves, with the paths of its files made whole; the defaults where it has no `serve:` block.
    ///
    /// # Errors
    /// [`NodeError`] where one of the files cannot be found from here.
    pub fn serve(&self) -> Result<Serve, NodeError> {
        let NodeSettings::Local(LocalSettings { serve: Some(serve), .. }) = &self.node.settings else {
            return Ok(Serve::local());
        };
        let tokens = match &serve.tokens {
            None => None,
            Some(SecretSource::File(path)) => Some(SecretSource::File(self.base.text(path)?)),
            Some(SecretSource::Secret { secret, .. }) => {
                return Err(NodeError::Secret { node: self.node.name.clone(), secret: secret.clone() });
            }
        };
        let tls = match &serve.tls {
            None => None,
            Some(tls) => Some(Tls { certificate: self.base.text(&tls.certificate)?, key: self.base.text(&tls.key)? }),
        };
        Ok(Serve { tls, tokens, ..serve.as_ref().clone() })
    }

    /// The guard over the disk of its caches, where the node serves. Clones of the node share it.
    #[must_use]
    pub fn space(&self) -> Option<&Arc<SpaceGuard>> {
        self.space.as_ref()
    }

    /// Has operations on the node take their sessions from these, and give them back there.
    #[must_use]
    pub fn keeping(mut self, sessions: Arc<Sessions>) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// Where sessions are kept between operations, where they are.
    #[must_use]
    pub fn sessions(&self) -> Option<&Arc<Sessions>> {
        self.sessions.as_ref()
    }

    /// How the node connects to upstream, as the configuration has it.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.node.transport
    }

    /// Where snapshots live.
    #[must_use]
    pub fn prefix(&self) -> &RefPrefix {
        &self.snapshots.prefix
    }
}

/// The repository as the node sees it: a branch that one of its lanes owns is not a further, read-only one as well.
fn without_lanes(config: &MirrorConfig, node: &Node, repository: &Repository) -> Repository {
    let branches = config.further_branches(node, repository).cloned().collect();
    Repository { branches, ..repository.clone() }
}

impl Base {
    fn path(&self, text: &str) -> Result<PathBuf, NodeError> {
        let Some(below_home) = text.strip_prefix("~/") else {
            // Collected anew, the path loses its `.` components.
            return Ok(self.folder.join(Path::new(text)).components().collect());
        };
        let home = self.home.as_ref().ok_or_else(|| NodeError::NoHome { path: text.to_owned() })?;
        Ok(home.join(below_home))
    }

    /// A path made whole, where settings hold it as text.
    fn text(&self, text: &str) -> Result<String, NodeError> {
        let path = self.path(text)?.into_os_string();
        path.into_string().map_err(|path| NodeError::NotText { path: path.into() })
    }
}

fn endpoint_files(node: &Node, base: &Base) -> Result<EndpointFiles, NodeError> {
    let no_secrets = |secret: &str| NodeError::Secret { node: node.name.clone(), secret: secret.to_owned() };
    let identity = match &node.transport.identity {
        Identity::File { path, passphrase_file } => IdentitySource::File {
            key: base.path(path)?,
            passphrase: passphrase_file.as_deref().map(|path| base.path(path)).transpose()?,
        },
        Identity::Agent => {
            IdentitySource::Agent(base.agent.clone().ok_or_else(|| NodeError::NoAgent { node: node.name.clone() })?)
        }
        Identity::Secret { secret, .. } => return Err(no_secrets(secret)),
    };
    let known_hosts = match &node.transport.known_hosts {
        KnownHosts::Github => None,
        KnownHosts::File(path) => Some(base.path(path)?),
        KnownHosts::Secret { secret, .. } => return Err(no_secrets(secret)),
    };
    let proxy_credentials = match &node.transport.proxy_credentials {
        None => None,
        Some(SecretSource::File(path)) => Some(base.path(path)?),
        Some(SecretSource::Secret { secret, .. }) => return Err(no_secrets(secret)),
    };
    Ok(EndpointFiles { identity, known_hosts, proxy_credentials })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(serve: &str) -> LocalNode {
        let text = format!(
            "
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories: {{ app: {{ upstream: 'git@github.com:octo/app.git' }} }}
nodes:
  here:
    cache: ./caches
    githubTransport: {{ identity: {{ agent: true }} }}
    lanes: {{ main: {{ repository: app, source: {{ branch: main, snapshotGroup: app }}, gitops: {{ branch: gitops }} }} }}
    {serve}
"
        );
        let config = mirror_core::config::parse("git-mirror.yaml", &text).unwrap();
        let base = Base { folder: "/srv/mirror".into(), home: Some("/home/ada".into()), agent: None };
        LocalNode::resolve(&config, &base, "HERE").unwrap()
    }

    #[test]
    fn a_node_without_a_serve_block_serves_with_the_defaults() {
        assert_eq!(node("").serve().unwrap(), Serve::local());
        assert_eq!(node("serve:").serve().unwrap(), Serve::local());
    }

    #[test]
    fn the_files_of_a_server_have_whole_paths() {
        let block = "serve: { tls: { certificate: ./tls.crt, key: ~/tls.key }, tokens: { file: /etc/tokens.yaml } }";
        let serve = node(block).serve().unwrap();
        let tls = Tls { certificate: "/srv/mirror/tls.crt".to_owned(), key: "/home/ada/tls.key".to_owned() };
        assert_eq!(serve.tls, Some(tls));
        assert_eq!(serve.tokens, Some(SecretSource::File("/etc/tokens.yaml".to_owned())));
        let homeless = Base { home: None, ..node(block).base };
        assert!(matches!(LocalNode { base: homeless, ..node(block) }.serve(), Err(NodeError::NoHome { .. })));
    }
}
