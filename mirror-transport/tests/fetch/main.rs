//! Fetching: from real git in every version of the protocol, from recordings of its wire, and from servers that mean ill.
#![expect(missing_docs, reason = "a test has no interface")]

mod real_git;
mod rig;
