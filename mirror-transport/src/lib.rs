//! The connection to upstream: CONNECT tunnel, SSH session, and Git's conversations on it.
//!
//! The tree reads in the order in which an operation uses it: a [`tunnel`] to upstream's SSH port (direct, or by CONNECT through the
//! node's proxy), an [`ssh`] session on it, and Git's protocols ([`fetch`], [`push`]) on the session's channels.
//! Every layer works on an injected byte stream; sockets are opened by [`tunnel`] alone.
//!
//! Never: deciding what should happen (plans, machines and verdicts are `mirror-core`'s), or a repository on disk (`mirror-store`'s).
//!
//! # Known hosts
//!
//! Host keys come from a file in OpenSSH's format, or are GitHub's, built in. A line that cannot be read is an error with its number, never skipped.
//!
//! ```
//! use std::path::Path;
//!
//! use mirror_transport::ssh::{KnownHosts, KnownHostsError};
//!
//! let text = "\
//! ## our git server
//! [git.example]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl
//! ";
//! let hosts = KnownHosts::parse(Path::new("known_hosts"), text)?;
//! # let _ = hosts;
//!
//! let torn = KnownHosts::parse(Path::new("known_hosts"), &text[..60]).unwrap_err();
//! assert!(matches!(torn, KnownHostsError::Malformed { line: 2, .. }));
//! # Ok::<(), KnownHostsError>(())
//! ```
//!
//! # The road to upstream, and a look along it
//!
//! An [`upstream::Road`] says whom to reach, by which way and as whom; an [`upstream::Link`] opens it when it is first needed. With a proxy, no socket is
//! opened to anything else.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use mirror_core::config::UpstreamUrl;
//! use mirror_core::name::RefName;
//! use mirror_transport::fetch::RefPattern;
//! use mirror_transport::ssh::{Identity, KnownHosts};
//! use mirror_transport::tunnel::{Deadlines, NoSteps, ProxyAddr};
//! use mirror_transport::upstream::{Link, Purpose, Road};
//!
//! # async fn look() -> Result<(), Box<dyn std::error::Error>> {
//! let url = UpstreamUrl::parse("ssh://git@ssh.github.com:443/octo/app.git")?;
//! let (target, user, path) = Road::parts(&url);
//! let road = Road {
//!     target,
//!     user,
//!     path,
//!     proxy: Some(ProxyAddr::new("172.26.0.1", 10808)),
//!     credentials: None,
//!     identity: Identity::from_file(Path::new("/home/me/.ssh/id_ed25519"), None)?,
//!     hosts: KnownHosts::github(),
//!     limits: Deadlines::default(),
//! };
//! let mut link = Link::new(road, Purpose::Read);
//! let main = RefPattern::Exact(RefName::parse("refs/heads/main")?);
//! for found in link.look(&[main], &mut NoSteps).await? {
//!     println!("{} {}", found.target, found.name);
//! }
//! # Ok(())
//! # }
//! ```

pub mod fetch;
pub mod push;
pub mod ssh;
pub mod tunnel;
pub mod upstream;
