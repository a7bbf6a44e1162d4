//! Whether each object of a pack is in others too: the proof before anything is noted as replaced, and again before it goes.

use gix_hash::ObjectId;

use super::error::UpkeepError;
use super::packs::StorePack;

/// Finds an object of `pack` that is in none of `others`; nothing where they have all of it.
///
/// Indexes are sorted by id, so one pass over each is enough.
pub(super) fn first_uncovered<'a>(
    pack: &StorePack,
    others: impl IntoIterator<Item = &'a StorePack>,
) -> Result<Option<ObjectId>, UpkeepError> {
    let own = pack.index()?;
    let others = others.into_iter().map(StorePack::index).collect::<Result<Vec<_>, _>>()?;
    let mut at = vec![0_u32; others.len()];
    for place in 0..own.num_objects() {
        let id = own.oid_at_index(place);
        let mut is_covered = false;
        for (other, at) in others.iter().zip(&mut at) {
            *at = advance(other, *at, id);
            if *at < other.num_objects() && other.oid_at_index(*at) == id {
                is_covered = true;
                break;
            }
        }
        if !is_covered {
            return Ok(Some(id.to_owned()));
        }
    }
    Ok(None)
}

/// Finds the first place at or behind `from` whose id is not smaller: by steps that double, then by halves.
fn advance(index: &gix_pack::index::File, from: u32, id: &gix_hash::oid) -> u32 {
    let count = index.num_objects();
    let is_before = |at: u32| at < count && index.oid_at_index(at) < id;
    if !is_before(from) {
        return from;
    }
    let (mut low, mut step) = (from, 1_u32);
    while is_before(low.saturating_add(step)) {
        low += step;
        step = step.saturating_mul(2);
    }
    // `low` is before the id, and what stands `step` behind it is not.
    let mut high = low.saturating_add(step).min(count);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_before(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}
