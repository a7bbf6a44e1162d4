//! Transfers that are cut in the middle, and advertisements that are larger than what a connection holds for one who does not read.

use std::fmt::Write as _;

use mirror_tests::fixture::{Fixture, Job};
use mirror_tests::proxy::embedded::{Direction, ProxyFault, Stop};
use mirror_tests::sshhost::embedded::{Connections, HostFault};

/// A cut is retried within the same run.
#[test]
fn a_cut_transfer_is_repeated_by_the_same_sync() {
    let fixture = Fixture::new(Job::FirstSync);
    let whole = fixture.world.proxy().record().tunnels.last().expect("because a sync went through the proxy").to_client;
    // The pack of 40,000 bytes that do not compress is nearly all of what comes.
    for tenth in 5..9 {
        let after = whole * tenth / 10;
        fixture.reset();
        let before = fixture.world.proxy().record().tunnels.len();
        fixture.world.proxy().inject_once(ProxyFault::Stop { direction: Direction::ToClient, after, then: Stop::Cut });
        let run = fixture.run().expect(0);
        assert_eq!(run.report["ok"], true, "cut at {after}: {}", run.stdout);
        let tunnels = fixture.world.proxy().record().tunnels.len() - before;
        assert_eq!(tunnels, 2, "cut at {after} of {whole}: one was cut, one brought everything");
        fixture.recover(&format!("cut at {after}"));
    }
}

/// A server that ignores `GIT_PROTOCOL` lists all its refs on each channel, also on the one that waits for the recheck.
#[test]
fn a_v0_flush_needs_one_connection() {
    let fixture = Fixture::new(Job::Flush);
    fixture.reset();
    let upstream = fixture.world.upstream();
    let tip = upstream.branch("main").expect("because main is there");
    upstream.run(["pack-refs", "--all"]);
    let file = upstream.path().join("packed-refs");
    let mut packed = std::fs::read_to_string(&file).expect("because refs were packed");
    // More than the channels of a connection have room for: each holds back the others then.
    for number in 0..70_000 {
        writeln!(packed, "{tip} refs/zz/pull/{number:06}/head").expect("because a string takes all");
    }
    std::fs::write(&file, packed).expect("because the sandbox is writable");
    let before = fixture.world.host().wait_until_quiet().connections.len();
    fixture.world.host().inject(Connections::Every, HostFault::IgnoreProtocol);
    let run = fixture.run().expect(0);
    assert_eq!(run.lane("main")["outcome"], "flushed", "{}", run.stdout);
    let record = fixture.world.host().wait_until_quiet();
    assert_eq!(record.connections.len() - before, 1, "{record:?}");
}

/// An upstream that sends a little now and then never reaches the idle timeout; the total timeout ends the run.
#[test]
fn doctor_ends_by_the_total_timeout() {
    let mut fixture = Fixture::new(Job::FirstSync);
    fixture.world.mirror(&["doctor"]).expect(0);
    let whole =
        fixture.world.proxy().record().tunnels.last().expect("because a doctor goes through the proxy").to_client;
    // Towards its end, but before the good-byes behind the last answer, of which not all are always counted.
    let fault = ProxyFault::Stop { direction: Direction::ToClient, after: whole * 3 / 4, then: Stop::Stall };
    fixture.world.proxy().inject_once(fault);
    fixture.limit(&[("idle", "1h"), ("total", "5s")]);
    let run = fixture.world.mirror(&["doctor"]).expect(4);
    let steps = run.lane("main")["steps"].as_array().expect("because a walk has steps").clone();
    let fault = &steps.last().expect("because it began")["fault"];
    assert_eq!(fault["code"], "mirror::deadline", "{}", run.stdout);
    assert!(fault["help"].as_str().is_some_and(|help| help.contains("githubTransport.timeouts.total")), "{fault}");
}
