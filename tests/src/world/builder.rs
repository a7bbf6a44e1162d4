//! Describes a world and starts it.

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use serde_json::json;

use super::{Host, Proxy, REPOSITORY, World};
use crate::proxy::{EmbeddedProxy, Tinyproxy};
use crate::sandbox::{GitSandbox, KeyKind, private_key};
use crate::sshhost::{EmbeddedHost, GitProtocol, OpenSshHost, OpenSshSettings, SshClient};

/// Which SSH host serves upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// The embedded one: needs cargo and git only, and misbehaves on command.
    Embedded,
    /// The real `sshd`.
    OpenSsh,
}

/// Which proxy is between the mirror and upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// None.
    None,
    /// The embedded one.
    Embedded,
    /// The real tinyproxy.
    Tinyproxy,
}

/// Describes a world.
#[derive(Debug)]
#[must_use = "nothing stands before `build`"]
pub struct WorldBuilder {
    host: HostKind,
    proxy: ProxyKind,
    protocol: GitProtocol,
    sshd_lines: Vec<String>,
    key: KeyKind,
}

impl Default for WorldBuilder {
    fn default() -> Self {
        Self {
            host: HostKind::Embedded,
            proxy: ProxyKind::None,
            protocol: GitProtocol::Accepted,
            sshd_lines: Vec::new(),
            key: KeyKind::Ed25519,
        }
    }
}

impl WorldBuilder {
    /// The real components: `sshd` behind tinyproxy.
    pub fn real(self) -> Self {
        self.host(HostKind::OpenSsh).proxy(ProxyKind::Tinyproxy)
    }

    /// Chooses the host.
    pub fn host(mut self, host: HostKind) -> Self {
        self.host = host;
        self
    }

    /// Chooses the proxy.
    pub fn proxy(mut self, proxy: ProxyKind) -> Self {
        self.proxy = proxy;
        self
    }

    /// Sets what `sshd` does with `GIT_PROTOCOL`.
    pub fn protocol(mut self, protocol: GitProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Adds a line to the configuration of `sshd`.
    pub fn sshd(mut self, line: &str) -> Self {
        self.sshd_lines.push(line.to_owned());
        self
    }

    /// Chooses the kind of the client's key.
    pub fn key(mut self, kind: KeyKind) -> Self {
        self.key = kind;
        self
    }

    /// Starts the world.
    ///
    /// # Panics
    /// Where a program is missing or does not start.
    pub fn build(self) -> World {
        let sandbox = GitSandbox::new();
        std::fs::create_dir(sandbox.path().join("no-programs")).expect("because the sandbox is new");
        let upstream = sandbox.bare("upstream");
        let key = private_key(self.key);
        let proxy = match self.proxy {
            ProxyKind::None => Proxy::None,
            ProxyKind::Embedded => Proxy::Embedded(EmbeddedProxy::start()),
            ProxyKind::Tinyproxy => Proxy::Tinyproxy(Tinyproxy::start(&sandbox)),
        };
        let host = self.start_host(&sandbox, &key);
        let address = match &host {
            Host::Embedded(host) => host.address(),
            Host::OpenSsh(host) => host.address(),
        };
        let text = key.to_openssh(LineEnding::LF).expect("because the key was made here");
        let client = SshClient {
            identity: sandbox.write("identity", text.as_bytes()),
            known_hosts: sandbox.write("known_hosts", address.known_hosts()),
            proxy: match &proxy {
                Proxy::None => None,
                Proxy::Embedded(proxy) => Some(proxy.socket()),
                Proxy::Tinyproxy(proxy) => Some(proxy.socket()),
            },
        };
        let mut transport = json!({
            "mode": "ssh",
            "identity": { "file": client.identity },
            "knownHosts": { "file": client.known_hosts },
        });
        if let Some(socket) = client.proxy {
            transport["proxy"] = json!(format!("http://{socket}"));
        }
        let config = json!({
            "apiVersion": "git-mirror/v1",
            "kind": "MirrorConfig",
            "repositories": { REPOSITORY: { "upstream": address.url(upstream.path()) } },
            "githubTransport": transport,
            "nodes": { "local": {
                "cache": sandbox.path().join("cache"),
                "lanes": { "main": {
                    "repository": REPOSITORY,
                    "source": { "branch": "main", "snapshotGroup": "app" },
                    "gitops": { "branch": "gitops" },
                } },
            } },
        });
        let world = World { proxy, host, client, config, upstream, sandbox };
        world.write_config();
        world
    }

    fn start_host(&self, sandbox: &GitSandbox, key: &PrivateKey) -> Host {
        match self.host {
            HostKind::Embedded => Host::Embedded(EmbeddedHost::start(sandbox.git(), key.public_key())),
            HostKind::OpenSsh => {
                let mut settings = OpenSshSettings::new(key.public_key());
                settings.protocol = self.protocol;
                settings.lines.clone_from(&self.sshd_lines);
                Host::OpenSsh(OpenSshHost::start(sandbox, &settings))
            }
        }
    }
}
