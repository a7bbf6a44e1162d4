//! Fetching: from real git in every version of the protocol, from recordings of its wire, and from servers that mean ill.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile;
mod manners;
mod real_git;
mod recorded;
mod rig;
