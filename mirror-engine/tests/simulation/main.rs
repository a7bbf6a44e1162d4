//! The driver in a simulated world: two operators, other writers on both sides, faults, crashes, and a clock that somebody else turns.
//!
//! After every step the invariants that can be seen there are checked (I1 to I7 and I10). A failure prints the seed that brings it back:
//! `SEED=<n> cargo test -p mirror-engine --test simulation`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod model;
mod ports;
mod schedule;

use schedule::{Calm, Run};

/// How many worlds are run, and how long each lasts.
const WORLDS: u64 = 120;
const STEPS: usize = 400;

#[test]
fn i1_to_i7_and_i10_hold_while_two_operators_work_through_faults_and_crashes() {
    let only = std::env::var("SEED").ok().map(|seed| seed.parse::<u64>().expect("SEED is a number"));
    let mut ended = 0;
    for seed in only.map_or(0..WORLDS, |seed| seed..seed + 1) {
        let seeded = std::panic::AssertUnwindSafe(|| {
            let mut run = Run::new(seed);
            for _ in 0..STEPS {
                run.step();
            }
            run.operations_ended()
        });
        match std::panic::catch_unwind(seeded) {
            Ok(operations) => ended += operations,
            Err(panic) => {
                let words = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                panic!("seed {seed}: {words}");
            }
        }
    }
    assert!(
        only.is_some() || ended > WORLDS * 5,
        "only {ended} operations came to their end; the worlds are too hostile to prove anything"
    );
}

#[test]
fn i7_whatever_happened_a_quiet_sync_and_flush_converge() {
    let mut adopted = 0;
    for seed in 1_000..1_060 {
        let mut run = Run::new(seed);
        for _ in 0..STEPS {
            run.step();
        }
        run.kill_everybody();
        let converged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.converge()));
        let calm = converged.unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("seed {seed}: {words}")
        });
        adopted += u32::from(calm == Calm::Adopted);
    }
    assert!((1..60).contains(&adopted), "{adopted} of 60 worlds had to adopt; both ways are to be proved");
}

#[test]
fn i6_a_waiting_operator_gets_its_turn_and_an_impatient_one_is_told_the_holder() {
    let mut waited = 0;
    let mut busy = 0;
    for seed in 2_000..2_040 {
        let mut run = Run::new(seed);
        for _ in 0..STEPS {
            run.step();
        }
        waited += run.turns_waited_for();
        busy += run.ended_busy();
    }
    assert!(waited > 0 && busy > 0, "{waited} turns waited for, {busy} ended busy");
}
