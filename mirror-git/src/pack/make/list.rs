//! The objects of a pack in the order in which they are written, each with the base it may be a delta against.

use gix_hash::ObjectId;

use super::error::PackError;

/// The longest chain of deltas inside the pack; git's own default.
const MAX_DEPTH: u8 = 50;

/// One object to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: ObjectId,
    pub(super) base: Option<Link>,
}

/// A possible base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// An object that upstream has.
    Upstream(ObjectId),
    /// An entry further up in the pack, and how many deltas would have to be applied to get it.
    Packed { index: u32, depth: u8 },
}

/// The entries, in writing order: a base in the pack always stands before what refers to it.
#[derive(Debug, Default)]
pub(super) struct EntryList(Vec<Entry>);

impl EntryList {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn id_of(&self, index: u32) -> ObjectId {
        self.0[index as usize].id
    }

    /// Adds an object that may be a delta against `base`; where the chain would get too long, against `root`, which upstream has.
    pub(super) fn push(&mut self, id: ObjectId, base: Option<Link>, root: Option<ObjectId>) -> Result<Link, PackError> {
        let base = match base {
            Some(Link::Packed { depth: MAX_DEPTH.., .. }) => root.map(Link::Upstream),
            base => base,
        };
        let depth = match base {
            None => 0,
            Some(Link::Upstream(_)) => 1,
            Some(Link::Packed { depth, .. }) => depth + 1,
        };
        let index = u32::try_from(self.0.len()).map_err(|_| PackError::TooMany { count: self.0.len() })?;
        self.0.push(Entry { id, base });
        Ok(Link::Packed { index, depth })
    }

    /// Drops the entries from `first` on that upstream turned out to have; as bases they stay, as upstream's.
    pub(super) fn drop_known(&mut self, first: usize, known: impl Fn(&ObjectId) -> bool) {
        if !self.0[first..].iter().any(|entry| known(&entry.id)) {
            return;
        }
        let mut places: Vec<Link> = Vec::with_capacity(self.0.len());
        let mut kept: Vec<Entry> = Vec::with_capacity(self.0.len());
        for (at, entry) in std::mem::take(&mut self.0).into_iter().enumerate() {
            if at >= first && known(&entry.id) {
                places.push(Link::Upstream(entry.id));
                continue;
            }
            let base = entry.base.map(|link| match link {
                Link::Upstream(id) => Link::Upstream(id),
                Link::Packed { index, .. } => places[index as usize],
            });
            let depth = match base {
                None => 0,
                Some(Link::Upstream(_)) => 1,
                Some(Link::Packed { depth, .. }) => depth + 1,
            };
            // It was a u32 before, and entries only went away.
            places.push(Link::Packed { index: kept.len() as u32, depth });
            kept.push(Entry { id: entry.id, base });
        }
        self.0 = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ObjectId {
        ObjectId::from([n; 20])
    }

    #[test]
    fn chains_are_bounded_and_go_back_to_what_upstream_has() {
        let mut list = EntryList::default();
        let mut base = Some(Link::Upstream(id(0)));
        for n in 1..=120 {
            base = Some(list.push(id(n), base, Some(id(0))).unwrap());
            assert!(matches!(base, Some(Link::Packed { depth: ..=MAX_DEPTH, .. })), "{base:?}");
        }
        assert_eq!(list.iter().filter(|entry| entry.base == Some(Link::Upstream(id(0)))).count(), 3);
        let mut list = EntryList::default();
        let mut base = None;
        for n in 1..=60 {
            base = Some(list.push(id(n), base, None).unwrap());
        }
        assert_eq!(list.iter().filter(|entry| entry.base.is_none()).count(), 2);
    }

    #[test]
    fn what_upstream_turns_out_to_have_goes_and_stays_a_base() {
        let mut list = EntryList::default();
        let first = list.push(id(1), None, None).unwrap();
        let second = list.push(id(2), Some(first), None).unwrap();
        let third = list.push(id(3), Some(second), None).unwrap();
        list.push(id(4), Some(third), None).unwrap();
        list.drop_known(1, |known| *known == id(1) || *known == id(2));
        let left: Vec<_> = list.iter().collect();
        assert_eq!(
            left,
            [
                Entry { id: id(1), base: None },
                Entry { id: id(3), base: Some(Link::Upstream(id(2))) },
                Entry { id: id(4), base: Some(Link::Packed { index: 1, depth: 1 }) },
            ]
        );
    }
}
