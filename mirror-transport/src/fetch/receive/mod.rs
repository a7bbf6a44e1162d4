//! Taking a pack: from a stream of bytes to a complete pack with its index on disk, every object of it unpacked and named.
//!
//! The tree reads in the order of the work: [`scan`] while the bytes come in, [`resolve`] what is a delta, [`complete`] a thin pack, write the
//! [`index_file`]. On the way the [`references`] of all objects are gathered, so that connectivity needs no further look at the pack.
//! Memory does not grow with the pack but for some bytes an object; nothing that the pack merely announces is believed.
//!
//! Never: the store, other than reading bases of deltas from it.

mod complete;
mod delta;
mod entry;
mod index_file;
mod inflate;
mod kept;
mod pack;
mod references;
mod resolve;
mod scan;

pub(super) use pack::receive;

#[cfg(test)]
mod tests;
