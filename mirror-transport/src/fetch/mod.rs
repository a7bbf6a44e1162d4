//! Looking at upstream's refs and fetching from it: the client's side of `git-upload-pack`, protocol versions 2 and 0, on any byte stream.
//!
//! The tree reads in the order of a conversation: [`ls_refs_request`] may be sent before anything has come; [`UploadPack::open`] reads the
//! advertisement, [`UploadPack::ls_refs`] the refs, [`UploadPack::fetch`] agrees on what is missing and takes the pack into a folder of the caller's.
//! Everything that comes from upstream is bounded by [`Limits`], and every fault is a [`FetchError`] of its own.
//!
//! Never: sockets, deadlines (they are the channel's), refs of the cache, or a file outside the given folder.

mod advertisement;
mod error;
mod haves;
mod limits;
mod ls_refs;
mod negotiate_v0;
mod negotiate_v2;
mod pack_stream;
mod pattern;
mod request;
mod session;
mod upload_pack;
mod wire;

pub use advertisement::{ProtocolVersion, RemoteRef};
pub use error::{FetchError, Stage};
pub use limits::Limits;
pub use ls_refs::ls_refs_request;
pub use pattern::RefPattern;
pub use request::{FetchRequest, Tags};
pub use upload_pack::{Sent, UploadPack};
