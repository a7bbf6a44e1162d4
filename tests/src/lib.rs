//! The rigs on which the suites, the demo and the benchmarks stand: git, SSH hosts, CONNECT proxies, generated repositories.
//!
//! Everything here is real where that is possible (git, OpenSSH, tinyproxy) and obedient where it must misbehave (the embedded hosts).
//! A rig fails as a test does: it panics and says why. It ends with the value that stands for it: nothing outlives its drop, no port is
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
