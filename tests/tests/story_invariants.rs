//! Invariants that only the whole program can keep: I2, I3, I8, I9, I10, each by its name.
//!
//! The others are tested elsewhere: I1, I4 and I5 in the core and in the cache, I6 in `story_operators`, I7 in the crash suites,
//! and I1 to I7 together in the simulation of the engine.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::channel;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mirror_tests::footprint::Footprint;
use mirror_tests::proxy::embedded::Credentials;
use mirror_tests::requires;
use mirror_tests::sandbox::{KeyKind, private_key};
use mirror_tests::sshhost::embedded::{Connections, HookPoint, HostFault};
use mirror_tests::world::{ProxyKind, Run, World};
use russh::keys::ssh_key::{Cipher, Kdf, LineEnding};
use serde_json::json;

/// A world in sync, with `main` and `gitops`.
fn synced() -> World {
    let world = World::builder().proxy(ProxyKind::Embedded).build();
    world.upstream().commit("main").file("source", "one\n").make();
    world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    world
}

/// The states in which a lane can be, each made of the one before.
const STATES: [fn(&World); 5] = [
    |_| {},
    // Upstream has moved, here and there.
    |world| {
        world.upstream().commit("main").file("source", "two\n").make();
        world.upstream().commit("gitops").file("deployed", "two\n").make();
    },
    // A commit waits for a flush.
    |world| {
        world.mirror(&["sync", "--confirm"]);
        world.cache().commit("gitops").file("deployed", "three\n").make();
    },
    // The tips have diverged.
    |world| {
        world.upstream().commit("gitops").file("deployed", "other\n").make();
        world.mirror(&["sync", "--confirm"]);
    },
    // Upstream was rewritten.
    |world| {
        world.upstream().commit("main").root().file("source", "rewritten\n").make();
        world.upstream().commit("gitops").root().file("deployed", "rewritten\n").make();
    },
];

#[test]
fn i2_accepted_commits_stay_reachable_until_upstream() {
    let world = synced();
    let mut accepted = BTreeSet::new();
    for state in STATES {
        state(&world);
        accepted.extend(world.cache().branch("gitops"));
        for verb in [
            &["sync"] as &[&str],
            &["flush"],
            &["snapshots", "prune"],
            &["lane", "resolve", "--adopt-upstream"],
            &["sync"],
            &["flush"],
        ] {
            world.mirror(&[verb, &["--confirm"]].concat());
            let kept: BTreeSet<_> = reachable(&world);
            let lost: Vec<_> = accepted.iter().filter(|commit| !kept.contains(&commit.to_string())).collect();
            assert!(lost.is_empty(), "{verb:?} lost {lost:?}");
        }
    }
    world.cache().fsck();
}

/// Every commit that a ref of the cache or of upstream reaches.
fn reachable(world: &World) -> BTreeSet<String> {
    let of = |repository: &mirror_tests::sandbox::Repository| repository.run(["rev-list", "--all"]);
    format!("{}\n{}", of(&world.cache()), of(world.upstream())).lines().map(str::to_owned).collect()
}

#[test]
fn i3_upstream_is_only_asked_for_fast_forwards() {
    let world = synced();
    let asked = world.sandbox().path().join("asked");
    let script = format!(
        "while read -r old new name; do\nkind=other\ncase $new in *[!0]*) case $old in *[!0]*) git merge-base --is-ancestor $old $new && kind=forward;; *) kind=new;; esac;; *) kind=deletion;; esac\necho \"$kind $name\" >>{}\ndone",
        asked.display()
    );
    world.upstream().hook("pre-receive", &script);
    let verbs = || {
        for verb in [
            &["flush"] as &[&str],
            &["sync"],
            &["lane", "resolve", "--adopt-upstream"],
            &["snapshots", "prune"],
            &["flush"],
        ] {
            world.mirror(&[verb, &["--confirm"]].concat());
        }
    };
    for state in STATES {
        state(&world);
        world.mirror(&["flush", "--confirm"]);
    }
    verbs();
    world.cache().commit("gitops").file("deployed", "again\n").make();
    verbs();
    world.upstream().delete_ref("refs/heads/gitops");
    verbs();
    world.cache().delete_ref("refs/heads/gitops");
    world.upstream().commit("gitops").root().file("deployed", "new\n").make();
    verbs();
    let asked = std::fs::read_to_string(asked).expect("because something was pushed");
    let kinds: BTreeSet<_> = asked.lines().collect();
    assert_eq!(kinds, BTreeSet::from(["forward refs/heads/gitops", "new refs/heads/gitops"]), "{asked}");
}

/// A password no one else has.
const PASSWORD: &str = "pr0xy-Pa55-q7Xw";
/// A passphrase no one else has.
const PASSPHRASE: &str = "k3y-Pa55phrase-z9Vt";

#[test]
fn i8_no_secret_is_ever_shown_or_stored() {
    let mut world = synced();
    world.proxy().require(Credentials { user: "ci".to_owned(), password: PASSWORD.to_owned() });
    let text = std::fs::read_to_string(&world.client().identity).expect("because the key was written");
    let key = russh::keys::PrivateKey::from_openssh(&text).expect("because the key was made here");
    let kdf = Kdf::Bcrypt { salt: vec![7; 16], rounds: 4 };
    let locked = key.encrypt_with(Cipher::Aes256Ctr, kdf, 7, PASSPHRASE).expect("because it is a key");
    let locked = locked.to_openssh(LineEnding::LF).expect("because it is a key");
    let sandbox = world.sandbox();
    let files = [
        ("secrets/credentials", format!("ci:{PASSWORD}\n")),
        ("secrets/passphrase", format!("{PASSPHRASE}\n")),
        ("secrets/locked", locked.to_string()),
        ("secrets/wrong-credentials", format!("ci:{PASSWORD}-stale\n")),
        ("secrets/wrong-passphrase", format!("{PASSPHRASE}-stale\n")),
    ];
    let [credentials, passphrase, identity, wrong_credentials, wrong_passphrase] =
        files.each_ref().map(|(name, content)| sandbox.write(name, content));
    std::fs::remove_file(&world.client().identity).expect("because the open key is not needed");
    // What may be seen of the secrets nowhere: as they are, as HTTP writes them, and the lines of the key.
    let mut secrets = vec![PASSWORD.to_owned(), PASSPHRASE.to_owned()];
    for tail in ["", "-stale"] {
        secrets.push(STANDARD.encode(format!("ci:{PASSWORD}{tail}")).trim_end_matches('=').to_owned());
    }
    secrets.extend(text.lines().chain(locked.lines()).filter(|line| line.len() == 70).map(str::to_owned));
    assert!(secrets.len() > 6, "the key has lines");

    let configure = |world: &mut World, credentials: &Path, passphrase: &Path| {
        world.configure(|config| {
            config["githubTransport"]["proxyCredentials"] = json!({ "file": credentials });
            config["githubTransport"]["identity"] = json!({ "file": identity, "passphraseFile": passphrase });
        });
    };
    let verbs: [&[&str]; 11] = [
        &["sync"],
        &["sync", "--confirm"],
        &["flush"],
        &["flush", "--confirm"],
        &["status"],
        &["status", "--refresh"],
        &["doctor"],
        &["history"],
        &["snapshots", "list"],
        &["config", "show"],
        &["config", "check"],
    ];
    let all = |world: &World, good: bool| {
        let mut failed = 0;
        for verb in verbs {
            for form in ["text", "json", "yaml"] {
                let mut command = world.command(verb);
                let run =
                    Run::of(command.args(["-vvv", "-o", form]).env("RUST_BACKTRACE", "1").env("RUST_LOG", "trace"));
                failed += u32::from(run.exit != Some(0));
                silent(&secrets, &format!("{verb:?} as {form}"), &format!("{}{}", run.stdout, run.stderr));
            }
        }
        assert_eq!(failed == 0, good, "{failed} runs failed");
    };
    // All well; then each secret wrong; then the host at fault behind both.
    configure(&mut world, &credentials, &passphrase);
    world.cache().commit("gitops").file("deployed", "two\n").make();
    world.mirror(&["flush", "--confirm", "-vvv"]).expect(0);
    all(&world, true);
    configure(&mut world, &wrong_credentials, &passphrase);
    all(&world, false);
    configure(&mut world, &credentials, &wrong_passphrase);
    all(&world, false);
    configure(&mut world, &credentials, &passphrase);
    world.host().inject(Connections::Every, HostFault::RefuseLogin);
    all(&world, false);
    world.host().clear_faults();

    // Nor are they visible in the running process.
    let (arrived, arrival) = channel();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    world.host().hook(HookPoint::BeforeGit, move |_| {
        let _ = arrived.send(());
        let _ = released.lock().expect("because no hook panics").recv();
    });
    let mut child =
        world.command(&["sync", "--confirm"]).stdout(Stdio::null()).spawn().expect("because it can be started");
    arrival.recv().expect("because the sync reaches upstream");
    for file in ["cmdline", "environ"] {
        let seen = std::fs::read(format!("/proc/{}/{file}", child.id())).expect("because it runs");
        silent(&secrets, file, &String::from_utf8_lossy(&seen));
    }
    drop(release);
    assert!(child.wait().expect("because it is ours").success());

    // Nor is one of them in the cache: in its journal, its lock, its configuration.
    files_below(&world.cache_folder(), &mut |path, content| {
        silent(&secrets, &path.display().to_string(), &String::from_utf8_lossy(content));
    });
}

#[track_caller]
fn silent(secrets: &[String], what: &str, said: &str) {
    for secret in secrets {
        assert!(!said.contains(secret.as_str()), "{what} has the secret {secret}:\n{said}");
    }
}

fn files_below(path: &Path, see: &mut impl FnMut(&Path, &[u8])) {
    if path.is_dir() {
        let inside = std::fs::read_dir(path).expect("because the folder is ours");
        inside.flatten().for_each(|entry| files_below(&entry.path(), see));
    } else {
        see(path, &std::fs::read(path).expect("because the file is ours"));
    }
}

#[test]
fn i9_only_the_proxy_is_ever_connected() {
    let mut world = synced();
    let tunnels = world.proxy().record().connections;
    let visits = world.host().record().connections.len();
    world.cache().commit("gitops").file("deployed", "two\n").make();
    let verbs: [&[&str]; 4] = [&["sync", "--confirm"], &["flush", "--confirm"], &["status", "--refresh"], &["doctor"]];
    for verb in verbs {
        traced(&world, verb);
    }
    assert_eq!(world.proxy().record().connections - tunnels, 4, "one connection a verb, to the proxy");
    assert_eq!(world.host().wait_until_quiet().connections.len() - visits, 4, "and the host had no other connection");

    // A host that only the proxy could find: its name is not resolved here, and a refusal is not bypassed.
    world.configure(|config| {
        let port = config["repositories"]["app"]["upstream"]
            .as_str()
            .and_then(|url| url.rsplit_once(':'))
            .map(|(_, rest)| rest.to_owned());
        config["repositories"]["app"]["upstream"] =
            json!(format!("ssh://git@upstream.invalid:{}", port.unwrap_or_default()));
    });
    traced(&world, &["sync", "--confirm"]);
    let record = world.proxy().record();
    assert!(record.requests.last().is_some_and(|line| line.starts_with("CONNECT upstream.invalid:")), "{record:?}");
}

/// Runs a verb, under `strace` where that is to be had, and proves that its only connections are those to the proxy.
fn traced(world: &World, verb: &[&str]) {
    let plain = world.command(verb);
    let Some(strace) = requires::find("strace").filter(|strace| can_trace(strace)) else {
        Run::of(&mut world.command(verb));
        return;
    };
    let log = world.sandbox().path().join("strace.log");
    let mut command = Command::new(strace);
    command.args(["--follow-forks", "--trace=connect,sendto,sendmsg", "--output"]).arg(&log);
    command.arg(plain.get_program()).args(plain.get_args()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(world.sandbox().path()).stdin(Stdio::null());
    Run::of(&mut command);
    let calls = std::fs::read_to_string(&log).expect("because strace wrote it");
    let addressed: Vec<_> = calls.lines().filter(|line| line.contains("sa_family=")).collect();
    let proxy = format!("sin_port=htons({}), sin_addr=inet_addr(\"127.0.0.1\")", world.proxy().port());
    assert!(!addressed.is_empty(), "{verb:?} made no connection:\n{calls}");
    assert!(addressed.iter().all(|line| line.contains(&proxy)), "{verb:?} spoke to others:\n{calls}");
}

fn can_trace(strace: &Path) -> bool {
    let tried =
        Command::new(strace).args(["--trace=none", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

#[test]
fn i10_without_confirm_no_byte_changes() {
    let world = World::builder().proxy(ProxyKind::Embedded).build();
    let verbs: [&[&str]; 14] = [
        &["sync"],
        &["sync", "--dry-run", "--wait"],
        &["flush"],
        &["flush", "--dry-run"],
        &["status"],
        &["status", "--refresh"],
        &["snapshots", "list"],
        &["snapshots", "prune"],
        &["lane", "resolve", "--adopt-upstream"],
        &["history"],
        &["doctor"],
        &["config", "check"],
        &["config", "show"],
        &["config", "schema"],
    ];
    let check = |state: &str| {
        let everything = Footprint::of(world.sandbox().path());
        for verb in verbs {
            for form in ["text", "json"] {
                let run = Run::of(world.command(verb).args(["-o", form]));
                assert!(run.exit.is_some(), "{verb:?} {state}: {}", run.stderr);
                everything.expect_unchanged(world.sandbox().path());
            }
        }
    };
    check("before anything is there");
    world.upstream().commit("main").file("source", "one\n").make();
    world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    check("before the first sync");
    world.mirror(&["sync", "--confirm"]).expect(0);
    for (number, state) in STATES.iter().enumerate() {
        state(&world);
        check(&format!("in state {number}"));
    }
}

#[test]
fn i8_the_search_for_secrets_finds_a_leak() {
    // A search that finds nothing proves something only if it can find something.
    let key = private_key(KeyKind::Ed25519).to_openssh(LineEnding::LF).expect("because the key was made here");
    let lines: Vec<String> = key.lines().filter(|line| line.len() == 70).map(str::to_owned).collect();
    assert!(!lines.is_empty());
    let leak = format!("debug: loaded {}", lines[0]);
    assert!(std::panic::catch_unwind(|| silent(&lines, "a leak", &leak)).is_err());
}
