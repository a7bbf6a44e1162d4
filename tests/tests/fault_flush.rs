//! Flushes whose connection is cut at every step and at many bytes, and upstreams that answer a push wrongly.
//!
//! Whatever happens: the run ends by itself with a code of its own, its report claims nothing that upstream does not bear out, no
//! commit is lost, and the next plain run ends as an undisturbed one (R13–R16, I2, I4, I7).

use std::fmt;
use std::sync::Mutex;

use mirror_tests::fixture::{Fixture, Job, side_by_side};
use mirror_tests::sshhost::embedded::{
    ChannelFault, ChannelRecord, Channels, ConnectionRecord, Connections, Ending, HostFault, Line, Phase, Point,
    Script, Service,
};
use mirror_tests::world::Run;
use serde_json::Value;

/// So many disturbed runs wait at the same time.
const STAGES: usize = 6;

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasting {
    /// On the next connection only.
    Once,
    /// On every connection.
    Always,
    /// On every connection behind the one of this number.
    After(u64),
}

/// One disturbance.
#[derive(Debug, Clone)]
struct Case {
    lasting: Lasting,
    fault: HostFault,
}

impl Case {
    fn new(lasting: Lasting, fault: HostFault) -> Self {
        Self { lasting, fault }
    }

    fn receive_pack(lasting: Lasting, at: Point, then: Ending) -> Self {
        let what = ChannelFault::Stop { at, then };
        Self::new(lasting, HostFault::Channel { on: Channels::Of(Service::ReceivePack), what })
    }

    fn upload_pack(lasting: Lasting, at: Point) -> Self {
        let what = ChannelFault::Stop { at, then: Ending::Cut };
        Self::new(lasting, HostFault::Channel { on: Channels::Of(Service::UploadPack), what })
    }
}

/// The result of a disturbed run: exit code, outcome of the flush, outcome of the push, code of the fault.
#[derive(Clone, PartialEq, Eq)]
struct End(i32, String, String, String);

impl fmt::Debug for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {} {}", self.0, self.1, self.2, self.3)
    }
}

impl End {
    fn of(run: &Run) -> Self {
        let lane = run.lane("main");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let push = text(&lane["push"]["outcome"]);
        Self(run.exit.unwrap_or(-1), text(&lane["outcome"]), push, text(&lane["fault"]["code"]))
    }
}

fn end(exit: i32, outcome: &str, push: &str, code: &str) -> End {
    End(exit, outcome.to_owned(), push.to_owned(), code.to_owned())
}

/// The last connection of the undisturbed run, and its channel of `receive-pack`.
fn undisturbed() -> (ConnectionRecord, ChannelRecord) {
    let fixture = Fixture::new(Job::Flush);
    let connection = fixture.world.host().wait_until_quiet().connections.pop().expect("because a flush made one");
    let receive = connection.channels.iter().find(|channel| channel.service == Some(Service::ReceivePack));
    let receive = receive.expect("because a flush pushes").clone();
    (connection, receive)
}

/// Does a fault to one flush, proves what has to hold, and recovers. Gives the disturbed run.
fn disturb(fixture: &mut Fixture, case: &Case) -> Run {
    let host = fixture.world.host();
    match case.lasting {
        Lasting::Once => host.inject_once(case.fault.clone()),
        Lasting::Always => host.inject(Connections::Every, case.fault.clone()),
        Lasting::After(number) => host.inject(Connections::From(number + 1), case.fault.clone()),
    }
    let run = fixture.run();
    host.wait_until_quiet();
    host.clear_faults();
    let name = format!("{case:?}");
    fixture.prove_true(&run, &name);
    prove_told(&run, &name);
    fixture.recover(&name);
    run
}

/// A run that failed reports a fault with a code, a help and the exit code of its class.
fn prove_told(run: &Run, name: &str) {
    let lane = run.lane("main");
    if run.exit == Some(0) {
        return;
    }
    let fault = &lane["fault"];
    assert!(fault["code"].as_str().is_some_and(|code| code.starts_with("mirror::")), "{name}: {}", run.stdout);
    assert!(fault["help"].as_str().is_some_and(|help| !help.is_empty()), "{name}: {}", run.stdout);
    assert!(run.report["next"].as_array().is_some_and(|next| !next.is_empty()), "{name}: {}", run.stdout);
}

/// Runs all cases, each with its allowed results, and asserts that it had one of them.
fn check(cases: &[(Case, Vec<End>)]) {
    let wrong = Mutex::new(Vec::new());
    side_by_side(Job::Flush, STAGES, cases, |fixture, (case, expected)| {
        let ended = End::of(&disturb(fixture, case));
        if !expected.contains(&ended) {
            wrong.lock().expect("because no other case failed").push(format!("{case:?}: {ended:?}, not {expected:?}"));
        }
    });
    let wrong = wrong.into_inner().expect("because no case failed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn flushed() -> End {
    end(0, "flushed", "accepted", "")
}

/// The answer was lost, and the next observation showed the commits.
fn seen_afterwards() -> End {
    end(0, "flushed", "unknown", "")
}

/// The push was accepted, the recheck failed, and a sync showed the commits.
fn recovered() -> End {
    end(0, "recovered", "accepted", "")
}

fn not_sent(code: &str) -> End {
    end(5, "not-flushed", "not-sent", code)
}

/// The push was accepted, and neither the recheck nor a sync could show the commits.
fn unproved(code: &str) -> End {
    end(5, "unproved", "accepted", code)
}

fn unknown(code: &str) -> End {
    end(5, "unknown", "unknown", code)
}

/// Cuts spread over the bytes of the TCP stream, in both directions.
fn cuts(lasting: Lasting, expected: &[End]) -> Vec<(Case, Vec<End>)> {
    let (connection, _) = undisturbed();
    let spread = |total: u64, wanted: u64| (0..wanted).map(move |n| n * total / wanted);
    let received = spread(connection.received, 50).map(Point::Received);
    let points = received.chain(spread(connection.sent, 50).map(Point::Sent));
    let case = |at| Case::new(lasting, HostFault::Stream { at, then: Ending::Cut });
    points.map(|at| (case(at), expected.to_vec())).collect()
}

#[test]
fn one_cut_at_any_byte_is_retried() {
    check(&cuts(Lasting::Once, &[flushed(), seen_afterwards(), recovered()]));
}

#[test]
fn repeated_cuts_leave_a_true_report() {
    let lost = ["mirror::ssh::closed_before_banner", "mirror::ssh::lost", "mirror::ssh::channel_lost"];
    let mut expected: Vec<_> = lost.map(not_sent).into();
    expected.extend(["mirror::push::broken", "mirror::push::lost", "mirror::push::no_report"].map(unknown));
    // Where it is unknown whether the push arrived, the recheck may have been cut as well: its fault is reported then.
    expected.extend(lost.map(unknown));
    // Where the report was complete and the cut is behind it, the recheck on this connection and the sync on the next one may both
    // be lost: a write to a closed connection resets it before the last received bytes are read.
    expected.extend(lost.map(unproved));
    expected.extend([flushed(), seen_afterwards(), recovered()]);
    check(&cuts(Lasting::Always, &expected));
}

#[test]
fn a_cut_before_the_push_leaves_it_unsent() {
    let (_, receive) = undisturbed();
    let mut cases = Vec::new();
    for phase in
        [Phase::Accept, Phase::Identification, Phase::KeyExchange, Phase::Login, Phase::ChannelOpen, Phase::Exec]
    {
        let ends = match phase {
            Phase::Accept => vec![not_sent("mirror::ssh::closed_before_banner")],
            // Whether the channel was open when the connection ended, only the two ends know, and not the same.
            Phase::Exec => vec![not_sent("mirror::ssh::lost"), not_sent("mirror::ssh::channel_lost")],
            _ => vec![not_sent("mirror::ssh::lost")],
        };
        cases.push((Case::new(Lasting::Always, HostFault::CloseAt(phase)), ends));
        cases.push((Case::new(Lasting::Once, HostFault::CloseAt(phase)), vec![flushed()]));
    }
    for byte in [0, 4, receive.sent_unasked / 2, receive.sent_unasked - 1] {
        let case = |lasting| Case::receive_pack(lasting, Point::Sent(byte), Ending::Cut);
        // The connection may end before the other channel, which is opened at the same time, is open.
        cases.push((case(Lasting::Always), ["mirror::ssh::channel_lost", "mirror::ssh::lost"].map(not_sent).into()));
        cases.push((case(Lasting::Once), vec![flushed()]));
    }
    check(&cases);
}

#[test]
fn a_cut_push_is_unknown_until_observed() {
    let (_, receive) = undisturbed();
    let mut cases = Vec::new();
    for byte in [1, 4, 100, 200, receive.received / 2, receive.received - 1] {
        let case = |lasting| Case::receive_pack(lasting, Point::Received(byte), Ending::Cut);
        let ends = ["mirror::push::broken", "mirror::push::lost", "mirror::push::no_report"].map(unknown);
        cases.push((case(Lasting::Always), ends.into()));
        cases.push((case(Lasting::Once), vec![flushed()]));
    }
    check(&cases);
}

#[test]
fn an_unanswered_push_is_proved_by_observation() {
    let (_, receive) = undisturbed();
    let answer = receive.sent - receive.sent_unasked;
    let mut cases = Vec::new();
    for lasting in [Lasting::Once, Lasting::Always] {
        for then in [Ending::Cut, Ending::CutOnceGitEnded] {
            for byte in [0, 1, 4, answer / 2] {
                cases.push((Case::receive_pack(lasting, Point::Answered(byte), then), vec![seen_afterwards()]));
            }
            // The report is whole before its last packet.
            cases.push((Case::receive_pack(lasting, Point::Answered(answer - 1), then), vec![flushed()]));
        }
        let whole = Point::Received(receive.received);
        cases.push((Case::receive_pack(lasting, whole, Ending::CutOnceGitEnded), vec![seen_afterwards()]));
    }
    check(&cases);
}

#[test]
fn a_push_that_cannot_be_observed_is_unknown() {
    let mut fixture = Fixture::new(Job::Flush);
    fixture.reset();
    let host = fixture.world.host();
    let next = host.record().connections.len() as u64 + 1;
    let what = ChannelFault::Stop { at: Point::Answered(0), then: Ending::CutOnceGitEnded };
    host.inject(Connections::Nth(next), HostFault::Channel { on: Channels::Of(Service::ReceivePack), what });
    let run = disturb(&mut fixture, &Case::new(Lasting::After(next), HostFault::CloseAt(Phase::Accept)));
    assert_eq!(End::of(&run), unknown("mirror::ssh::closed_before_banner"));
    // I4: what was not observed is not reported as done.
    assert_eq!(run.lane("main")["pendingFlush"], true, "{}", run.stdout);
}

#[test]
fn r15_a_failed_recheck_is_recovered_by_one_sync() {
    let mut fixture = Fixture::new(Job::Flush);
    for (lasting, end, is_recovered) in [
        (Lasting::Once, recovered(), true),
        // A sync observes by `upload-pack`, as builds read: where that never answers, nothing is proved.
        (Lasting::Always, unproved("mirror::ssh::channel_lost"), false),
    ] {
        fixture.reset();
        let run = disturb(&mut fixture, &Case::upload_pack(lasting, Point::Answered(0)));
        assert_eq!(End::of(&run), end);
        let lane = run.lane("main");
        assert_eq!(lane["partialSuccess"], "push-succeeded-fetch-failed", "{}", run.stdout);
        assert_eq!(lane["partialSuccessRecovered"], is_recovered, "{}", run.stdout);
        assert_eq!(lane["postPushRecovery"]["ok"], is_recovered, "{}", run.stdout);
        if !is_recovered {
            continue;
        }
        assert_eq!(lane["postPushRecovery"]["tip"], lane["local"], "{}", run.stdout);
    }
}

#[test]
fn r15_an_unproved_push_is_not_ok() {
    let mut fixture = Fixture::new(Job::Flush);
    fixture.reset();
    let host = fixture.world.host();
    let next = host.record().connections.len() as u64 + 1;
    host.inject(Connections::Nth(next), Case::upload_pack(Lasting::Once, Point::Answered(0)).fault);
    let run = disturb(&mut fixture, &Case::new(Lasting::After(next), HostFault::CloseAt(Phase::Accept)));
    assert_eq!(End::of(&run), end(5, "unproved", "accepted", "mirror::ssh::closed_before_banner"));
    let lane = run.lane("main");
    assert_eq!(lane["partialSuccess"], "push-succeeded-fetch-failed", "{}", run.stdout);
    assert_eq!(lane["partialSuccessRecovered"], false, "{}", run.stdout);
    assert_eq!(lane["postPushRecovery"]["ok"], false, "{}", run.stdout);
    assert!(run.report["next"].to_string().contains("sync"), "{}", run.stdout);
}

/// A `receive-pack` that takes a push, does nothing, and answers with these bytes.
fn answers(fixture: &Fixture, answer: Vec<u8>) -> HostFault {
    let tip = fixture.world.upstream().branch("gitops").expect("because the fixture made it");
    let capabilities = "report-status report-status-v2 side-band-64k ofs-delta object-format=sha1 agent=git/rig";
    let script = Script::new().pkt(format!("{tip} refs/heads/gitops\0{capabilities}\n")).flush();
    let script = script.line(Line::AwaitEof).send(answer);
    HostFault::Channel { on: Channels::Of(Service::ReceivePack), what: ChannelFault::Answer(script) }
}

fn pkt(content: &[u8]) -> Vec<u8> {
    [format!("{:04x}", content.len() + 4).as_bytes(), content].concat()
}

/// A report on band 1, as git sends it.
fn report(lines: &[&str]) -> Vec<u8> {
    let mut inner: Vec<u8> = lines.iter().flat_map(|line| pkt(format!("{line}\n").as_bytes())).collect();
    inner.extend_from_slice(b"0000");
    [pkt(&[b"\x01", inner.as_slice()].concat()), b"0000".to_vec()].concat()
}

#[test]
fn a_report_is_read_literally() {
    let rejected = |code: &str, exit: i32| end(exit, "rejected", "rejected", code);
    let ng = |words: &str| report(&["unpack ok", &format!("ng refs/heads/gitops {words}")]);
    let cases = [
        (ng("protected branch hook declined"), rejected("mirror::flush::rejected", 1)),
        (ng("pre-receive hook declined"), rejected("mirror::flush::rejected", 1)),
        (ng("permission denied"), rejected("mirror::flush::rejected", 1)),
        (ng("because of the weather"), rejected("mirror::flush::rejected", 1)),
        (ng("non-fast-forward"), rejected("mirror::flush::raced", 4)),
        (ng("failed to update ref"), rejected("mirror::flush::raced", 4)),
        (ng("fetch first"), rejected("mirror::flush::raced", 4)),
        (
            report(&["unpack index-pack abnormal exit", "ng refs/heads/gitops unpacker error"]),
            rejected("mirror::flush::rejected", 1),
        ),
        // Reports that do not answer the question.
        (report(&["unpack ok"]), unknown("mirror::push::bad_report")),
        (report(&["unpack ok", "ok refs/heads/other"]), unknown("mirror::push::bad_report")),
        (
            report(&["unpack ok", "ok refs/heads/gitops", "ng refs/heads/gitops no"]),
            unknown("mirror::push::bad_report"),
        ),
        (report(&["ok refs/heads/gitops"]), unknown("mirror::push::bad_report")),
        (report(&["unpack ok", "maybe refs/heads/gitops"]), unknown("mirror::push::bad_report")),
        (pkt(b"\x01000eunpack ok\n"), unknown("mirror::push::no_report")),
        (Vec::new(), unknown("mirror::push::no_report")),
        (b"0000".to_vec(), unknown("mirror::push::no_report")),
        (pkt(b"\x03disk full\n"), unknown("mirror::push::server_gave_up")),
        (pkt(b"\x09what\n"), unknown("mirror::push::broken")),
        (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), unknown("mirror::push::broken")),
        (pkt(b"ERR not today\n"), unknown("mirror::push::refused")),
    ];
    let wrong = Mutex::new(Vec::new());
    side_by_side(Job::Flush, STAGES, &cases, |fixture, (answer, expected)| {
        let fault = answers(fixture, answer.clone());
        let ended = End::of(&disturb(fixture, &Case::new(Lasting::Always, fault)));
        if ended != *expected {
            let said = String::from_utf8_lossy(answer);
            wrong.lock().expect("because no other case failed").push(format!("{said:?}: {ended:?}, not {expected:?}"));
        }
    });
    let wrong = wrong.into_inner().expect("because no case failed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn i4_a_false_report_of_upstream_is_detected() {
    let mut fixture = Fixture::new(Job::Flush);
    fixture.reset();
    fixture.limit(&[("total", "15s")]);
    let lie = report(&["unpack ok", "ok refs/heads/gitops"]);
    let fault = answers(&fixture, lie);
    fixture.world.host().inject(Connections::Every, fault);
    let run = fixture.run();
    fixture.world.host().wait_until_quiet();
    fixture.world.host().clear_faults();
    assert_eq!(End::of(&run), end(4, "unproved", "accepted", "mirror::flush::not_shown"));
    assert_eq!(run.lane("main")["pendingFlush"], true, "{}", run.stdout);
    assert_eq!(run.lane("main")["githubInSync"], false, "{}", run.stdout);
    fixture.limit(&[]);
    fixture.recover("an upstream that lies");
}

#[test]
fn a_stalled_flush_ends_by_the_idle_timeout() {
    let (_, receive) = undisturbed();
    let stalls = |service, at| {
        let what = ChannelFault::Stop { at, then: Ending::Stall };
        HostFault::Channel { on: Channels::Of(service), what }
    };
    let half = receive.received / 2;
    let cases = [
        (stalls(Service::ReceivePack, Point::Sent(20)), not_sent("mirror::ssh::stalled")),
        (stalls(Service::ReceivePack, Point::Received(half)), unknown("mirror::push::broken")),
        (stalls(Service::ReceivePack, Point::Answered(10)), seen_afterwards()),
        (stalls(Service::UploadPack, Point::Answered(0)), unproved("mirror::ssh::stalled")),
        (stalls(Service::UploadPack, Point::Sent(10)), unproved("mirror::ssh::stalled")),
    ];
    let wrong = Mutex::new(Vec::new());
    side_by_side(Job::Flush, STAGES, &cases, |fixture, (fault, expected)| {
        fixture.limit(&[("idle", "6s")]);
        let name = format!("{fault:?}");
        fixture.world.host().inject(Connections::Every, fault.clone());
        let run = fixture.run();
        fixture.world.host().clear_faults();
        fixture.prove_true(&run, &name);
        prove_told(&run, &name);
        fixture.limit(&[]);
        fixture.recover(&name);
        let ended = End::of(&run);
        if ended != *expected {
            wrong.lock().expect("because no other case failed").push(format!("{name}: {ended:?}, not {expected:?}"));
        }
    });
    let wrong = wrong.into_inner().expect("because no case failed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
