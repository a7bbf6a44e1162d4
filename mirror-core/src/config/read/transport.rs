//! The road to upstream: what the file says for all nodes, what a node says for itself, and what follows for it.

use std::time::Duration;

use super::block::{At, Block, Field, Found};
use super::kubernetes::{object_name, secret_key_name};
use crate::config::finding::Finding;
use crate::config::problem::{AcrossFault, RefusedFault, ValueFault};
use crate::config::tree::Span;
use crate::config::types::{Identity, KnownHosts, SecretSource, Timeouts, Transport};
use crate::config::url::ProxyUrl;

/// What one `githubTransport` block says. What it leaves out is taken from the block above, or from the defaults.
#[derive(Debug, Clone, Default)]
pub(super) struct TransportLayer {
    proxy: Option<At<Option<ProxyUrl>>>,
    credentials: Option<At<SecretSource>>,
    identity: Option<At<Identity>>,
    known_hosts: Option<At<KnownHosts>>,
    connect: Option<Duration>,
    idle: Option<Duration>,
    total: Option<Duration>,
}

/// The kind of a node, which decides what it can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceKind {
    Local,
    Cluster,
}

pub(super) fn read_transport(field: &Field<'_>, found: &mut Found) -> Option<TransportLayer> {
    let mut block = field.block(found)?;
    if let Some(mode) = block.take("mode")
        && let Some(text) = mode.text(found)
        && text.value != "ssh"
    {
        mode.report(found, RefusedFault::Mode { given: text.value.to_owned() }, "only `ssh`");
    }
    let proxy = block.take_even_empty("proxy").and_then(|field| read_proxy(&field, found));
    let credentials = block.take("proxyCredentials").and_then(|field| read_secret_source(&field, found));
    let identity = block.take("identity").and_then(|field| read_identity(&field, found));
    let known_hosts = block.take("knownHosts").and_then(|field| read_known_hosts(&field, found));
    let mut layer = TransportLayer { proxy, credentials, identity, known_hosts, ..TransportLayer::default() };
    if let Some(mut timeouts) = block.take("timeouts").and_then(|field| field.block(found)) {
        layer.connect = timeouts.take("connect").and_then(|field| field.duration_above_zero(found));
        layer.idle = timeouts.take("idle").and_then(|field| field.duration_above_zero(found));
        layer.total = timeouts.take("total").and_then(|field| field.duration_above_zero(found));
        timeouts.finish(found);
    }
    block.finish(found);
    Some(layer)
}

impl TransportLayer {
    /// Lays a node's own block over the common one, and checks that the node can use what comes out.
    pub(super) fn over(
        &self,
        common: &Self,
        node: &str,
        node_key: &Span,
        place: PlaceKind,
        found: &mut Found,
    ) -> Option<Transport> {
        let proxy = self.proxy.as_ref().or(common.proxy.as_ref()).and_then(|at| at.value.clone());
        let credentials = self.credentials.as_ref().or(common.credentials.as_ref());
        if let (None, Some(at)) = (&proxy, &self.credentials) {
            let fault = AcrossFault::CredentialsWithoutProxy { node: node.to_owned() };
            found.push(Finding::new(fault, at.span.clone(), "for no proxy"));
        }
        // Common credentials are of no use to a node that goes without the proxy, and are left aside there.
        let credentials = credentials.filter(|_| proxy.is_some());
        let judge = Judge { node, node_key, place };
        if let Some(at) = credentials {
            judge.secret_source(at, "proxy credentials", "githubTransport.proxyCredentials", found);
        }
        let known_hosts = self.known_hosts.as_ref().or(common.known_hosts.as_ref());
        if let Some(at) = known_hosts {
            judge.known_hosts(at, found);
        }
        let identity = self.identity.as_ref().or(common.identity.as_ref());
        match identity {
            Some(at) => judge.identity(at, found),
            None => judge.no_identity(found),
        }
        let defaults = Timeouts::default();
        Some(Transport {
            proxy,
            proxy_credentials: credentials.map(|at| at.value.clone()),
            identity: identity?.value.clone(),
            known_hosts: known_hosts.map_or(KnownHosts::Github, |at| at.value.clone()),
            timeouts: Timeouts {
                connect: self.connect.or(common.connect).unwrap_or(defaults.connect),
                idle: self.idle.or(common.idle).unwrap_or(defaults.idle),
                total: self.total.or(common.total).unwrap_or(defaults.total),
            },
        })
    }
}

/// Judges whether a node can read what it is given: a local node has files, a cluster node has Secrets.
pub(super) struct Judge<'a> {
    pub(super) node: &'a str,
    pub(super) node_key: &'a Span,
    pub(super) place: PlaceKind,
}

const LOCAL_IDENTITY: &str = "`{ file: ~/.ssh/id_ed25519 }` or `{ agent: true }`";
const CLUSTER_IDENTITY: &str = "`{ secret: git-mirror-ssh, key: id_ed25519 }`";

impl Judge<'_> {
    fn identity(&self, at: &At<Identity>, found: &mut Found) {
        let path = format!("nodes.{}.githubTransport.identity", self.node);
        match (self.place, &at.value) {
            (PlaceKind::Local, Identity::File { .. } | Identity::Agent)
            | (PlaceKind::Cluster, Identity::Secret { .. }) => {}
            (PlaceKind::Local, Identity::Secret { .. }) => {
                self.local_secret(&at.span, "identity", path, LOCAL_IDENTITY, found);
            }
            (PlaceKind::Cluster, Identity::File { .. } | Identity::Agent) => {
                self.cluster_file(&at.span, "identity", path, CLUSTER_IDENTITY, found);
            }
        }
    }

    fn no_identity(&self, found: &mut Found) {
        let example = match self.place {
            PlaceKind::Local => "{ file: ~/.ssh/id_ed25519 }",
            PlaceKind::Cluster => "{ secret: git-mirror-ssh, key: id_ed25519 }",
        };
        let fault = AcrossFault::NoIdentity { node: self.node.to_owned(), example };
        found.push(Finding::new(fault, self.node_key.clone(), "this node"));
    }

    fn known_hosts(&self, at: &At<KnownHosts>, found: &mut Found) {
        let path = format!("nodes.{}.githubTransport.knownHosts", self.node);
        match (self.place, &at.value) {
            (_, KnownHosts::Github)
            | (PlaceKind::Local, KnownHosts::File(_))
            | (PlaceKind::Cluster, KnownHosts::Secret { .. }) => {}
            (PlaceKind::Local, KnownHosts::Secret { .. }) => {
                let example = "`github` or `{ file: ~/.ssh/known_hosts }`";
                self.local_secret(&at.span, "known hosts", path, example, found);
            }
            (PlaceKind::Cluster, KnownHosts::File(_)) => {
                let example = "`github` or `{ secret: …, key: known_hosts }`";
                self.cluster_file(&at.span, "known hosts", path, example, found);
            }
        }
    }

    /// Judges a secret of any other use; `key` is its path below the node.
    pub(super) fn secret_source(&self, at: &At<SecretSource>, what: &'static str, key: &str, found: &mut Found) {
        let path = format!("nodes.{}.{key}", self.node);
        match (self.place, &at.value) {
            (PlaceKind::Local, SecretSource::File(_)) | (PlaceKind::Cluster, SecretSource::Secret { .. }) => {}
            (PlaceKind::Local, SecretSource::Secret { .. }) => {
                self.local_secret(&at.span, what, path, "`{ file: … }`", found);
            }
            (PlaceKind::Cluster, SecretSource::File(_)) => {
                self.cluster_file(&at.span, what, path, "`{ secret: …, key: … }`", found);
            }
        }
    }

    fn local_secret(&self, span: &Span, what: &'static str, path: String, example: &'static str, found: &mut Found) {
        let fault = AcrossFault::LocalSecret { node: self.node.to_owned(), what, path, example };
        found.push(
            Finding::new(fault, span.clone(), "a Kubernetes Secret").also(self.node_key.clone(), "used by this node"),
        );
    }

    fn cluster_file(&self, span: &Span, what: &'static str, path: String, example: &'static str, found: &mut Found) {
        let fault = AcrossFault::ClusterFile { node: self.node.to_owned(), what, path, example };
        found.push(
            Finding::new(fault, span.clone(), "on this machine").also(self.node_key.clone(), "used by this node"),
        );
    }
}

/// Takes `http://host:port`, or `direct`. An empty value is a fault: a forgotten address must not open a direct connection.
fn read_proxy(field: &Field<'_>, found: &mut Found) -> Option<At<Option<ProxyUrl>>> {
    if field.is_null() {
        field.malformed(
            found,
            "the address of a proxy",
            "write `http://HOST:PORT`; for a direct connection write `direct`, or leave the key out",
        );
        return None;
    }
    field.parsed(found, |text| if text == "direct" { Ok(None) } else { ProxyUrl::parse(text).map(Some) })
}

/// Takes `{ file: … }` or `{ secret: …, key: … }`.
pub(super) fn read_secret_source(field: &Field<'_>, found: &mut Found) -> Option<At<SecretSource>> {
    const ONE_OF: &str = "`{ file: … }` on a local node, or `{ secret: …, key: … }` on a cluster node";
    let mut block = field.block(found)?;
    let file = block.take("file");
    let secret = take_secret(&mut block);
    block.finish(found);
    let value = match (file, secret) {
        (Some(file), None) => SecretSource::File(file.file_path(found)?),
        (None, Some(fields)) => {
            let (secret, key) = read_secret(fields, found)?;
            SecretSource::Secret { secret, key }
        }
        _ => return one_of(field, ONE_OF, found),
    };
    Some(At { value, span: field.span() })
}

fn read_identity(field: &Field<'_>, found: &mut Found) -> Option<At<Identity>> {
    const ONE_OF: &str =
        "`{ file: … }` or `{ agent: true }` on a local node, or `{ secret: …, key: … }` on a cluster node";
    let mut block = field.block(found)?;
    let file = block.take("file");
    let passphrase = block.take("passphraseFile");
    let agent = block.take("agent");
    let secret = take_secret(&mut block);
    block.finish(found);
    if let (Some(passphrase), None) = (&passphrase, &file) {
        passphrase.malformed(found, "of use without `file`", "a passphrase belongs to a key in a file");
        return None;
    }
    let value = match (file, agent, secret) {
        (Some(file), None, None) => {
            let passphrase_file = match passphrase {
                Some(passphrase) => Some(passphrase.file_path(found)?),
                None => None,
            };
            Identity::File { path: file.file_path(found)?, passphrase_file }
        }
        (None, Some(agent), None) => {
            if !agent.switch(found)? {
                agent.not_one_of(found, "false", "`agent: true`, or another identity");
                return None;
            }
            Identity::Agent
        }
        (None, None, Some(fields)) => {
            let (secret, key) = read_secret(fields, found)?;
            Identity::Secret { secret, key }
        }
        _ => return one_of(field, ONE_OF, found),
    };
    Some(At { value, span: field.span() })
}

fn read_known_hosts(field: &Field<'_>, found: &mut Found) -> Option<At<KnownHosts>> {
    if field.is_block() {
        let at = read_secret_source(field, found)?;
        let value = match at.value {
            SecretSource::File(path) => KnownHosts::File(path),
            SecretSource::Secret { secret, key } => KnownHosts::Secret { secret, key },
        };
        return Some(At { value, span: at.span });
    }
    let text = field.text(found)?;
    if text.value != "github" {
        field.not_one_of(found, text.value, "`github`, `{ file: … }` or `{ secret: …, key: … }`");
        return None;
    }
    Some(At { value: KnownHosts::Github, span: text.span })
}

type SecretFields<'t> = (Option<Field<'t>>, Option<Field<'t>>, Field<'t>);

fn take_secret<'t>(block: &mut Block<'t>) -> Option<SecretFields<'t>> {
    let secret = block.take("secret");
    let key = block.take("key");
    let either = secret.clone().or_else(|| key.clone())?;
    Some((secret, key, either))
}

fn read_secret((secret, key, either): SecretFields<'_>, found: &mut Found) -> Option<(String, String)> {
    let missing = |key: &'static str, example: &'static str| {
        let path = either.path.rsplit_once('.').map_or("", |(path, _)| path).to_owned();
        Finding::new(
            ValueFault::MissingKey { key, path, example },
            either.key.clone(),
            format!("`{key}` is missing here"),
        )
    };
    match (secret, key) {
        (Some(secret), Some(key)) => {
            let secret = object_name(&secret, found);
            let key = secret_key_name(&key, found);
            Some((secret?, key?))
        }
        (None, _) => {
            found.push(missing("secret", "`secret: git-mirror-ssh`, the name of the Secret"));
            None
        }
        (Some(_), None) => {
            found.push(missing("key", "`key: id_ed25519`, the key in the Secret"));
            None
        }
    }
}

fn one_of<T>(field: &Field<'_>, rule: &'static str, found: &mut Found) -> Option<T> {
    let fault = ValueFault::OneOf { path: field.path.clone(), rule };
    field.report(found, fault, "one of its forms");
    None
}
