//! Proxies that refuse, babble, fall silent, or lose the tunnel in any phase of SSH.
//!
//! Whatever happens: an error of its own that names the proxy, the exit code of upstream, nothing changed, and never a way around the
//! proxy (I9); the next plain run ends as an undisturbed one.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use mirror_tests::fixture::{Fixture, Job, side_by_side};
use mirror_tests::proxy::embedded::{Credentials, Direction, ProxyFault, Stop, Tunnels};
use mirror_tests::world::Run;
use serde_json::json;

const STAGES: usize = 6;

/// No disturbed run may take longer, on whatever machine: four tries of at most six seconds, the pauses between them, and a lot of room.
const BOUND: Duration = Duration::from_secs(120);

fn code(run: &Run) -> String {
    run.lane("main")["fault"]["code"].as_str().unwrap_or_default().to_owned()
}

/// The limits on which a fault runs up: short where it waits in vain, and out of the way of everything else.
fn limits(fault: &ProxyFault) -> &'static [(&'static str, &'static str)] {
    match fault {
        ProxyFault::Silence | ProxyFault::RespondAndHold(_) | ProxyFault::Stop { then: Stop::Stall, .. } => {
            &[("connect", "3s"), ("idle", "3s")]
        }
        _ => &[],
    }
}

/// Runs the operation while the proxy misbehaves on every connection; proves and recovers.
fn disturb(fixture: &mut Fixture, fault: &ProxyFault, name: &str) -> Run {
    fixture.limit(limits(fault));
    fixture.world.proxy().inject(Tunnels::Every, fault.clone());
    let logins = fixture.world.host().record().connections.len();
    let start = Instant::now();
    let run = fixture.run();
    assert!(start.elapsed() < BOUND, "{name}: {:?}", start.elapsed());
    // I9: every connection to the host was made through the proxy.
    let reached = fixture.world.host().record().connections.len() - logins;
    let tunnelled = fixture.world.proxy().record().tunnels.iter().filter(|tunnel| !tunnel.target.is_empty()).count();
    assert!(reached <= tunnelled, "{name}: {reached} connections, {tunnelled} tunnels");
    fixture.world.proxy().clear_faults();
    fixture.prove_true(&run, name);
    fixture.limit(&[]);
    fixture.recover(name);
    run
}

/// Does all cases; each ends with exit code 5 and one of its codes, in a message that names the proxy.
fn check(job: Job, cases: &[(ProxyFault, &[&str])]) {
    let wrong = Mutex::new(Vec::new());
    side_by_side(job, STAGES, cases, |fixture, (fault, expected)| {
        let name = format!("{job:?}, {fault:?}").chars().take(200).collect::<String>();
        let run = disturb(fixture, fault, &name);
        let ended = code(&run);
        let named = run.stdout.contains(&fixture.world.proxy().socket().to_string());
        if run.exit != Some(5) || !expected.contains(&ended.as_str()) || !named {
            let result = format!("{name}: {:?} {ended}, not {expected:?}; {}", run.exit, run.stdout);
            wrong.lock().expect("because no other case failed").push(result);
        }
    });
    let wrong = wrong.into_inner().expect("because no case failed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everything a proxy can do instead of opening a tunnel.
fn refusals() -> Vec<(ProxyFault, &'static [&'static str])> {
    let page = b"<html><body>Please log in to the guest network</body></html>".to_vec();
    vec![
        (ProxyFault::Refuse(407), &["mirror::tunnel::proxy_auth"]),
        (ProxyFault::Refuse(403), &["mirror::tunnel::proxy_forbidden"]),
        (ProxyFault::Refuse(405), &["mirror::tunnel::proxy_refused"]),
        (ProxyFault::Refuse(429), &["mirror::tunnel::proxy_refused"]),
        (ProxyFault::Refuse(500), &["mirror::tunnel::proxy_upstream"]),
        (ProxyFault::Refuse(502), &["mirror::tunnel::proxy_upstream"]),
        (ProxyFault::Refuse(503), &["mirror::tunnel::proxy_upstream"]),
        (ProxyFault::Refuse(504), &["mirror::tunnel::proxy_upstream"]),
        (ProxyFault::Respond(page), &["mirror::tunnel::not_http"]),
        (ProxyFault::Respond(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()), &["mirror::tunnel::not_http"]),
        (ProxyFault::Respond(vec![0xff; 70_000]), &["mirror::tunnel::not_http"]),
        (ProxyFault::Respond(b"HTTP/1.1 200 OK\r\nX-Cut: ".to_vec()), &["mirror::tunnel::proxy_closed"]),
        (ProxyFault::EndlessHeader, &["mirror::tunnel::header_too_long"]),
        (ProxyFault::EndlessHeaderLine, &["mirror::tunnel::header_too_long"]),
        (ProxyFault::Silence, &["mirror::tunnel::proxy_silent"]),
        (ProxyFault::RespondAndHold(b"HTTP/1.1 200".to_vec()), &["mirror::tunnel::proxy_silent"]),
        (ProxyFault::CloseAtAccept, &["mirror::tunnel::proxy_closed", "mirror::tunnel::proxy_lost"]),
        (ProxyFault::CloseAfterRequest, &["mirror::tunnel::proxy_closed", "mirror::tunnel::proxy_lost"]),
    ]
}

#[test]
fn proxy_refusals_have_their_own_codes() {
    check(Job::FollowingSync, &refusals());
}

#[test]
fn flush_and_sync_report_the_same_proxy_faults() {
    let one_of_each = [0, 1, 5, 8, 12, 14, 17].map(|index| refusals()[index].clone());
    check(Job::Flush, &one_of_each);
}

#[test]
fn a_blocked_first_sync_does_not_block_the_next() {
    let one_of_each = [0, 5, 12, 14].map(|index| refusals()[index].clone());
    check(Job::FirstSync, &one_of_each);
}

#[test]
fn one_transient_proxy_fault_is_retried() {
    let transient =
        [ProxyFault::Refuse(502), ProxyFault::CloseAfterRequest, ProxyFault::Coalesce, ProxyFault::ByteByByte];
    side_by_side(Job::FollowingSync, STAGES, &transient, |fixture, fault| {
        fixture.world.proxy().inject_once(fault.clone());
        let run = fixture.run().expect(0);
        fixture.prove_true(&run, &format!("{fault:?}"));
        fixture.recover(&format!("{fault:?}"));
    });
}

#[test]
fn credential_faults_are_distinct_and_not_retried() {
    let mut fixture = Fixture::new(Job::FollowingSync);
    fixture.reset();
    let password = "correct horse battery staple";
    let credentials = Credentials { user: "ada".to_owned(), password: password.to_owned() };
    fixture.world.proxy().require(credentials);
    let file = fixture.world.sandbox().write("proxy-password", "ada:wrong horse\n");
    for (configured, expected) in
        [(None, "mirror::tunnel::proxy_auth"), (Some(&file), "mirror::tunnel::proxy_auth_refused")]
    {
        fixture.world.configure(|config| config["githubTransport"]["proxyCredentials"] = json!({ "file": configured }));
        if configured.is_none() {
            fixture.world.configure(|config| {
                config["githubTransport"].as_object_mut().expect("because it is one").remove("proxyCredentials");
            });
        }
        let before = fixture.world.proxy().record().connections;
        let run = fixture.run().expect(5);
        assert_eq!(code(&run), expected, "{}", run.stdout);
        assert_eq!(fixture.world.proxy().record().connections - before, 1, "a refused login is tried once");
        // I8: the credentials that were sent are not in the output.
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("wrong horse"), "{}", run.stdout);
        fixture.prove_true(&run, expected);
    }
    fixture.world.sandbox().write("proxy-password", format!("ada:{password}\n"));
    fixture.recover("the right credentials");
}

/// The codes of a lost tunnel, by the phase in which it was lost.
const LOST: [&str; 5] = [
    "mirror::ssh::closed_before_banner",
    "mirror::ssh::lost",
    "mirror::ssh::channel_lost",
    "mirror::ssh::handshake_timeout",
    "mirror::ssh::channel_timeout",
];

/// The end of the tunnel in every phase of SSH, by bytes of either direction.
#[test]
fn a_lost_tunnel_is_reported_in_every_phase() {
    let undisturbed = {
        let fixture = Fixture::new(Job::FollowingSync);
        fixture.world.proxy().record().tunnels.pop().expect("because a sync went through the proxy")
    };
    let mut cases = Vec::new();
    let totals = [(Direction::ToClient, undisturbed.to_client), (Direction::ToTarget, undisturbed.to_target)];
    for (direction, total) in totals {
        for after in [0, 5, 30, 400, 1000, 1300, total * 3 / 4] {
            for then in [Stop::Cut, Stop::Stall] {
                cases.push((direction, after, then));
            }
        }
    }
    let wrong = Mutex::new(Vec::new());
    side_by_side(Job::FollowingSync, STAGES, &cases, |fixture, (direction, after, then)| {
        let fault = ProxyFault::Stop { direction: *direction, after: *after, then: *then };
        let name = format!("{fault:?} of {undisturbed:?}");
        let run = disturb(fixture, &fault, &name);
        let ended = code(&run);
        let stalled = *then == Stop::Stall && ended == "mirror::ssh::stalled";
        if run.exit != Some(5) || !(stalled || LOST.contains(&ended.as_str())) {
            let result = format!("{name}: {:?} {ended}", run.exit);
            wrong.lock().expect("because no other case failed").push(result);
        }
    });
    let wrong = wrong.into_inner().expect("because no case failed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
