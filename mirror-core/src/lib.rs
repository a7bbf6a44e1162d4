//! The decisions of git-mirror: names, configuration, plans, machines and reports, as pure values and functions.
//!
//! It never reads a file, a clock or the environment, opens no socket, starts no thread and is not async: what was observed
//! comes in as a value, what should happen goes out as one.

pub mod config;
pub mod fault;
pub mod flush;
pub mod name;
pub mod report;
pub mod snapshot;
pub mod status;
pub mod sync;
