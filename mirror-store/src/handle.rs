//! A handle to the objects of a store, as fetches and pushes take it: gix's handle in a type of our own.
//!
//! Never: writing objects, or knowing of refs.

use gix_hash::{ObjectId, oid};
use gix_object::{Data, Exists, Find};
use mirror_git::pack::make::{Objects, PackError};

/// A handle to the objects, for one thread. Clones share what they have mapped, and find packs that arrive later.
#[derive(Clone)]
pub struct ObjectHandle(gix_odb::HandleArc);

impl From<gix_odb::HandleArc> for ObjectHandle {
    fn from(handle: gix_odb::HandleArc) -> Self {
        Self(handle)
    }
}

impl Find for ObjectHandle {
    fn try_find<'a>(&self, id: &oid, buffer: &'a mut Vec<u8>) -> gix_error::Result<Option<Data<'a>>> {
        self.0.try_find(id, buffer)
    }
}

impl Objects for ObjectHandle {
    fn known(&self, ids: &[ObjectId]) -> Vec<ObjectId> {
        // Upstream has thousands of tips that were never mirrored. By default each of them would have the pack folder listed again;
        // a tip that arrived just now and is overlooked only costs some bytes.
        let mut settled = self.0.clone();
        settled.refresh_never();
        ids.iter().filter(|id| settled.exists(id)).copied().collect()
    }

    fn read<'a>(&self, id: &ObjectId, buffer: &'a mut Vec<u8>) -> Result<Data<'a>, PackError> {
        match self.0.try_find(id, buffer) {
            Ok(Some(object)) => Ok(object),
            Ok(None) => Err(PackError::Missing { id: *id }),
            Err(error) => Err(PackError::Unreadable { id: *id, source: error.into() }),
        }
    }
}
