//! The road to upstream: what the file says for all nodes, what a node says for itself, and what follows for it.

use std::time::Duration;

use super::block::{At, Field, Found};
use super::identity::{read_identity, read_known_hosts, read_proxy, read_secret_source};
use super::judge::{Judge, Origin};
use crate::config::finding::Finding;
use crate::config::problem::{AcrossFault, RefusedFault};
use crate::config::tree::Span;
use crate::config::types::{Identity, KnownHosts, NodeKind, SecretSource, Timeouts, Transport};
use crate::config::url::ProxyUrl;

/// What one `githubTransport` block says. What it leaves out is taken from the block above, or from the defaults.
#[derive(Debug, Clone, Default)]
pub(super) struct TransportLayer {
    proxy: Setting<Option<ProxyUrl>>,
    credentials: Setting<SecretSource>,
    identity: Setting<Identity>,
    known_hosts: Setting<KnownHosts>,
    connect: Option<Duration>,
    idle: Option<Duration>,
    total: Option<Duration>,
}

/// A key that a layer can set. A spoilt one has been reported, and nothing further is concluded from it.
#[derive(Debug, Clone, Default)]
enum Setting<T> {
    #[default]
    Absent,
    Spoilt,
    Set(At<T>),
}

impl<T> Setting<T> {
    /// Reads a key, where it is there.
    fn read<'t>(field: Option<Field<'t>>, read: impl FnOnce(&Field<'t>) -> Option<At<T>>) -> Self {
        match field {
            None => Self::Absent,
            Some(field) => read(&field).map_or(Self::Spoilt, Self::Set),
        }
    }

    /// Gives this layer's value, else that of the layer below, and says whose it is.
    fn over<'a>(&'a self, common: &'a Self) -> (&'a Self, Origin) {
        match self {
            Self::Absent => (common, Origin::Common),
            Self::Spoilt | Self::Set(_) => (self, Origin::Own),
        }
    }

    fn get(&self) -> Option<&At<T>> {
        match self {
            Self::Set(at) => Some(at),
            Self::Absent | Self::Spoilt => None,
        }
    }
}

pub(super) fn read_transport(field: &Field<'_>, found: &mut Found) -> TransportLayer {
    let Some(mut block) = field.block(found) else { return TransportLayer::spoilt() };
    if let Some(mode) = block.take("mode")
        && let Some(text) = mode.text(found)
        && text.value != "ssh"
    {
        mode.report(found, RefusedFault::Mode { given: text.value.to_owned() }, "only `ssh`");
    }
    let mut layer = TransportLayer {
        proxy: Setting::read(block.take_even_empty("proxy"), |field| read_proxy(field, found)),
        credentials: Setting::read(block.take("proxyCredentials"), |field| read_secret_source(field, found)),
        identity: Setting::read(block.take("identity"), |field| read_identity(field, found)),
        known_hosts: Setting::read(block.take("knownHosts"), |field| read_known_hosts(field, found)),
        ..TransportLayer::default()
    };
    if let Some(mut timeouts) = block.take("timeouts").and_then(|field| field.block(found)) {
        layer.connect = timeouts.take("connect").and_then(|field| field.duration_above_zero(found));
        layer.idle = timeouts.take("idle").and_then(|field| field.duration_above_zero(found));
        layer.total = timeouts.take("total").and_then(|field| field.duration_above_zero(found));
        timeouts.finish(found);
    }
    let before = found.len();
    block.finish(found);
    // An unknown key may have been meant to be the one that is not there.
    if found.len() > before && matches!(layer.identity, Setting::Absent) {
        layer.identity = Setting::Spoilt;
    }
    layer
}

impl TransportLayer {
    /// Stands for a block that could not be read.
    fn spoilt() -> Self {
        Self {
            proxy: Setting::Spoilt,
            credentials: Setting::Spoilt,
            identity: Setting::Spoilt,
            known_hosts: Setting::Spoilt,
            ..Self::default()
        }
    }

    /// Lays a node's own block over the common one, and checks that the node can use what comes out.
    pub(super) fn over(
        &self,
        common: &Self,
        node: &str,
        node_key: &Span,
        kind: NodeKind,
        found: &mut Found,
    ) -> Option<Transport> {
        let judge = Judge { node, node_key, kind };
        let (proxy, _) = self.proxy.over(&common.proxy);
        let direct = match proxy {
            Setting::Absent => true,
            Setting::Spoilt => false,
            Setting::Set(at) => at.value.is_none(),
        };
        if let (true, Some(at)) = (direct, self.credentials.get()) {
            let fault = AcrossFault::CredentialsWithoutProxy { node: node.to_owned() };
            found.push(Finding::new(fault, at.span.clone(), "for no proxy"));
        }
        // Common credentials are of no use to a node that goes without the proxy, and are left aside there.
        let (credentials, origin) = self.credentials.over(&common.credentials);
        let credentials = credentials.get().filter(|_| !direct);
        if let Some(at) = credentials {
            judge.secret_source(at, origin, "proxy credentials", "githubTransport.proxyCredentials", found);
        }
        let (known_hosts, origin) = self.known_hosts.over(&common.known_hosts);
        if let Some(at) = known_hosts.get() {
            judge.known_hosts(at, origin, found);
        }
        let (identity, origin) = self.identity.over(&common.identity);
        match identity {
            Setting::Set(at) => judge.identity(at, origin, found),
            Setting::Absent => judge.no_identity(found),
            Setting::Spoilt => {}
        }
        let defaults = Timeouts::default();
        Some(Transport {
            proxy: proxy.get().and_then(|at| at.value.clone()),
            proxy_credentials: credentials.map(|at| at.value.clone()),
            identity: identity.get()?.value.clone(),
            known_hosts: known_hosts.get().map_or(KnownHosts::Github, |at| at.value.clone()),
            timeouts: Timeouts {
                connect: self.connect.or(common.connect).unwrap_or(defaults.connect),
                idle: self.idle.or(common.idle).unwrap_or(defaults.idle),
                total: self.total.or(common.total).unwrap_or(defaults.total),
            },
        })
    }
}
