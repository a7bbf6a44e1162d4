//! The configuration: one YAML file, read strictly, with the place and the repair of everything that is wrong in it.
//!
//! It owns the format, its defaults, and what is refused by design: any transport but SSH, any token, any secret written out. It
//! never opens a file: texts come in, and paths go out as they were written.
//!
//! ```
//! use mirror_core::config;
//!
//! let text = "
//! apiVersion: git-mirror/v1
//! kind: MirrorConfig
//! repositories:
//!   hwlab: { upstream: git@github.com:pikasTech/HWLAB.git }
//! nodes:
//!   local:
//!     cache: ./mirror-cache
//!     githubTransport: { identity: { file: ~/.ssh/id_ed25519 } }
//!     lanes:
//!       main: { repository: hwlab, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } }
//! ";
//! let config = config::parse("git-mirror.yaml", text)?;
//! assert_eq!(config.node("LOCAL")?.lane("Main")?.source.branch.as_str(), "main");
//! assert_eq!(config.repository("HWLAB")?.upstream.to_string(), "ssh://git@github.com/pikasTech/HWLAB.git");
//! assert_eq!(config::parse("shown.yaml", &config.show())?, config);
//!
//! let refused = config::parse("git-mirror.yaml", &text.replace("upstream", "upstrem")).unwrap_err();
//! assert_eq!(refused.to_string(), "unknown key `upstrem` in `repositories.hwlab`");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod duration;
mod finding;
mod form;
mod lookup;
mod mask;
mod parse;
mod problem;
mod read;
mod similar;
mod size;
mod tree;
mod types;
mod url;

pub use duration::{duration_text, parse_duration};
pub use finding::{ConfigError, Finding};
pub use lookup::{LookupError, Named, Scope, UnknownName, find, select};
pub use parse::{parse, parse_bytes, schema};
pub use problem::{AcrossFault, FormFault, Problem, RefusedFault, ValueFault, Wanted};
pub use size::{ByteSize, QuantityFault};
pub use types::{
    Argo, ClusterMirror, ClusterSettings, FlushOnPush, FreeSpace, Identity, KnownHosts, Lane, Limits, LocalSettings,
    MirrorConfig, Node, NodeKind, NodeSettings, Pipeline, ProxyEgress, Readers, Repository, Schedule, SecretSource,
    Serve, Service, Snapshots, Source, Storage, Timeouts, Tls, Transport, Writers,
};
pub use url::{HostFault, ProxyUrl, ProxyUrlError, UpstreamUrl, UpstreamUrlError};

use read::{API_VERSION, KIND};
