//! The test rigs that the suites, the demo and the benchmarks share: git, SSH hosts, CONNECT proxies, generated repositories.
//!
//! Everything here is real where that is possible (git, OpenSSH, tinyproxy), and embedded where faults are injected.
//! A rig fails as a test does: it panics with the reason. It ends when its value is dropped: nothing outlives it, no port is
//! fixed, nothing waits by sleeping, and two rigs of one kind never share anything.
//!
//! Never: being imported by a product crate.
//!
//! ```
//! use mirror_tests::sandbox::GitSandbox;
//!
//! let sandbox = GitSandbox::new();
//! let upstream = sandbox.bare("upstream");
//! let commit = upstream.commit("main").file("hello.txt", "hello\n").make();
//! assert_eq!(upstream.branch("main"), Some(commit));
//! upstream.fsck();
//! ```

mod background;
mod byte_limit;
pub mod deadline;
pub mod fixture;
pub mod flushing;
pub mod footprint;
pub mod generate;
pub mod gitclient;
pub mod gogit;
pub mod http;
pub mod leftovers;
pub mod load;
pub mod procfs;
pub mod product;
pub mod proxy;
pub mod rawfetch;
pub mod rawpush;
pub mod requires;
pub mod rng;
pub mod sandbox;
pub mod server;
pub mod sshhost;
mod watched;
pub mod world;
