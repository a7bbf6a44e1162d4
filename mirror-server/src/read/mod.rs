//! Reading: advertisements, `ls-refs` and packs.
//!
//! Refs are answered in this process from one consistent view; packs come from `git upload-pack`, each made once and shared.
//! Never changes a repository, and never reaches upstream.

mod advertise;
mod command;
mod endpoints;
mod fanout;
mod list;
mod ls_refs;
mod pack;
mod packet;
mod prefixes;
mod request;
mod version;
mod view;

pub(crate) use advertise::AGENT;
pub(crate) use endpoints::{info_refs, unshown, upload_pack};
pub(crate) use pack::Packs;
pub(crate) use version::Version;
pub(crate) use view::{Shown, Unshown};

#[cfg(test)]
mod tests;
