//! Writing: what may be pushed, and receiving it.
//!
//! Only GitOps branches of lanes, fast-forward only; an acknowledged push is on disk. Never decides what upstream gets.

mod pack;
mod policy;
mod push;
mod read_deadline;
mod receive;
mod record;
mod recover;
mod report;
mod request;
mod settle;
mod take;
#[cfg(test)]
mod tests;
mod writing;

pub(crate) use receive::{info_refs, receive_pack};
pub(crate) use recover::recover;
pub(crate) use writing::Writing;
