//! `kill -9` of the real program at bytes of its conversation with upstream, and what the same verb then makes of it (I7).
//!
//! The proxy stalls the tunnel at a byte, reports that it got there, and only then the program is killed: no timing is involved. The bytes
//! are spread evenly over both directions of an undisturbed run. `real_crash` does the same at every effect on the disk.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use mirror_tests::fixture::{Fixture, Job};
use mirror_tests::proxy::embedded::{Direction, ProxyFault, Stop, TunnelRecord};

/// So many crashes one world takes: each leaves a tunnel that is stalled for good.
const CROWD: usize = 20;

fn passed(tunnel: &TunnelRecord, direction: Direction) -> u64 {
    match direction {
        Direction::ToClient => tunnel.to_client,
        Direction::ToTarget => tunnel.to_target,
    }
}

/// Spreads so many points over the bytes of both directions.
fn points(undisturbed: &TunnelRecord, wanted: usize) -> Vec<(Direction, u64)> {
    let half = wanted as u64 / 2;
    let along = |direction| {
        let total = passed(undisturbed, direction);
        (0..half).map(move |n| (direction, n * total / half))
    };
    // Alternating, so that each world sees both directions.
    along(Direction::ToClient).zip(along(Direction::ToTarget)).flat_map(|(one, other)| [one, other]).collect()
}

fn last_tunnel(fixture: &Fixture) -> TunnelRecord {
    fixture.world.proxy().record().tunnels.last().expect("because an operation went through the proxy").clone()
}

/// Kills the operation at so many bytes of its conversation, and recovers from each.
fn kill_at_bytes(job: Job, wanted: usize) {
    let mut fixture = Fixture::new(job);
    let undisturbed = last_tunnel(&fixture);
    let points = points(&undisturbed, wanted);
    let mut killed = 0;
    for (round, (direction, after)) in points.iter().copied().enumerate() {
        if round > 0 && round % CROWD == 0 {
            fixture = Fixture::new(job);
        }
        let point = format!("{job:?}, killed at byte {after} {direction:?} of {undisturbed:?}");
        fixture.reset();
        let tunnels = fixture.world.proxy().record().tunnels.len();
        fixture.world.proxy().inject_once(ProxyFault::Stop { direction, after, then: Stop::Stall });
        let mut program = fixture.command();
        let mut child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("because it was built");
        fixture.world.proxy().wait(|record| {
            // A run that sends less than the undisturbed one ends before it gets there.
            record.tunnels.get(tunnels).is_some_and(|tunnel| passed(tunnel, direction) >= after || tunnel.ended)
        });
        child.kill().expect("because the child was not waited for");
        let ended = child.wait().expect("because the child was not waited for");
        killed += usize::from(ended.signal() == Some(9));
        assert!(ended.signal() == Some(9) || ended.success(), "{point}: {ended}");
        fixture.world.proxy().clear_faults();
        fixture.recover(&point);
    }
    assert!(killed * 10 >= points.len() * 9, "{killed} of {} runs were killed", points.len());
}

#[test]
fn i7_first_sync_recovers_from_kill_at_any_byte() {
    kill_at_bytes(Job::FirstSync, 60);
}

#[test]
fn i7_sync_recovers_from_kill_at_any_byte() {
    kill_at_bytes(Job::FollowingSync, 60);
}

#[test]
fn i7_flush_recovers_from_kill_at_any_byte() {
    kill_at_bytes(Job::Flush, 140);
}
