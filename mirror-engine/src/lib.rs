//! Runs one operation of the mirror end to end on a local cache.
//!
//! Every operation goes the same road: **lock → observe → plan → act → prove → journal**. What should happen is decided by
//! the pure `mirror-core`; how bytes reach upstream and the disk is known by `mirror-transport`; this crate holds the one
//! loop that performs effects, the lock that keeps operations apart, the journal that remembers them, and the clock.
//!
//! It never prints, never speaks HTTP and never knows Kubernetes.
//!
//! The loop sees the world through the traits in [`ports`], so the same driver runs against an in-memory world in tests and
//! against real disks and sockets in [`local`].

pub mod doctor;
pub mod drive;
pub mod flush;
pub mod history;
pub mod journal;
pub mod local;
pub mod lock;
pub mod place;
pub mod ports;
pub mod resolve;
pub mod road;
pub mod snapshots;
pub mod status;
pub mod stop;
pub mod sync;
pub mod verbs;
pub mod watch;
