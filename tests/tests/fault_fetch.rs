//! Upstreams whose refs or packs are hostile, damaged, incomplete, or do not come to an end.
//!
//! Whatever happens: an error of its own, the exit code of upstream, no ref and no object taken from it, nothing left over; the next
//! plain run ends as an undisturbed one.

use std::sync::Mutex;

use mirror_tests::fixture::{Fixture, Job, side_by_side};
use mirror_tests::sshhost::embedded::{
    ChannelFault, Channels, Connections, Ending, HostFault, Line, Point, Script, Service,
};

const STAGES: usize = 6;

/// The commits of an upstream that does not exist.
const UNKNOWN: &str = "1111111111111111111111111111111111111111";

fn on_upload_pack(what: ChannelFault) -> HostFault {
    HostFault::Channel { on: Channels::Of(Service::UploadPack), what }
}

/// What the host does on the next connection, and what on those behind it.
struct HostFaults(HostFault, HostFault);

impl HostFaults {
    fn same(fault: HostFault) -> Self {
        Self(fault.clone(), fault)
    }
}

/// Runs the operation while the host misbehaves on every connection; proves, recovers, and gives the code and the exit status.
fn disturb(fixture: &mut Fixture, HostFaults(first, later): HostFaults, name: &str) -> (String, Option<i32>) {
    let packs = packs(fixture);
    let next = fixture.world.host().record().connections.len() as u64 + 1;
    fixture.world.host().inject(Connections::Nth(next), first);
    fixture.world.host().inject(Connections::From(next + 1), later);
    // Some of them leave a further question unanswered.
    fixture.limit(&[("idle", "10s")]);
    let run = fixture.run();
    fixture.limit(&[]);
    fixture.world.host().clear_faults();
    fixture.prove_true(&run, name);
    assert_eq!(packs, self::packs(fixture), "{name}: a part of it was stored");
    fixture.recover(name);
    let fault = &run.lane("main")["fault"];
    assert!(fault["help"].as_str().is_some_and(|help| !help.is_empty()), "{name}: {}", run.stdout);
    (fault["code"].as_str().unwrap_or_default().to_owned(), run.exit)
}

/// The names of the cache's packs.
fn packs(fixture: &Fixture) -> Vec<std::ffi::OsString> {
    let Ok(folder) = std::fs::read_dir(fixture.world.cache().path().join("objects/pack")) else { return Vec::new() };
    let mut names: Vec<_> = folder.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    names
}

/// Does all cases; each ends with exit code 5 and one of its codes.
fn check<T: Sync + std::fmt::Debug>(cases: &[(T, &[&str])], faults: impl Fn(&Fixture, &T) -> HostFaults + Sync) {
    let wrong = Mutex::new(Vec::new());
    side_by_side(Job::FollowingSync, STAGES, cases, |fixture, (case, expected)| {
        let name = format!("{case:?}").chars().take(300).collect::<String>();
        let faults = faults(fixture, case);
        let (code, exit) = disturb(fixture, faults, &name);
        if exit != Some(5) || !expected.contains(&code.as_str()) {
            let result = format!("{name}: {exit:?} {code}, not {expected:?}");
            wrong.lock().expect("because no other case failed").push(result);
        }
    });
    let wrong = wrong.into_inner().expect("because no case failed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An upstream that begins as version 2 of git's protocol does.
fn speaks_git() -> Script {
    let script = Script::new().pkt("version 2\n").pkt("agent=git/rig\n").pkt("ls-refs\n").pkt("fetch=shallow\n");
    script.pkt("object-format=sha1\n").flush()
}

/// An upstream that answers `ls-refs` with these lines.
fn lists(lines: &[String]) -> Script {
    let script = speaks_git().line(Line::AwaitFlush);
    lines.iter().fold(script, |script, line| script.pkt(line)).flush().line(Line::AwaitEof)
}

fn named(name: &str) -> String {
    format!("{UNKNOWN} {name}\n")
}

#[test]
fn hostile_ref_lists_have_their_own_codes() {
    let main = || named("refs/heads/main");
    let cases: Vec<(Vec<String>, &[&str])> = vec![
        (vec![named("refs/heads/../../../etc/passwd")], &["mirror::fetch::unasked_ref"]),
        (vec![named("refs/heads/main.lock")], &["mirror::fetch::ref_name"]),
        (vec![named("refs/tags/v\u{7f}1")], &["mirror::fetch::ref_name"]),
        (vec![named("refs/tags/v..1")], &["mirror::fetch::ref_name"]),
        (vec![main(), named("refs/heads/other")], &["mirror::fetch::unasked_ref"]),
        (vec![main(), named("refs/mirror/snapshots/app/main/x")], &["mirror::fetch::unasked_ref"]),
        (vec![main(), named("HEAD")], &["mirror::fetch::unasked_ref", "mirror::fetch::ref_name"]),
        (vec![main(), main()], &["mirror::fetch::doubled_ref"]),
        (vec![named(&format!("refs/tags/v{}", "x".repeat(10_000)))], &["mirror::fetch::ref_name_size"]),
        (vec!["refs/heads/main\n".to_owned()], &["mirror::fetch::protocol"]),
        (vec!["zzzz refs/heads/main\n".to_owned()], &["mirror::fetch::protocol"]),
        (vec![format!("{} refs/heads/main\n", "1".repeat(64))], &["mirror::fetch::protocol"]),
        (
            vec!["ERR this repository is on fire\n".to_owned()],
            &["mirror::fetch::refused", "mirror::fetch::upstream_failed"],
        ),
    ];
    check(&cases, |_, lines| HostFaults::same(on_upload_pack(ChannelFault::Answer(lists(lines)))));
}

#[test]
fn non_advertisements_have_their_own_codes() {
    let send = |bytes: &[u8]| Script::new().send(bytes).line(Line::AwaitEof);
    let sha256 = Script::new().pkt("version 2\n").pkt("ls-refs\n").pkt("fetch\n").pkt("object-format=sha256\n").flush();
    let flood = Script::new().pkt("version 2\n");
    let flood = flood.line(Line::SendForever(format!("{:04x}{}\n", 1005, "x".repeat(1000)).into_bytes()));
    let refused = Script::new().line(Line::SendError(b"ERROR: Repository not found.\n".to_vec())).exit(128);
    let cases: Vec<(Script, &[&str])> = vec![
        (send(b"Welcome to the guest network!\n"), &["mirror::fetch::not_git"]),
        (send(b"zzzzversion 2\n"), &["mirror::fetch::not_git", "mirror::fetch::pkt_line"]),
        (send(b"0001"), &["mirror::fetch::pkt_line", "mirror::fetch::protocol", "mirror::fetch::not_git"]),
        (send(b"fff5"), &["mirror::fetch::pkt_line", "mirror::fetch::not_git"]),
        (Script::new().pkt("version 9\n").flush().line(Line::AwaitEof), &["mirror::fetch::version"]),
        (Script::new().pkt("version 2\n").flush().line(Line::AwaitEof), &["mirror::fetch::capability"]),
        (Script::new().pkt("ERR access denied\n").line(Line::AwaitEof), &["mirror::fetch::refused"]),
        (sha256.line(Line::AwaitEof), &["mirror::fetch::object_format"]),
        (flood, &["mirror::fetch::advertisement_size"]),
        (refused, &["mirror::fetch::refused"]),
        (Script::new(), &["mirror::fetch::hung_up"]),
    ];
    check(&cases, |_, script| HostFaults::same(on_upload_pack(ChannelFault::Answer(script.clone()))));
}

#[test]
fn a_pack_with_any_flipped_byte_is_refused() {
    let total = {
        let fixture = Fixture::new(Job::FollowingSync);
        let connection = fixture.world.host().wait_until_quiet().connections.pop().expect("because a sync made one");
        connection.channels[0].sent
    };
    // Nearly all of the answer is the pack. The refs come before it, and progress messages after it, whose text is free.
    let (begin, end) = (total / 10, total - total / 20);
    let offsets = (0..30).map(|n| begin + n * (end - begin) / 30);
    let pack: &[&str] = &[
        "mirror::fetch::pack_corrupt",
        "mirror::fetch::pack_checksum",
        "mirror::fetch::pack_header",
        "mirror::fetch::pack_base",
        "mirror::fetch::object_malformed",
        "mirror::fetch::object_size",
        "mirror::fetch::pkt_line",
        "mirror::fetch::protocol",
        "mirror::fetch::pack_cut",
    ];
    let cases: Vec<_> = offsets.map(|offset| (offset, pack)).collect();
    check(&cases, |_, offset| HostFaults::same(on_upload_pack(ChannelFault::Flip { offset: *offset })));
}

/// An upstream of version 2 that lists its real refs.
fn lists_truly(fixture: &Fixture) -> Script {
    let listed = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"];
    let listed = fixture.world.upstream().run(listed);
    let script = speaks_git().line(Line::AwaitFlush);
    listed.lines().fold(script, |script, line| script.pkt(format!("{line}\n"))).flush()
}

/// Answers the next fetch with one pack, and with these bytes behind it.
fn packs_up(script: Script, pack: &[u8], behind: &[u8]) -> Script {
    let script = script.line(Line::AwaitFlush).pkt("packfile\n");
    let script = pack.chunks(60_000).fold(script, |script, chunk| script.pkt([&[1], chunk].concat()));
    // Without an end of the answer the channel ends instead.
    if behind.is_empty() { script } else { script.send(behind).line(Line::AwaitEof) }
}

/// What is wrong with a pack.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// It lacks one of the wanted commits.
    Tip,
    /// It has the wanted commits, and not the trees and files of one of them.
    Content,
    /// Its last bytes do not come, and the answer ends as if they had.
    Truncated,
    /// Its last bytes do not come, and the channel ends.
    Cut,
    /// There is nothing in it.
    Empty,
    /// It is of a version that does not exist.
    Version,
    /// It announces four thousand million objects.
    Count,
    /// Upstream's git ends with an error message.
    Fatal,
}

/// Gives such a pack, and what comes behind it.
fn wrong_pack(fixture: &Fixture, wrong: Wrong) -> (Vec<u8>, &'static [u8]) {
    let upstream = fixture.world.upstream();
    let pack = |wants: &str| {
        let listed = upstream.git().run_with(upstream.path(), ["rev-list", "--objects", "--stdin"], wants.as_bytes());
        let names: Vec<_> = listed.lines().filter_map(|line| line.split(' ').next()).collect();
        packed(fixture, &names)
    };
    let flush = b"0000".as_slice();
    let mut all = pack("main\ngitops\nv1\nv2\n");
    match wrong {
        Wrong::Tip => return (pack("gitops\n"), flush),
        Wrong::Content => {
            let tips = upstream.run(["rev-parse", "main", "gitops", "v2"]);
            return (packed(fixture, &tips.split_whitespace().collect::<Vec<_>>()), flush);
        }
        Wrong::Empty => return (packed(fixture, &[]), flush),
        Wrong::Truncated => all.truncate(all.len() - 500),
        Wrong::Version => all[7] = 9,
        Wrong::Count => all[8..12].fill(0xf0),
        Wrong::Cut => {
            all.truncate(all.len() / 2);
            return (all, b"");
        }
        Wrong::Fatal => {
            all.truncate(all.len() / 2);
            return (all, b"0012\x03out of memory0000");
        }
    }
    (all, flush)
}

/// A pack of exactly these objects, by the real git.
fn packed(fixture: &Fixture, names: &[&str]) -> Vec<u8> {
    use std::io::Write;
    use std::process::Stdio;
    let upstream = fixture.world.upstream();
    let mut git = upstream.git().command(upstream.path(), ["pack-objects", "--stdout", "--quiet"]);
    let mut child = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("because git is installed");
    let mut stdin = child.stdin.take().expect("because it is piped");
    for name in names {
        writeln!(stdin, "{name}").expect("because git reads it");
    }
    drop(stdin);
    child.wait_with_output().expect("because git ends").stdout
}

#[test]
fn incomplete_and_impossible_packs_have_their_own_codes() {
    let cases: Vec<(Wrong, &[&str])> = vec![
        (Wrong::Tip, &["mirror::fetch::pack_wanted"]),
        (Wrong::Content, &["mirror::pack::missing", "mirror::pack::missing_object"]),
        (Wrong::Truncated, &["mirror::fetch::pack_cut"]),
        (Wrong::Cut, &["mirror::fetch::hung_up", "mirror::fetch::pack_cut", "mirror::fetch::write"]),
        (Wrong::Empty, &["mirror::fetch::pack_wanted"]),
        (Wrong::Version, &["mirror::fetch::pack_header"]),
        (Wrong::Count, &["mirror::fetch::pack_objects", "mirror::fetch::pack_corrupt", "mirror::fetch::pack_cut"]),
        (Wrong::Fatal, &["mirror::fetch::upstream_failed"]),
    ];
    check(&cases, |fixture, wrong| {
        let (pack, behind) = wrong_pack(fixture, *wrong);
        // The first connection lists refs and fetches; the following ones fetch what was listed.
        let looked = packs_up(lists_truly(fixture), &pack, behind);
        let fetched = packs_up(speaks_git(), &pack, behind);
        HostFaults(on_upload_pack(ChannelFault::Answer(looked)), on_upload_pack(ChannelFault::Answer(fetched)))
    });
}

#[test]
fn a_stalled_pack_ends_by_the_idle_timeout() {
    let cases: Vec<(u64, &[&str])> = [8_000, 20_000, 30_000].map(|at| (at, ["mirror::ssh::stalled"].as_slice())).into();
    let wrong = Mutex::new(Vec::new());
    side_by_side(Job::FollowingSync, STAGES, &cases, |fixture, (at, expected)| {
        fixture.limit(&[("idle", "6s")]);
        fixture.world.host().inject(
            Connections::Every,
            on_upload_pack(ChannelFault::Stop { at: Point::Sent(*at), then: Ending::Stall }),
        );
        let run = fixture.run();
        fixture.world.host().clear_faults();
        fixture.limit(&[]);
        let name = format!("a stall at {at}");
        fixture.prove_true(&run, &name);
        fixture.recover(&name);
        let code = run.lane("main")["fault"]["code"].as_str().unwrap_or_default().to_owned();
        if run.exit != Some(5) || !expected.contains(&code.as_str()) {
            wrong.lock().expect("because no other case failed").push(format!("{name}: {:?} {code}", run.exit));
        }
    });
    let wrong = wrong.into_inner().expect("because no case failed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
