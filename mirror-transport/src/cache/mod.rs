//! The cache: a bare repository on disk that mirrors one upstream, in a form that git accepts as its own.

mod ancestry;
mod closure;
mod create;
mod disk;
mod edit;
mod install;
mod layout;
mod locks;
mod objects;
mod open;
mod operation;
mod packed;
mod recover;
mod refs;

pub use ancestry::AncestryError;
pub use closure::{ClosedPack, ClosureError, Tip};
pub use disk::DiskError;
pub use edit::{ApplyError, Edited};
pub use locks::LockError;
pub use objects::ObjectError;
pub use open::{Cache, OpenError};
pub use operation::Operation;
pub use recover::Recovered;
pub use refs::RefError;
