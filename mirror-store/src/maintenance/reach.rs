//! Which objects of some packs are reached: one bit for each, however many there are.
//!
//! It holds no names: an object is known by its place in the index of each pack that has it. It never walks anything itself.

use gix_hash::{ObjectId, oid};

use super::error::UpkeepError;
use super::packs::StorePack;

/// What is known about the objects of some packs.
pub(super) struct Reach {
    packs: Vec<Places>,
}

/// The objects of one pack.
struct Places {
    index: gix_pack::index::File,
    /// A bit for each place of the index, set where the object is reached.
    reached: Vec<u64>,
}

/// What nothing reaches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct OutOfReach {
    pub(super) objects: u64,
    pub(super) bytes: u64,
}

impl Reach {
    /// Begins with packs of which nothing is reached.
    pub(super) fn into<'a>(packs: impl IntoIterator<Item = &'a StorePack>) -> Result<Self, UpkeepError> {
        let places = |pack: &StorePack| {
            let index = pack.index()?;
            let reached = vec![0; index.num_objects().div_ceil(u64::BITS) as usize];
            Ok(Places { index, reached })
        };
        Ok(Self { packs: packs.into_iter().map(places).collect::<Result<_, UpkeepError>>()? })
    }

    /// Notes that an object is reached, in each pack that has it.
    pub(super) fn reach(&mut self, id: &oid) {
        for pack in &mut self.packs {
            if let Some(place) = pack.index.lookup(id) {
                pack.reached[(place / u64::BITS) as usize] |= 1 << (place % u64::BITS);
            }
        }
    }

    /// Names what was not reached, one after the other; what is in several packs, once for each.
    pub(super) fn missed_objects(&self) -> impl Iterator<Item = ObjectId> + Clone {
        self.packs.iter().flat_map(|pack| pack.missed().map(|place| pack.index.oid_at_index(place).to_owned()))
    }

    /// Counts what was not reached.
    pub(super) fn missed(&self) -> OutOfReach {
        let mut found = OutOfReach::default();
        for pack in &self.packs {
            let mut missed = pack.missed().peekable();
            if missed.peek().is_none() {
                continue;
            }
            let offsets = pack.index.sorted_offsets();
            for place in missed {
                let from = pack.index.pack_offset_at_index(place);
                let behind = offsets.partition_point(|offset| *offset <= from);
                found.objects += 1;
                found.bytes += offsets.get(behind).map_or(0, |next| next - from);
            }
        }
        found
    }
}

impl Places {
    /// The places of what was not reached.
    fn missed(&self) -> impl Iterator<Item = u32> + Clone {
        let is_reached = |place: u32| self.reached[(place / u64::BITS) as usize] >> (place % u64::BITS) & 1 == 1;
        (0..self.index.num_objects()).filter(move |place| !is_reached(*place))
    }
}
