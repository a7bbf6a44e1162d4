//! `serve`: what a server says once, when it listens.

use core::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config_check::ConfiguredLane;
use super::envelope::add_global_args;
use super::{ExitCode, NextCommand, NextVerb, Reported, schema_id};
use crate::fault::Fault;
use crate::name::{NodeName, RepositoryName};
use crate::operation::Verb;

/// The announcement of `serve`, made when the server listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServeReport {
    /// Names the schema: `git-mirror/serve/v1`.
    pub schema: String,
    /// Always true: a server that cannot listen makes an error report.
    pub ok: bool,
    /// The node.
    pub node: NodeName,
    /// The lanes that are served.
    pub lanes: Vec<ConfiguredLane>,
    /// The address it listens on.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Where clients on this machine reach it.
    pub url: String,
    /// The repositories that are served, and where.
    pub repositories: Vec<ServedRepository>,
    /// The exact commands to run next.
    pub next: Vec<NextCommand>,
}

/// A repository that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServedRepository {
    /// Its name.
    pub repository: RepositoryName,
    /// Where it is cloned from.
    pub url: String,
    /// The same at its upstream's own path, for a `url.….insteadOf` rule of git.
    pub upstream_url: String,
}

/// Whether clients speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl ServeReport {
    /// Announces a server; `repositories` are names with the paths of their upstreams.
    #[must_use]
    pub fn listening(
        node: NodeName,
        lanes: Vec<ConfiguredLane>,
        scheme: Scheme,
        listen: SocketAddr,
        repositories: &[(RepositoryName, String)],
    ) -> Self {
        let url = url(scheme, listen);
        let served = repositories.iter().map(|(name, path)| ServedRepository {
            repository: name.clone(),
            url: format!("{url}/{name}.git"),
            upstream_url: format!("{url}/{}", path.trim_start_matches('/')),
        });
        Self {
            schema: schema_id(Verb::Serve),
            ok: true,
            lanes,
            listen,
            repositories: served.collect(),
            url,
            next: vec![NextCommand::for_node(NextVerb::Status, &node)],
            node,
        }
    }
}

/// The address as a URL of this machine: a server that listens everywhere is reached by loopback.
fn url(scheme: Scheme, listen: SocketAddr) -> String {
    let reached = match listen {
        SocketAddr::V4(at) if at.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], at.port())),
        SocketAddr::V6(at) if at.ip().is_unspecified() => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], at.port())),
        SocketAddr::V4(_) | SocketAddr::V6(_) => listen,
    };
    match scheme {
        Scheme::Http => format!("http://{reached}"),
        Scheme::Https => format!("https://{reached}"),
    }
}

impl Reported for ServeReport {
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
        add_global_args(&mut self.next, args);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_as_clients_of_this_machine_reach_it() {
        let check = |scheme, listen: &str, expect: &str| assert_eq!(url(scheme, listen.parse().unwrap()), expect);
        check(Scheme::Http, "127.0.0.1:8080", "http://127.0.0.1:8080");
        check(Scheme::Http, "0.0.0.0:80", "http://127.0.0.1:80");
        check(Scheme::Https, "[::]:443", "https://[::1]:443");
        check(Scheme::Https, "10.0.0.7:8443", "https://10.0.0.7:8443");
    }
}
