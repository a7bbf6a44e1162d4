//! Reading: advertisements, `ls-refs` and packs.
//!
//! Refs are answered in this process from one consistent view; packs come from `git upload-pack`, each made once and shared.
//! Never changes a repository, and never reaches upstream.

mod advertise;
mod answers;
mod command;
mod endpoints;
mod list;
mod ls_refs;
mod pack;
mod pack_cache;
mod packet;
mod prefixes;
mod refs_cache;
mod request;
mod version;

pub(crate) use advertise::AGENT;
pub(crate) use answers::refs_unavailable;
pub(crate) use endpoints::Reading;
pub(crate) use pack::Packs;
pub(crate) use refs_cache::{AllRefs, RefsUnavailable};
pub(crate) use version::Version;

#[cfg(test)]
mod tests;
