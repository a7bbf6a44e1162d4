//! Git's bytes: pkt-lines, and packs that come in and go out.
//!
//! The frame of every conversation is a [`pkt`]-line. [`pack::receive`] takes a pack from a source of bytes into a file, with every object inflated,
//! resolved, named and its references recorded; [`pack::make`] decides which objects a push needs and writes them as thin deltas.
//! Object stores are injected: a trait to read from, never a place on the disk.
//!
//! Never: a repository on disk, sockets, or deciding what is fetched and pushed.

mod deflate;
pub mod delta;
mod entry;
mod inflate;
pub mod pack;
pub mod pkt;
mod references;
