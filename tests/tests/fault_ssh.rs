//! SSH hosts with a wrong key, without access, with a malformed identification, or that refuse what a sync needs.
//!
//! Whatever happens: an error of its own, the exit code of upstream, nothing changed; what will not change by itself is tried once (R8,
//! R10), and the next plain run ends as an undisturbed one.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use mirror_tests::fixture::{Fixture, Job, side_by_side};
use mirror_tests::sshhost::embedded::{
    ChannelFault, Channels, Connections, Ending, HostFault, IdentificationFault, Phase, Point, Service,
};

const STAGES: usize = 6;

/// No disturbed run may take longer, on whatever machine: four tries of at most six seconds, the pauses between them, and a lot of room.
const BOUND: Duration = Duration::from_secs(120);

/// How often a run tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tries {
    Once,
    Several,
}

/// A fault, its possible codes, and whether it is transient.
struct Case(HostFault, &'static [&'static str], Tries);

/// The limits on which a fault runs up: short where it waits in vain, and out of the way of everything else.
fn limits(fault: &HostFault) -> &'static [(&'static str, &'static str)] {
    match fault {
        HostFault::Identification(IdentificationFault::Silence | IdentificationFault::Bytes(_)) => &[("connect", "3s")],
        HostFault::Channel { .. } => &[("idle", "5s")],
        _ => &[],
    }
}

fn disturb(fixture: &mut Fixture, case: &Case) -> Result<(), String> {
    let Case(fault, expected, tries) = case;
    let name = format!("{fault:?}").chars().take(200).collect::<String>();
    fixture.limit(limits(fault));
    fixture.world.host().inject(Connections::Every, fault.clone());
    let before = fixture.world.host().record().connections.len();
    let start = Instant::now();
    let run = fixture.run();
    assert!(start.elapsed() < BOUND, "{name}: {:?}", start.elapsed());
    let tried = fixture.world.host().record().connections.len() - before;
    fixture.world.host().clear_faults();
    fixture.prove_true(&run, &name);
    fixture.limit(&[]);
    fixture.recover(&name);
    let fault = &run.lane("main")["fault"];
    let as_often = if *tries == Tries::Once { tried == 1 } else { tried > 1 };
    let helps = fault["help"].as_str().is_some_and(|help| !help.is_empty());
    if run.exit != Some(5) || !expected.iter().any(|code| fault["code"] == *code) || !as_often || !helps {
        return Err(format!("{name}: {:?} after {tried} tries, {fault:#}, not {expected:?}", run.exit));
    }
    Ok(())
}

fn check(job: Job, cases: &[Case]) {
    let wrong = Mutex::new(Vec::new());
    side_by_side(job, STAGES, cases, |fixture, case| {
        if let Err(result) = disturb(fixture, case) {
            wrong.lock().expect("because no other case failed").push(result);
        }
    });
    let wrong = wrong.into_inner().expect("because no case failed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn stop(service: Service, at: Point, then: Ending) -> HostFault {
    HostFault::Channel { on: Channels::Of(service), what: ChannelFault::Stop { at, then } }
}

fn strangers() -> Vec<Case> {
    use Tries::{Once, Several};
    vec![
        Case(HostFault::WrongHostKey, &["mirror::ssh::host_key_mismatch"], Once),
        Case(HostFault::RefuseLogin, &["mirror::ssh::login_refused"], Once),
        Case(HostFault::RefuseChannel, &["mirror::ssh::channel_refused"], Several),
        Case(HostFault::RefuseExec, &["mirror::ssh::exec_refused"], Once),
        Case(
            HostFault::Identification(IdentificationFault::EndlessLines),
            &["mirror::ssh::banner_too_many_lines"],
            Once,
        ),
        Case(HostFault::Identification(IdentificationFault::EndlessLine), &["mirror::ssh::banner_line_too_long"], Once),
        Case(HostFault::Identification(IdentificationFault::Silence), &["mirror::ssh::handshake_timeout"], Several),
        Case(
            HostFault::Identification(IdentificationFault::Bytes(b"Welcome.\r\n".to_vec())),
            &["mirror::ssh::handshake_timeout"],
            Several,
        ),
        Case(
            HostFault::Identification(IdentificationFault::Bytes(b"SSH-1.5-antique\r\n".to_vec())),
            &["mirror::ssh::old_protocol"],
            Once,
        ),
    ]
}

#[test]
fn host_faults_have_their_own_codes() {
    check(Job::FollowingSync, &strangers());
}

#[test]
fn flush_and_sync_report_the_same_host_faults() {
    check(Job::Flush, &strangers());
}

#[test]
fn a_closed_session_is_retried_in_every_phase() {
    let phases =
        [Phase::Accept, Phase::Identification, Phase::KeyExchange, Phase::Login, Phase::ChannelOpen, Phase::Exec];
    let code = |phase| match phase {
        Phase::Accept => ["mirror::ssh::closed_before_banner"].as_slice(),
        // Whether the channel was open when the connection ended, only the two ends know, and not the same.
        Phase::Exec => &["mirror::ssh::lost", "mirror::ssh::channel_lost"],
        _ => &["mirror::ssh::lost"],
    };
    check(Job::FollowingSync, &phases.map(|phase| Case(HostFault::CloseAt(phase), code(phase), Tries::Several)));
}

#[test]
fn a_stalled_stream_ends_by_the_idle_timeout() {
    let stalls = [Point::Sent(0), Point::Sent(60), Point::Sent(400), Point::Sent(5_000)];
    check(
        Job::FollowingSync,
        &stalls.map(|at| Case(stop(Service::UploadPack, at, Ending::Stall), &["mirror::ssh::stalled"], Tries::Several)),
    );
}

#[test]
fn one_transient_host_fault_is_retried() {
    let transient = [
        HostFault::CloseAt(Phase::Accept),
        HostFault::CloseAt(Phase::KeyExchange),
        HostFault::CloseAt(Phase::Exec),
        HostFault::RefuseChannel,
        HostFault::Stream { at: Point::Sent(9_000), then: Ending::Cut },
        HostFault::Rekey(4_096),
        HostFault::IgnoreProtocol,
    ];
    side_by_side(Job::FollowingSync, STAGES, &transient, |fixture, fault| {
        let name = format!("once {fault:?}");
        fixture.world.host().inject_once(fault.clone());
        let run = fixture.run();
        assert_eq!(run.exit, Some(0), "{name}: {}{}", run.stdout, run.stderr);
        fixture.world.host().clear_faults();
        fixture.prove_true(&run, &name);
        fixture.recover(&name);
    });
}

#[test]
fn a_wrong_host_key_shows_both_fingerprints() {
    let fixture = Fixture::new(Job::FollowingSync);
    fixture.reset();
    fixture.world.host().inject(Connections::Every, HostFault::WrongHostKey);
    let run = fixture.run().expect(5);
    let message = run.lane("main")["fault"]["message"].to_string();
    assert_eq!(message.matches("SHA256:").count(), 2, "{message}");
    // Before the host is authenticated, there is no login.
    assert!(!fixture.world.host().record().connections.last().expect("because it was reached").logged_in);
}
