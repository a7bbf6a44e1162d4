//! What the fuzz targets share: a peer that says given bytes, a server on a small cache, packs made by hand, a small object store, and what must hold
//! of every error.
//!
//! Never: looking into the product. It is met through its public API, and judged by rules that are written down here once more.

pub mod error;
pub mod http;
pub mod pack;
pub mod packets;
pub mod peer;
pub mod received;
pub mod served;
pub mod store;
