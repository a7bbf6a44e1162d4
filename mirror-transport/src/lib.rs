//! The road to upstream and the repository on disk: everything of `git-mirror` that moves bytes.
//!
//! The tree reads in the order in which an operation uses it: a [`tunnel`] to upstream's SSH port (direct, or by CONNECT through the
//! node's proxy), an [`ssh`] session on it, Git's protocols on the session's channels, and the cache they fill.
//! Every layer works on an injected byte stream; sockets are opened by [`tunnel`] alone.
//!
//! Never: deciding what should happen. Plans, machines and verdicts are `mirror-core`'s.

pub mod cache;
pub mod fetch;
pub mod pkt;
pub mod push;
pub mod ssh;
pub mod tunnel;
pub mod upstream;
