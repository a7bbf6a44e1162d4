//! What is served: the repositories of one node, and under which paths.
//!
//! It never opens a socket, and never changes a repository.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use mirror_core::name::{BranchName, LaneName, NodeName, RefPrefix, RepositoryName};
use mirror_engine::node::LocalNode;
use mirror_store::{Cache, OpenError};
use tokio::sync::Mutex;

/// The repositories of a node.
#[derive(Debug)]
pub(crate) struct Repositories {
    /// The node, for the engine's verbs.
    pub(crate) node: Arc<LocalNode>,
    served: Vec<Arc<ServedRepository>>,
    /// By path, without `.git` and without the slash in front.
    paths: BTreeMap<String, Arc<ServedRepository>>,
}

/// One repository that is served.
#[derive(Debug)]
pub(crate) struct ServedRepository {
    /// Its name in the configuration.
    pub(crate) name: RepositoryName,
    /// The node that serves it.
    pub(crate) node: NodeName,
    /// The branch that `HEAD` names: its first declared source branch.
    pub(crate) head: BranchName,
    /// The branches that may be pushed, each with the lanes whose GitOps branch it is.
    pub(crate) gitops: BTreeMap<BranchName, Vec<LaneName>>,
    /// Under which its snapshots stand.
    pub(crate) snapshots: RefPrefix,
    /// The bare repository.
    pub(crate) path: PathBuf,
    cache: OnceLock<Cache>,
    /// Held while the disk is probed: where it does not answer, it blocks one thread and no more.
    probing: Arc<Mutex<()>>,
}

impl Repositories {
    /// Gathers the repositories that the node's lanes name.
    pub(crate) fn of(node: Arc<LocalNode>) -> Self {
        let mut served = BTreeMap::<RepositoryName, ServedRepository>::new();
        let mut upstreams = BTreeMap::new();
        for lane in node.node.lanes_in_order() {
            let repository = node.repository(lane);
            upstreams.insert(repository.name.clone(), repository.upstream.path().to_owned());
            let entry = served.entry(repository.name.clone()).or_insert_with(|| ServedRepository {
                name: repository.name.clone(),
                node: node.node.name.clone(),
                head: lane.source.branch.clone(),
                gitops: BTreeMap::new(),
                snapshots: node.snapshots.prefix.clone(),
                path: node.cache(&repository.name),
                cache: OnceLock::new(),
                probing: Arc::default(),
            });
            if let Some(branch) = &lane.gitops {
                entry.gitops.entry(branch.clone()).or_default().push(lane.name.clone());
            }
        }
        let served: Vec<_> = served.into_values().map(Arc::new).collect();
        let mut paths = BTreeMap::new();
        for repository in &served {
            let upstream = upstreams.remove(&repository.name).unwrap_or_default();
            paths.entry(plain(&upstream).to_owned()).or_insert_with(|| Arc::clone(repository));
        }
        // A repository's own name wins over another's path upstream.
        for repository in &served {
            paths.insert(repository.name.to_string(), Arc::clone(repository));
        }
        Self { node, served, paths }
    }

    /// Finds a repository by a path that was decoded and checked, with or without `.git` and the slash in front.
    pub(crate) fn find(&self, path: &str) -> Option<&Arc<ServedRepository>> {
        self.paths.get(plain(path))
    }

    /// All repositories, in the order of their names.
    pub(crate) fn all(&self) -> &[Arc<ServedRepository>] {
        &self.served
    }
}

fn plain(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix(".git").unwrap_or(path)
}

/// What stands at the path of a repository.
#[derive(Debug)]
pub(crate) enum Presence {
    /// The repository.
    Present,
    /// Nothing so far: no sync was made.
    Unsynced,
    /// Something that cannot be read, or no longer anything.
    Unreadable(OpenError),
    /// The disk does not say.
    Unanswered,
}

impl ServedRepository {
    /// The repository on disk, opened at its first use and then reused. It may be absent until the first sync.
    ///
    /// # Errors
    /// [`OpenError`]; `Missing` where no sync was made yet.
    pub(crate) fn cache(&self) -> Result<&Cache, OpenError> {
        match self.cache.get() {
            Some(cache) => Ok(cache),
            None => {
                let cache = Cache::open(&self.path)?;
                Ok(self.cache.get_or_init(|| cache))
            }
        }
    }

    /// Probes whether the repository is on the disk now, whatever was open before. Takes as long as the disk does.
    ///
    /// # Cancel safety
    /// Safe: a probe after a dropped one waits until that has ended.
    pub(crate) async fn probe(self: &Arc<Self>) -> Presence {
        let alone = Arc::clone(&self.probing).lock_owned().await;
        let served = Arc::clone(self);
        let probe = move || {
            let _alone = alone;
            match Cache::open(&served.path) {
                Ok(_) => Presence::Present,
                Err(OpenError::Missing { .. }) if served.cache.get().is_none() => Presence::Unsynced,
                Err(error) => Presence::Unreadable(error),
            }
        };
        tokio::task::spawn_blocking(probe).await.unwrap_or(Presence::Unanswered)
    }
}

#[cfg(test)]
impl ServedRepository {
    /// Serves the cache at a path without any configuration around it.
    pub(crate) fn at(path: PathBuf, head: &str) -> Arc<Self> {
        Arc::new(Self {
            name: RepositoryName::parse("app").expect("because the name is right"),
            node: NodeName::parse("local").expect("because the name is right"),
            head: BranchName::parse(head).expect("because tests give branches"),
            gitops: BTreeMap::new(),
            snapshots: RefPrefix::parse("refs/mirror/snapshots").expect("because the prefix is right"),
            path,
            cache: OnceLock::new(),
            probing: Arc::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_may_probe_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let served = ServedRepository::at(folder.path().join("app.git"), "main");
        let probes: Vec<_> = (0..32)
            .map(|_| {
                let served = Arc::clone(&served);
                tokio::spawn(async move { served.probe().await })
            })
            .collect();
        for probe in probes {
            let presence = probe.await.expect("no panic");
            assert!(matches!(presence, Presence::Unsynced), "{presence:?}");
        }
        // A dropped probe does not keep the others out.
        drop(tokio::time::timeout(std::time::Duration::ZERO, served.probe()).await);
        assert!(matches!(served.probe().await, Presence::Unsynced));
    }
}
