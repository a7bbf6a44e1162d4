//! Which packs are rolled into one: pure arithmetic on the numbers of their objects.
//!
//! Packs are in order where each has at least twice as many objects as all smaller ones together. Then a store of `n` objects has at most
//! `log2 n` packs, and an object is written anew at most `log2 n` times in its life, however many small packs arrive.
//!
//! # Source
//! `git-repack(1)`, `--geometric`.

/// Each pack has at least so many times the objects of all smaller ones together.
pub(super) const FACTOR: u64 = 2;

/// Says how many of the smallest packs become one, so that what remains is in order. `objects` is sorted, the smallest first.
/// Never 1: one pack alone is not made anew.
pub(super) fn roll_up(objects: &[u64]) -> usize {
    let mut rolled = 0;
    let mut before = 0_u64;
    for (at, own) in objects.iter().enumerate() {
        // A pack that is too small for what stands before it goes into one with it.
        if at > 0 && *own < before.saturating_mul(FACTOR) {
            rolled = at + 1;
        }
        before = before.saturating_add(*own);
    }
    rolled
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(objects: &[u64], expect: usize) {
        assert_eq!(roll_up(objects), expect, "{objects:?}");
    }

    #[test]
    fn small_packs_go_into_one_and_large_ones_stay() {
        check(&[], 0);
        check(&[7], 0);
        check(&[1, 2, 6, 18], 0);
        check(&[1, 1], 2);
        check(&[1, 1, 1, 100], 3);
        check(&[1, 1, 3, 100], 3);
        check(&[10, 10, 30, 100, 1000], 3);
        check(&[10, 10, 30, 99, 1000], 4);
        check(&[1, 1, 1000], 2);
        check(&[0, 5], 0);
    }

    fn is_in_order(objects: &[u64]) -> bool {
        let mut before = 0;
        objects.iter().enumerate().all(|(at, own)| {
            let fits = at == 0 || *own >= before * FACTOR;
            before += own;
            fits
        })
    }

    proptest! {
        #[test]
        fn what_remains_is_in_order_and_what_is_in_order_remains(mut objects in prop::collection::vec(0_u64..100_000, 0..40)) {
            objects.sort_unstable();
            let rolled = roll_up(&objects);
            prop_assert_ne!(rolled, 1);
            prop_assert_eq!(rolled == 0, is_in_order(&objects));
            let mut after = objects.split_off(rolled);
            if rolled > 0 {
                // At most so many: what is in two packs is in the new one once.
                after.insert(0, objects.iter().sum());
            }
            prop_assert!(is_in_order(&after), "{:?}", after);
            prop_assert_eq!(roll_up(&after), 0);
        }

        #[test]
        fn a_store_that_is_fed_and_rolled_up_stays_small(arriving in prop::collection::vec(1_u64..500, 1..200)) {
            let mut packs: Vec<u64> = Vec::new();
            for pack in arriving {
                packs.push(pack);
                packs.sort_unstable();
                let rest = packs.split_off(roll_up(&packs));
                let sum = packs.iter().sum::<u64>();
                packs = if packs.is_empty() { rest } else { [vec![sum], rest].concat() };
                let total: u64 = packs.iter().sum();
                prop_assert!(packs.len() <= total.ilog2() as usize + 1, "{:?}", packs);
            }
        }
    }
}
