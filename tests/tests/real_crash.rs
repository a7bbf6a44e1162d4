//! `kill -9` of the real program at its effects on the disk and the network, and what the same verb then makes of it (I7).
//!
//! `strace` runs the operation once and writes down every effect; then it runs it again and again, and kills it on the way into each of
//! them. The effects of the killed run are exactly those before it, whatever the speed of the machine.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use mirror_tests::fixture::{Fixture, Job};
use mirror_tests::requires;

/// System calls that change something outside of the process.
const EFFECTS: [&str; 22] = [
    "openat",
    "write",
    "writev",
    "pwrite64",
    "sendto",
    "sendmsg",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fallocate",
    "link",
    "linkat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "flock",
    "chmod",
];

/// One effect: so many calls of one kind were made in one thread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    call: String,
    nth: usize,
    line: String,
}

/// Makes the same command, run by `strace`.
fn traced(command: &Command, log: &Path, more: &[String]) -> Command {
    let mut strace = Command::new(requires::program("strace"));
    strace.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace.current_dir(command.get_current_dir().expect("because the world sets it"));
    strace
        .args(["--quiet=all", "--follow-forks", "--trace"])
        .arg(EFFECTS.join(","))
        .arg("--output")
        .arg(log)
        .args(more);
    strace.arg("--").arg(command.get_program()).args(command.get_args());
    strace
}

/// Runs the operation undisturbed and gives its effects in their order.
fn effects(fixture: &Fixture) -> Vec<Point> {
    let log = fixture.world.sandbox().path().join("trace");
    fixture.reset();
    let done = traced(&fixture.command(), &log, &[]).output().expect("because strace runs");
    assert!(done.status.success(), "{done:?}");
    let text = std::fs::read_to_string(&log).expect("because strace wrote its log");
    let mut counts = BTreeMap::new();
    let mut points: Vec<Point> = Vec::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        let Some((call, arguments)) = rest.split_once('(').filter(|(call, _)| EFFECTS.contains(call)) else { continue };
        // strace counts in each thread by itself; the first thread that gets so far is the one that is hit.
        let count: &mut usize = counts.entry((thread.to_owned(), call.to_owned())).or_default();
        *count += 1;
        let seen = points.iter().any(|point| point.call == call && point.nth >= *count);
        let changes = call != "openat" || arguments.contains("O_CREAT");
        if changes && !seen {
            points.push(Point { call: call.to_owned(), nth: *count, line: rest.to_owned() });
        }
    }
    points
}

/// Kills the operation at points spread evenly over its effects, and recovers from each.
fn kill_at_effects(job: Job, wanted: usize) {
    let fixture = Fixture::new(job);
    let points = effects(&fixture);
    assert!(points.len() >= 50, "{job:?} has no more than {} effects", points.len());
    let log = fixture.world.sandbox().path().join("trace");
    let spread = spread(points.len(), wanted);
    let mut killed = 0;
    for index in &spread {
        let point = &points[*index];
        let name = format!(
            "{job:?}, killed at effect {index} of {}: {} {} {}",
            points.len(),
            point.call,
            point.nth,
            point.line
        );
        fixture.reset();
        let inject = format!("--inject={}:signal=KILL:when={}", point.call, point.nth);
        let done = traced(&fixture.command(), &log, &[inject]).output().expect("because strace runs");
        // Some effects of a run are not those of the other: sockets that were ready, threads that were faster.
        killed += usize::from(done.status.signal() == Some(9));
        assert!(done.status.signal() == Some(9) || done.status.success(), "{name}: {done:?}");
        fixture.recover(&name);
    }
    assert!(
        killed * 10 >= spread.len() * 9,
        "{killed} of {} runs at {} effects were killed",
        spread.len(),
        points.len()
    );
}

/// Spreads so many indices evenly over a list; all of them where the list is shorter.
fn spread(length: usize, wanted: usize) -> Vec<usize> {
    let wanted = wanted.min(length);
    (0..wanted).map(|n| n * length / wanted).collect()
}

#[test]
fn i7_first_sync_recovers_from_kill_at_any_effect() {
    kill_at_effects(Job::FirstSync, 200);
}

#[test]
fn i7_sync_recovers_from_kill_at_any_effect() {
    kill_at_effects(Job::FollowingSync, 200);
}

#[test]
fn i7_flush_recovers_from_kill_at_any_effect() {
    kill_at_effects(Job::Flush, 200);
}
