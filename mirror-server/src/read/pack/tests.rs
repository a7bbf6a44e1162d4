//! Packs of a real git, behind a script that counts its runs and holds them until a test lets them go.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::StatusCode;
use mirror_core::config::{ByteSize, FreeSpace, Limits, Serve};
use mirror_core::name::BranchName;
use mirror_engine::space::SpaceGuard;
use mirror_transport::cache::Cache;
use mirror_transport::git::GitProgram;
use mirror_transport::pkt::{Band, Decoded, Packet, decode, encode};

use super::Packs;
use crate::http::answer::{Answer, AnswerBody};
use crate::observe::Metrics;
use crate::read::Version;
use crate::site::Served;

/// A repository, and a server's packs of it.
struct Rig {
    folder: tempfile::TempDir,
    served: Arc<Served>,
}

/// A server's packs, with what it counts.
struct Running {
    packs: Packs,
    metrics: Arc<Metrics>,
    served: Arc<Served>,
}

impl Rig {
    /// Makes a repository with some commits, of which the last is only in a snapshot, and the script.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("app.git");
        Cache::create(&place, &BranchName::parse("main").unwrap()).unwrap();
        let rig = Self { served: Served::at(place, "main"), folder };
        rig.commit("refs/heads/main", "one", &[1; 10]);
        rig.commit("refs/heads/main", "two", &[2; 10]);
        let snapshot = rig.commit("refs/heads/gone", "three", &[3; 10]);
        rig.git(&["update-ref", &format!("refs/mirror/snapshots/app/main/{snapshot}"), &snapshot]);
        rig.git(&["update-ref", "-d", "refs/heads/gone"]);
        rig.script("");
        rig
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the program `git`: it notes that it runs, does something, and becomes git. A child writes the file, so that no other test's child
    /// holds it open for writing.
    fn script(&self, before: &str) {
        let real = GitProgram::find().unwrap().path().display().to_string();
        let here = self.folder.path().display();
        let text = format!(
            "#!/bin/sh\n[ \"$1\" = version ] && exec {real} version\necho $$ >> '{here}/runs'\n{before}\nexec {real} \"$@\"\n"
        );
        let write = Command::new("sh")
            .args(["-c", "printf %s \"$1\" > git.new && chmod 755 git.new && mv git.new git", "sh", &text])
            .current_dir(self.folder.path())
            .status();
        assert!(write.unwrap().success());
    }

    /// Has each run of git wait until [`Rig::release`].
    fn hold(&self) {
        let made = Command::new("mkfifo").arg(self.path("gate")).status();
        assert!(made.unwrap().success());
        self.script(&format!("read line < '{}'", self.path("gate").display()));
    }

    /// Lets one run go on, once it waits.
    async fn release(&self) {
        let gate = self.path("gate");
        tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n").unwrap()).await.unwrap();
    }

    /// Waits until a run of git stands at the gate, and lets it stand there.
    async fn wait_for_run(&self) {
        let runs = self.path("runs");
        until(|| runs.exists()).await;
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.path("runs")).unwrap_or_default().lines().count()
    }

    fn git(&self, args: &[&str]) -> String {
        self.git_with(args, b"")
    }

    fn git_with(&self, args: &[&str], input: &[u8]) -> String {
        let (is_ok, out) = run_git(&self.served.place, args, input);
        assert!(is_ok, "git {args:?}");
        out
    }

    fn commit(&self, name: &str, message: &str, content: &[u8]) -> String {
        let mut stream = Vec::new();
        write!(stream, "commit {name}\ncommitter C <c@x> 1700000000 +0000\ndata {}\n{message}\n", message.len())
            .unwrap();
        let parent = run_git(&self.served.place, &["rev-parse", "--verify", "-q", "refs/heads/main"], b"");
        if parent.0 {
            writeln!(stream, "from {}", parent.1).unwrap();
        }
        write!(stream, "M 100644 inline {message}\ndata {}\n", content.len()).unwrap();
        stream.extend_from_slice(content);
        stream.extend_from_slice(b"\n");
        self.git_with(&["fast-import", "--quiet", "--force"], &stream);
        self.git(&["rev-parse", name])
    }

    fn snapshot(&self) -> String {
        self.git(&["for-each-ref", "--format=%(objectname)", "refs/mirror/snapshots"])
    }

    /// Begins a server, which gets the folder of kept packs. A child of another test may hold its lock for as long as it takes from `fork` to `exec`.
    async fn serve_kept(&self) -> Running {
        let mut running = self.serve();
        until(|| {
            if !running.packs.fanout.is_kept() {
                running = self.serve();
            }
            running.packs.fanout.is_kept()
        })
        .await;
        running
    }

    fn serve(&self) -> Running {
        self.serve_with(|_| {})
    }

    fn serve_with(&self, change: impl FnOnce(&mut Serve)) -> Running {
        let mut serve = Serve::local();
        serve.free_space = FreeSpace { stop: ByteSize::bytes(0), resume: ByteSize::bytes(0) };
        change(&mut serve);
        let guard = Arc::new(SpaceGuard::new(self.folder.path().to_owned(), serve.free_space));
        self.serve_beside(guard, |settings| *settings = serve)
    }

    /// Begins a server whose disk a guard watches.
    fn serve_beside(&self, guard: Arc<SpaceGuard>, change: impl FnOnce(&mut Serve)) -> Running {
        let mut serve = Serve::local();
        change(&mut serve);
        let path = std::env::join_paths([self.folder.path(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        let git = GitProgram::find_on(&path).unwrap();
        let metrics = Arc::new(Metrics::new());
        let packs = Packs::open(git, &serve, self.folder.path(), guard, Arc::clone(&metrics));
        Running { packs, metrics, served: Arc::clone(&self.served) }
    }

    /// Proves that a pack is whole, in a repository that has nothing else; gives its objects.
    fn prove(&self, pack: &[u8]) -> Vec<String> {
        let other = tempfile::tempdir().unwrap();
        assert!(run_git(other.path(), &["init", "-q", "--bare", "."], b"").0);
        let (is_ok, _) = run_git(other.path(), &["index-pack", "--stdin", "--strict"], pack);
        assert!(is_ok, "the pack is whole");
        let (_, list) = run_git(other.path(), &["cat-file", "--batch-check=%(objectname)", "--batch-all-objects"], b"");
        list.lines().map(ToOwned::to_owned).collect()
    }

    /// The files of kept packs.
    fn kept(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("fanout")).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("lock")).collect()
    }
}

impl Running {
    async fn ask(&self, version: Version, body: &[u8]) -> Answer {
        self.packs.answer(&self.served, version, body).await
    }

    async fn fetch(&self, version: Version, body: &[u8]) -> Vec<u8> {
        drain(self.ask(version, body).await).await.unwrap()
    }

    /// Ends it, once no pack is being made.
    async fn rest(self) {
        until(|| self.counted("git_mirror_packs_running") == 0).await;
    }

    /// The value of a line of the metrics.
    fn counted(&self, line: &str) -> u64 {
        let text = self.metrics.text(jiff::Timestamp::now());
        let found = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("nothing counts {line}")).parse().unwrap()
    }

    fn packs(&self, source: &str) -> u64 {
        self.counted(&format!("git_mirror_packs_total{{source=\"{source}\"}}"))
    }
}

/// Runs git in a repository; whether it succeeded, and what it printed.
fn run_git(place: &Path, args: &[&str], input: &[u8]) -> (bool, String) {
    let mut child = Command::new("git")
        .args(args)
        .current_dir(place)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", place)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_COMMITTER_NAME", "C")
        .env("GIT_COMMITTER_EMAIL", "c@x")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feed = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Waits for a state, for a minute at most.
async fn until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came to that");
        tokio::task::yield_now().await;
    }
}

/// Asks a future once; it has to be waiting.
async fn is_waiting<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

/// Reads the next part of a stored answer.
async fn part(answer: &mut Answer) -> Option<io::Result<Vec<u8>>> {
    let AnswerBody::Stored(stored) = answer.body_mut() else { panic!("the answer is stored") };
    let region = poll_fn(|context| stored.poll_region(context)).await?;
    Some(region.map(|region| {
        let mut bytes = vec![0; usize::try_from(region.length).unwrap()];
        region.file.read_exact_at(&mut bytes, region.offset).unwrap();
        bytes
    }))
}

async fn drain(mut answer: Answer) -> io::Result<Vec<u8>> {
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/x-git-upload-pack-result");
    if let AnswerBody::Whole(bytes) = answer.body() {
        return Ok(bytes.to_vec());
    }
    let mut all = Vec::new();
    while let Some(bytes) = part(&mut answer).await {
        all.extend(bytes?);
    }
    Ok(all)
}

fn length(answer: &Answer) -> Option<u64> {
    match answer.body() {
        AnswerBody::Stored(stored) => stored.length(),
        _ => None,
    }
}

fn v2(lines: &[&str]) -> Vec<u8> {
    v2_of("agent=git/2", lines)
}

fn v2_of(capability: &str, lines: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    for line in ["command=fetch", capability, "object-format=sha1"] {
        encode::data(format!("{line}\n").as_bytes(), &mut body);
    }
    encode::delimiter(&mut body);
    for line in lines {
        encode::data(format!("{line}\n").as_bytes(), &mut body);
    }
    encode::flush(&mut body);
    body
}

fn v0(want: &str) -> Vec<u8> {
    let mut body = Vec::new();
    encode::data(format!("want {want} side-band-64k ofs-delta no-progress\n").as_bytes(), &mut body);
    encode::flush(&mut body);
    encode::data(b"done\n", &mut body);
    body
}

/// Takes the pack out of an answer.
fn pack_of(mut answer: &[u8]) -> Vec<u8> {
    let mut pack = Vec::new();
    while !answer.is_empty() {
        let Decoded::Whole { packet, used } = decode(answer).unwrap() else { panic!("the answer is cut") };
        answer = &answer[used..];
        if let Packet::Data(bytes) = packet
            && let Ok(Band::Data(bytes)) = Band::of(bytes)
        {
            pack.extend_from_slice(bytes);
        }
    }
    pack
}

/// Bytes that no compression makes fewer.
fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

#[tokio::test]
async fn any_snapshot_can_be_wanted_in_both_protocols() {
    let rig = Rig::new();
    let (running, snapshot) = (rig.serve(), rig.snapshot());
    let objects = rig.git(&["rev-list", "--objects", "--no-object-names", &snapshot]);
    let mut expect: Vec<&str> = objects.lines().collect();
    expect.sort_unstable();
    for (version, body) in [
        (Version::V0, v0(&snapshot)),
        (Version::V1, v0(&snapshot)),
        (Version::V2, v2(&[&format!("want {snapshot}"), "done"])),
    ] {
        let answer = running.fetch(version, &body).await;
        assert_eq!(rig.prove(&pack_of(&answer)), expect, "{version:?}");
    }
    // Version 1 is version 0 here.
    assert_eq!((running.packs("made"), running.packs("disk"), rig.runs()), (2, 1, 2));
}

#[tokio::test]
async fn who_asks_at_once_shares_one_run_and_who_asks_later_gets_the_file() {
    let rig = Rig::new();
    rig.hold();
    let (running, want) = (rig.serve(), format!("want {}", rig.snapshot()));
    let (one, other) =
        (v2_of("agent=git/2.39", &[&want, "done"]), v2_of("session-id=abc", &[&want, &want, "thin-pack"]));
    let mut first = Box::pin(running.ask(Version::V2, &one));
    let mut second = Box::pin(running.ask(Version::V2, &other));
    assert!(is_waiting(&mut first).await && is_waiting(&mut second).await);
    rig.release().await;
    let first = drain(first.await).await.unwrap();
    let second = drain(second.await).await.unwrap();
    rig.prove(&pack_of(&first));
    assert!(first == second);
    until(|| running.counted("git_mirror_pack_cache_entries") == 1).await;
    let third = running.ask(Version::V2, &one).await;
    assert_eq!(length(&third), Some(first.len() as u64));
    assert!(drain(third).await.unwrap() == first);
    assert_eq!((running.packs("made"), running.packs("shared"), running.packs("disk")), (1, 1, 1));
    assert_eq!(rig.runs(), 1);
}

#[tokio::test]
async fn one_who_leaves_does_not_stop_the_others() {
    let rig = Rig::new();
    let big = rig.commit("refs/heads/main", "big", &noise(3 << 20, 1));
    rig.hold();
    let (running, body) = (rig.serve(), v0(&big));
    let mut first = Box::pin(running.ask(Version::V0, &body));
    let mut second = Box::pin(running.ask(Version::V0, &body));
    let mut third = Box::pin(running.ask(Version::V0, &body));
    assert!(is_waiting(&mut first).await && is_waiting(&mut second).await && is_waiting(&mut third).await);
    // The one for whom the run was begun leaves before the first byte, another one after it.
    drop(first);
    rig.release().await;
    let mut second = second.await;
    part(&mut second).await.unwrap().unwrap();
    drop(second);
    let third = drain(third.await).await.unwrap();
    assert!(rig.prove(&pack_of(&third)).contains(&big));
    assert_eq!(rig.runs(), 1);
}

#[tokio::test]
async fn the_last_one_who_leaves_stops_git_and_all_it_started() {
    let rig = Rig::new();
    // The script waits for a child of its own, as upload-pack does for pack-objects.
    rig.script(&format!("sleep 1000 & echo $! >> '{}'; wait", rig.path("runs").display()));
    let (running, body) = (rig.serve(), v0(&rig.snapshot()));
    let mut first = Box::pin(running.ask(Version::V0, &body));
    let mut second = Box::pin(running.ask(Version::V0, &body));
    assert!(is_waiting(&mut first).await && is_waiting(&mut second).await);
    until(|| rig.runs() == 2).await;
    let pids = std::fs::read_to_string(rig.path("runs")).unwrap();
    let pids = pids.lines().map(|pid| rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap());
    drop(first);
    assert!(is_waiting(&mut second).await, "one still waits");
    assert!(pids.clone().all(is_running));
    drop(second);
    until(|| pids.clone().all(|pid| !is_running(pid))).await;
    until(|| running.counted("git_mirror_packs_running") == 0).await;
    // Nothing is left of it: who comes now gets a run of their own.
    rig.script("");
    rig.prove(&pack_of(&running.fetch(Version::V0, &body).await));
}

/// Whether a process runs. One that has ended and waits to be collected does not.
fn is_running(pid: rustix::process::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

#[tokio::test]
async fn kept_packs_survive_a_restart_and_torn_ones_are_made_anew() {
    let rig = Rig::new();
    let body = v0(&rig.snapshot());
    let running = rig.serve_kept().await;
    let answer = running.fetch(Version::V0, &body).await;
    until(|| running.counted("git_mirror_pack_cache_entries") == 1).await;
    running.rest().await;
    let [file] = <[PathBuf; 1]>::try_from(rig.kept()).unwrap();

    let running = rig.serve_kept().await;
    assert_eq!(running.counted("git_mirror_pack_cache_entries"), 1);
    let again = running.ask(Version::V0, &body).await;
    assert_eq!(length(&again), Some(answer.len() as u64));
    assert!(drain(again).await.unwrap() == answer);
    assert_eq!((rig.runs(), running.packs("disk")), (1, 1));
    running.rest().await;

    type Damage = fn(&std::fs::File, u64) -> io::Result<()>;
    let damages: [(&str, Damage); 4] = [
        ("a byte", |file, _| file.write_all_at(b"X", 100)),
        ("cut", |file, length| file.set_len(length - 1)),
        ("zeros", |file, length| file.write_all_at(&vec![0; usize::try_from(length).unwrap()], 0)),
        ("empty", |file, _| file.set_len(0)),
    ];
    for (number, (what, damage)) in damages.into_iter().enumerate() {
        let open = std::fs::File::options().write(true).open(&file).unwrap();
        damage(&open, open.metadata().unwrap().len()).unwrap();
        let running = rig.serve_kept().await;
        let made = running.fetch(Version::V0, &body).await;
        rig.prove(&pack_of(&made));
        assert_eq!((running.counted("git_mirror_pack_cache_damaged_total"), rig.runs()), (1, number + 2), "{what}");
        until(|| running.counted("git_mirror_pack_cache_entries") == 1).await;
        running.rest().await;
    }
}

#[tokio::test]
async fn a_second_server_keeps_nothing_until_the_first_has_gone() {
    let rig = Rig::new();
    let body = v0(&rig.snapshot());
    let (first, second) = (rig.serve(), rig.serve());
    for _ in 0..2 {
        rig.prove(&pack_of(&second.fetch(Version::V0, &body).await));
        until(|| second.counted("git_mirror_packs_running") == 0).await;
    }
    assert_eq!((rig.runs(), rig.kept().len()), (2, 0));
    first.fetch(Version::V0, &body).await;
    until(|| first.counted("git_mirror_pack_cache_entries") == 1).await;
    assert_eq!(rig.kept().len(), 1);
    first.rest().await;
    // Making a pack takes the folder over, with what is in it.
    let alone = v2(&[&format!("want {}", rig.snapshot()), "have 1111111111111111111111111111111111111111", "done"]);
    while !second.packs.fanout.is_kept() {
        second.fetch(Version::V2, &alone).await;
    }
    let runs = rig.runs();
    second.fetch(Version::V0, &body).await;
    assert_eq!((second.packs("disk"), rig.runs()), (1, runs));
}

#[tokio::test]
async fn the_budget_holds_and_what_was_used_last_stays() {
    let rig = Rig::new();
    let tree: Vec<String> =
        (0..4).map(|seed| rig.commit(&format!("refs/heads/b{seed}"), "noise", &noise(3 << 20, seed + 1))).collect();
    let bodies: Vec<Vec<u8>> = tree.iter().map(|tip| v2(&[&format!("want {tip}"), "done"])).collect();
    // Room for two, and for a third while it is made.
    let running = rig.serve_with(|serve| serve.pack_cache = ByteSize::bytes(9 << 20));
    for body in &bodies[..2] {
        running.fetch(Version::V2, body).await;
    }
    until(|| running.counted("git_mirror_pack_cache_entries") == 2).await;
    let mut held = running.ask(Version::V2, &bodies[1]).await;
    assert!(length(&running.ask(Version::V2, &bodies[0]).await).is_some());
    running.fetch(Version::V2, &bodies[2]).await;
    until(|| running.counted("git_mirror_packs_running") == 0).await;
    assert!(running.counted("git_mirror_pack_cache_bytes") <= 9 << 20);
    assert_eq!(running.counted("git_mirror_pack_cache_evictions_total"), 1);
    assert_eq!(rig.kept().len(), 2);
    // Who reads what was evicted reads it to its end.
    let evicted = part(&mut held).await.unwrap().unwrap();
    assert!(rig.prove(&pack_of(&evicted)).contains(&tree[1]));
    assert_eq!(rig.runs(), 3);
    running.fetch(Version::V2, &bodies[0]).await;
    assert_eq!(rig.runs(), 3, "what was used last is there");
    running.fetch(Version::V2, &bodies[1]).await;
    assert_eq!(rig.runs(), 4);
}

#[tokio::test]
async fn without_room_on_disk_everybody_still_gets_the_pack() {
    let rig = Rig::new();
    // More than the window in memory holds.
    let big = rig.commit("refs/heads/main", "big", &noise(20 << 20, 9));
    rig.hold();
    type Change = fn(&mut Serve);
    let changes: [(&str, Change); 3] = [
        ("no budget", |serve| serve.pack_cache = ByteSize::bytes(0)),
        ("a small budget", |serve| serve.pack_cache = ByteSize::bytes(9 << 20)),
        ("no free space", |serve| serve.free_space.stop = ByteSize::bytes(u64::MAX)),
    ];
    for (what, change) in changes {
        let (running, body) = (rig.serve_with(change), v0(&big));
        let mut first = Box::pin(running.ask(Version::V0, &body));
        let mut second = Box::pin(running.ask(Version::V0, &body));
        assert!(is_waiting(&mut first).await && is_waiting(&mut second).await);
        rig.release().await;
        let read = |answer| async { drain(answer).await.unwrap() };
        let (first, second) = tokio::join!(async { read(first.await).await }, async { read(second.await).await });
        assert!(first == second);
        assert!(rig.prove(&pack_of(&first)).contains(&big));
        until(|| running.counted("git_mirror_packs_running") == 0).await;
        assert_eq!((running.counted("git_mirror_pack_cache_entries"), rig.kept().len()), (0, 0), "{what}");
    }
}

#[tokio::test]
async fn kept_packs_give_way_to_others_without_being_asked_and_readers_go_on() {
    let rig = Rig::new();
    let body = v0(&rig.snapshot());
    let free = rustix::fs::statvfs(rig.folder.path()).map(|seen| seen.f_bavail * seen.f_frsize).unwrap();
    let marks = FreeSpace { stop: ByteSize::bytes(1), resume: ByteSize::bytes(2 * free) };
    // The guard looks at a disk of its own, which can be full from one moment to the next.
    let disk = rig.path("disk");
    std::os::unix::fs::symlink(rig.folder.path(), &disk).unwrap();
    let guard = Arc::new(SpaceGuard::new(disk.clone(), marks));
    let running = rig.serve_beside(guard, |serve| serve.free_space = marks);
    let answer = running.fetch(Version::V0, &body).await;
    until(|| running.counted("git_mirror_pack_cache_entries") == 1).await;
    std::os::unix::fs::symlink("/proc", rig.path("full")).unwrap();
    std::fs::rename(rig.path("full"), &disk).unwrap();
    until(|| running.counted("git_mirror_pack_cache_evictions_total") == 1).await;
    assert_eq!((rig.kept().len(), rig.runs()), (0, 1));
    // Where a pack is cut into packets is git's to choose.
    assert!(pack_of(&running.fetch(Version::V0, &body).await) == pack_of(&answer));
    until(|| running.counted("git_mirror_packs_running") == 0).await;
    assert_eq!((rig.kept().len(), rig.runs()), (0, 2), "readers still get their pack, and it is not kept");
}

#[tokio::test]
async fn a_new_tag_makes_a_new_answer_for_those_who_want_tags() {
    let rig = Rig::new();
    let (running, want) = (rig.serve(), format!("want {}", rig.git(&["rev-parse", "main"])));
    let (plain, tagged) = (v2(&[&want, "done"]), v2(&[&want, "include-tag", "done"]));
    running.fetch(Version::V2, &plain).await;
    let before = rig.prove(&pack_of(&running.fetch(Version::V2, &tagged).await));
    until(|| running.counted("git_mirror_pack_cache_entries") == 2).await;
    rig.git(&["tag", "-a", "-m", "first", "v1", "main"]);
    let tag = rig.git(&["rev-parse", "v1"]);
    let after = rig.prove(&pack_of(&running.fetch(Version::V2, &tagged).await));
    assert!(!before.contains(&tag) && after.contains(&tag));
    until(|| running.counted("git_mirror_pack_cache_entries") == 3).await;
    running.fetch(Version::V2, &tagged).await;
    running.fetch(Version::V2, &plain).await;
    assert_eq!((rig.runs(), running.packs("disk")), (3, 2));
}

#[tokio::test]
async fn an_answer_during_which_tags_changed_is_not_kept() {
    let rig = Rig::new();
    rig.hold();
    let (running, want) = (rig.serve(), format!("want {}", rig.git(&["rev-parse", "main"])));
    let body = v2(&[&want, "include-tag", "done"]);
    let mut answer = Box::pin(running.ask(Version::V2, &body));
    assert!(is_waiting(&mut answer).await);
    let asking = tokio::spawn({
        let gate = rig.path("runs");
        async move { until(|| gate.exists()).await }
    });
    let (answer, ()) = tokio::join!(answer, async {
        asking.await.unwrap();
        rig.git(&["tag", "-a", "-m", "late", "v2", "main"]);
        rig.release().await;
    });
    rig.prove(&pack_of(&drain(answer).await.unwrap()));
    until(|| running.counted("git_mirror_packs_running") == 0).await;
    assert_eq!(running.counted("git_mirror_pack_cache_entries"), 0);
}

#[tokio::test]
async fn an_absent_object_is_refused_in_gits_words_and_asked_for_again() {
    let rig = Rig::new();
    let running = rig.serve();
    let absent = "1".repeat(40);
    let (old, new) = (v0(&absent), v2(&[&format!("want {absent}"), "done"]));
    for _ in 0..2 {
        for (version, body) in [(Version::V0, &old), (Version::V2, &new)] {
            let answer = running.fetch(version, body).await;
            assert_eq!(String::from_utf8(answer).unwrap(), format!("0049ERR upload-pack: not our ref {absent}"));
        }
    }
    assert_eq!((rig.runs(), rig.kept().len()), (4, 0));
}

#[tokio::test]
async fn a_history_that_cannot_end_where_it_should_is_no_fault_of_the_server() {
    let rig = Rig::new();
    let running = rig.serve();
    let tip = rig.git(&["rev-parse", "main"]);
    for end in ["deepen-since 4000000000", "deepen-not refs/heads/absent", "deepen-not refs/heads/main"] {
        let answer = running.fetch(Version::V2, &v2(&[&format!("want {tip}"), end, "done"])).await;
        let told = String::from_utf8(answer).unwrap();
        assert!(told[4..].starts_with("ERR the history cannot end there"), "{end}: {told}");
    }
    // What git gives up on for another reason is one.
    rig.script("exit 128");
    let failed = running.ask(Version::V2, &v2(&[&format!("want {tip}"), "done"])).await;
    assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
    rig.script("kill -9 $$");
    let killed = running.ask(Version::V2, &v2(&[&format!("want {tip}"), "deepen-since 1", "done"])).await;
    assert_eq!(killed.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn requests_that_are_none_are_refused_without_a_run() {
    let rig = Rig::new();
    let running = rig.serve();
    let answer = running.fetch(Version::V2, &v2(&["want 12"])).await;
    assert_eq!(String::from_utf8(answer).unwrap(), "0029ERR expected an object's id, got '12'");
    let cut = running.ask(Version::V0, &v0(&rig.snapshot())[..30]).await;
    assert_eq!(cut.status(), StatusCode::BAD_REQUEST);
    assert_eq!(running.fetch(Version::V0, b"0000").await, b"");
    assert_eq!(rig.runs(), 0);
}

#[tokio::test]
async fn haves_that_are_known_are_shared_and_others_are_not() {
    let rig = Rig::new();
    let running = rig.serve();
    let (tip, first) = (rig.git(&["rev-parse", "main"]), rig.git(&["rev-parse", "main~1"]));
    let fetch = |have: &str| v2(&[&format!("want {tip}"), &format!("have {have}"), "thin-pack", "done"]);
    for (have, runs) in [(first.as_str(), 1), (first.as_str(), 1), (&"2".repeat(40), 2), (&"2".repeat(40), 3)] {
        let answer = running.fetch(Version::V2, &fetch(have)).await;
        assert!(!pack_of(&answer).is_empty());
        until(|| running.counted("git_mirror_packs_running") == 0).await;
        assert_eq!(rig.runs(), runs);
    }
    assert_eq!((running.packs("made"), running.packs("disk"), running.packs("alone")), (1, 1, 2));
    assert_eq!(rig.kept().len(), 1);
}

#[tokio::test]
async fn more_than_may_wait_are_told_to_come_again() {
    let rig = Rig::new();
    rig.hold();
    let running = rig.serve_with(|serve| serve.limits = Limits { packs: 1, queue: 1, ..serve.limits });
    let tips: Vec<String> = ["main", "main~1"].map(|name| rig.git(&["rev-parse", name])).into();
    let bodies = [v0(&tips[0]), v0(&tips[1]), v0(&rig.snapshot())];
    let [mut first, mut second] = [0, 1].map(|at| Box::pin(running.ask(Version::V0, &bodies[at])));
    assert!(is_waiting(&mut first).await);
    rig.wait_for_run().await;
    assert!(is_waiting(&mut second).await);
    until(|| running.counted("git_mirror_packs_waiting") == 1).await;
    let refused = running.ask(Version::V0, &bodies[2]).await;
    assert_eq!(
        (refused.status(), refused.headers()["retry-after"].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, "5")
    );
    // Who asks for what is being made, or waits to be, needs no place of their own.
    let mut joined = Box::pin(running.ask(Version::V0, &bodies[1]));
    assert!(is_waiting(&mut joined).await);
    rig.release().await;
    drain(first.await).await.unwrap();
    rig.release().await;
    let (second, joined) = (drain(second.await).await.unwrap(), drain(joined.await).await.unwrap());
    assert!(second == joined);
    rig.prove(&pack_of(&second));
    assert_eq!(rig.runs(), 2);
}

#[tokio::test]
async fn a_git_that_fails_in_the_middle_never_ends_an_answer() {
    let rig = Rig::new();
    rig.script("printf '0008NAK\\n0009\\001PACK'; exit 3");
    let (running, body) = (rig.serve(), v0(&rig.snapshot()));
    let mut answer = running.ask(Version::V0, &body).await;
    assert_eq!((answer.status(), length(&answer)), (StatusCode::OK, None));
    let mut last = None;
    while let Some(bytes) = part(&mut answer).await {
        last = Some(bytes.is_ok());
        if last == Some(false) {
            break;
        }
    }
    assert_eq!(last, Some(false), "the end of the answer is an error");
    rig.script("exit 3");
    let answer = running.ask(Version::V0, &body).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    rig.script("");
    rig.prove(&pack_of(&running.fetch(Version::V0, &body).await));
}

#[tokio::test]
async fn git_is_told_what_it_may_use_and_sees_nothing_else() {
    let rig = Rig::new();
    rig.script(&format!("env > '{}'", rig.path("seen").display()));
    let running = rig.serve();
    running.fetch(Version::V2, &v2(&[&format!("want {}", rig.snapshot()), "done"])).await;
    let seen = std::fs::read_to_string(rig.path("seen")).unwrap();
    let mut words = String::new();
    for at in 0.. {
        let of = |kind: &str| seen.lines().find_map(|line| line.strip_prefix(&format!("GIT_CONFIG_{kind}_{at}=")));
        let (Some(key), Some(value)) = (of("KEY"), of("VALUE")) else { break };
        let _ = write!(words, "{key}={value} ");
    }
    for expect in
        ["pack.threads=1 ", "pack.windowMemory=", "core.packedGitLimit=", "uploadpack.allowAnySHA1InWant=true "]
    {
        assert!(words.contains(expect), "{expect} in {words}");
    }
    let unset = |name: &str| !seen.lines().any(|line| line.starts_with(name));
    assert!(["USER=", "CARGO", "SSH_", "HTTP"].into_iter().all(unset), "{seen}");
    assert!(seen.lines().any(|line| line == "GIT_PROTOCOL=version=2"));
}
