//! Writing: who may push, what may be pushed, and receiving it.
//!
//! Only GitOps branches of lanes, fast-forward only; an acknowledged push is on disk. Never decides what upstream gets.

mod auth;
mod policy;
mod receive;
mod report;
mod request;
mod tokens;

pub(crate) use auth::{Authority, Caller, Denied, identify, unauthorized};
pub(crate) use receive::{info_refs, receive_pack};
pub(crate) use tokens::TokenAuthority;
