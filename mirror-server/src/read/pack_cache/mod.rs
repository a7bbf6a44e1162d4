//! The pack cache: an answer that depends on immutable objects alone is made once, and everybody who asks for it gets that one.
//!
//! # What is shared
//! Requests whose [key](Key) is the same: the repository, the protocol, and the [canonical form](super::request) of the request. Who asks while the
//! answer is being made reads along in the growing file; who asks later gets the finished file, also after a restart. An answer is kept from
//! its first request on: builds of one commit come in a crowd, and the crowd is over before a second request could prove it.
//!
//! Requests with haves are shared too, where every have and every shallow commit is known here: then common history is a
//! matter of objects alone, and the workers of a pipeline, who all have the same, get the same thin pack.
//!
//! # What is never shared, and why
//! | request | label | reason |
//! | --- | --- | --- |
//! | refs: advertisements and `ls-refs` | – | refs move; they are answered in the process, from one view |
//! | `deepen-not REF` | `names-ref` | what a name stands for changes |
//! | `deepen-relative` | `asks-refs` | git deepens the history of commits that a ref reaches, and refs move |
//! | a have or shallow commit that is not known here | `unknown-haves` | it may be known tomorrow, and then more history is common |
//! | more than 256 haves and shallow commits | `many-haves` | hardly anyone else has the same; the key would cost more than it saves |
//! | haves without wants | `nothing-wanted` | a question about common history; the answer is a few lines |
//!
//! # What is shared while it is made, and never kept
//! - Answers of a git that failed or was stopped; the answer is cut off, so that no client takes it for whole.
//! - `ERR` answers, such as to a want of an object that is not there: it may come with the next sync.
//! - With `include-tag`, an answer during which tags changed. The key holds a digest of the tags, as the answer depends on which there are.
//! - Answers for which there is no room: see [`pack`](super::pack).
//!
//! A want of an object that was pruned meanwhile may still be answered from here, until the entry is evicted. That is no more than what a client could have
//! fetched a moment before the prune.
//!
//! # On disk
//! `pack-cache/` beside the caches holds one file an entry, named by its key; see [`entry`]. Nothing there is precious: the folder may be
//! removed at any time.
//!
//! It never decides what an answer is, and never reads a ref.

mod build;
mod build_slots;
mod cache;
mod cached;
mod entry;
mod fill;
mod former;
mod in_progress;
mod index;
mod key;
mod pipe;
mod reader;
mod reserve;
mod storage;
mod window;

pub(super) use build::{Timeouts, UploadPackRun};
pub(super) use build_slots::BuildSlots;
pub(super) use cache::{PackAnswer, PackCache};
pub(super) use former::remove_former_folder;
pub(super) use key::{Key, TagsDigest};
pub(super) use reserve::Reserve;

#[cfg(test)]
mod tests;
