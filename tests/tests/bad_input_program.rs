//! Bad input through the whole program: the place, what is wrong, the repair, the documented exit code, and no change.
//!
//! The snapshots hold the text output of every case, with paths, ports and whatever else differs between two runs put
//! behind names. The texts of single configuration errors are in the configuration's own tests.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use mirror_tests::footprint::Footprint;
use mirror_tests::product;
use mirror_tests::sandbox::{KeyKind, private_key};
use mirror_tests::world::{Run, World};
use russh::keys::ssh_key::{Cipher, Kdf, LineEnding};
use serde_json::json;

/// A world whose upstream has both branches; nothing was synced.
fn world() -> World {
    let world = World::builder().build();
    world.upstream().commit("main").file("a.txt", "one\n").make();
    world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    world
}

/// Several cases and what the program made of them.
struct Cases<'w> {
    world: &'w World,
    text: String,
}

impl<'w> Cases<'w> {
    fn of(world: &'w World) -> Self {
        Self { world, text: String::new() }
    }

    /// Runs one case and proves its exit code, that nothing anywhere changed, and that no upstream was troubled before its turn.
    #[track_caller]
    fn case(&mut self, what: &str, words: &[&str], exit: i32) {
        let mut command = self.world.command(words);
        self.run(what, words, &mut command, exit);
    }

    #[track_caller]
    fn run(&mut self, what: &str, words: &[&str], command: &mut Command, exit: i32) {
        let before = Footprint::of(self.world.sandbox().path());
        let run = Run::of(command).expect(exit);
        before.expect_unchanged(self.world.sandbox().path());
        self.tell(what, words, &run);
    }

    fn tell(&mut self, what: &str, words: &[&str], run: &Run) {
        let said = redact(self.world, &format!("{}{}", run.stdout, run.stderr));
        let exit = run.exit.unwrap_or_default();
        let words = redact(self.world, &words.join(" "));
        writeln!(self.text, "# {what}\n$ git-mirror {words}\n{}\n[exit {exit}]\n", said.trim_end())
            .expect("because a string takes everything");
    }
}

/// Puts names where two runs differ.
fn redact(world: &World, text: &str) -> String {
    let text = text.replace(&*world.sandbox().path().to_string_lossy(), "FOLDER");
    let text = text.replace(&format!(":{}", world.address().port()), ":PORT");
    let ago = |line: &str| match line.split_once("upstream seen ") {
        Some((before, _)) => format!("{before}upstream seen AGO"),
        None => line.to_owned(),
    };
    let text = text.split('\n').map(ago).collect::<Vec<_>>().join("\n");
    let split = |symbol: char| !symbol.is_ascii_alphanumeric() && !matches!(symbol, ':' | '+' | '/' | '=');
    let mut named = text.clone();
    for word in text.split(split) {
        if word.starts_with("SHA256:") {
            named = named.replace(word, "SHA256:FINGERPRINT");
        } else if word.starts_with("AAAAC3Nza") {
            named = named.replace(word, "KEY");
        }
    }
    named
}

/// Changes the configuration for as long as a case needs it.
#[track_caller]
fn with_config(world: &mut World, change: impl FnOnce(&mut serde_json::Value), then: impl FnOnce(&World)) {
    let mut before = serde_json::Value::Null;
    world.configure(|config| {
        before = config.clone();
        change(config);
    });
    then(world);
    world.configure(|config| *config = before);
}

/// Runs the program as a user other than root, so that file modes are effective.
fn unprivileged(world: &World, words: &[&str]) -> Command {
    let folder = world.sandbox().path();
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).expect("because the folder is ours");
    std::fs::set_permissions(world.config_file(), PermissionsExt::from_mode(0o644)).expect("because the file is ours");
    let plain = world.command(words);
    if !rustix::process::geteuid().is_root() {
        return plain;
    }
    let mut command = Command::new(mirror_tests::requires::program("setpriv"));
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command.arg(plain.get_program()).args(plain.get_args());
    same_surroundings(&mut command, &plain);
    command
}

fn same_surroundings(command: &mut Command, as_of: &Command) {
    command.env_clear().stdin(Stdio::null());
    command.envs(as_of.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(as_of.get_current_dir().unwrap_or(Path::new("/")));
}

#[test]
fn contradictory_and_unknown_arguments() {
    let world = world();
    let mut cases = Cases::of(&world);
    for verb in ["sync", "flush"] {
        cases.case("showing and doing at once", &[verb, "--dry-run", "--confirm"], 2);
    }
    cases.case("a wait that ends before it begins", &["sync", "--confirm", "--wait", "--timeout", "0"], 2);
    cases.case("the same with its unit", &["sync", "--confirm", "--wait", "--timeout", "0s"], 2);
    cases.case("a deadline for no wait", &["sync", "--confirm", "--timeout", "1m"], 2);
    cases.case("no length of time", &["sync", "--confirm", "--wait", "--timeout", "soon"], 2);
    cases.case("an unknown node", &["sync", "--confirm", "--node", "D601"], 2);
    cases.case("an unknown lane", &["flush", "--confirm", "--lane", "v03"], 2);
    cases.case("a misspelt lane", &["status", "--lane", "mian"], 2);
    cases.case("an unknown verb", &["snyc"], 2);
    assert!(world.host().record().connections.is_empty(), "no connection was made");
    insta::assert_snapshot!(cases.text);
}

#[test]
fn an_unreadable_configuration() {
    let world = world();
    let mut cases = Cases::of(&world);
    let put = |content: &[u8]| world.sandbox().write("git-mirror.yaml", content);
    put(b"");
    cases.case("an empty file", &["sync", "--confirm"], 2);
    put(b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe");
    cases.case("a binary file", &["sync", "--confirm"], 2);
    put(b"apiVersion: git-mirror/v1\nkind: MirrorConfig\nrepositories: {}\nnodes: {}\nkind: MirrorConfig\n");
    cases.case("a key twice", &["sync", "--confirm"], 2);
    put(b"apiVersion: git-mirror/v1\nkind: MirrorConfig\nrepositories: []\nnodes: many\n");
    cases.case("values of the wrong type", &["sync", "--confirm"], 2);
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let below = format!("*a{}, ", level - 1).repeat(9);
        writeln!(bomb, "a{level}: &a{level} [{below}]").expect("because a string takes everything");
    }
    put(bomb.as_bytes());
    cases.case("anchors that grow without end", &["sync", "--confirm"], 2);
    std::fs::remove_file(world.config_file()).expect("because it was just written");
    cases.case("no file", &["sync", "--confirm"], 2);
    std::fs::create_dir(world.config_file()).expect("because nothing is there");
    cases.case("a folder", &["sync", "--confirm"], 2);
    let elsewhere = world.sandbox().path().join("home");
    let mut nowhere = Command::new(product::git_mirror());
    nowhere
        .env_clear()
        .env("HOME", &elsewhere)
        .current_dir(&elsewhere)
        .stdin(Stdio::null())
        .args(["sync", "--confirm"]);
    cases.run("no file in any of the usual places", &["sync", "--confirm"], &mut nowhere, 2);
    insta::assert_snapshot!(cases.text);
}

#[test]
fn a_malformed_upstream() {
    let mut world = world();
    let mut text = String::new();
    for (what, url) in [
        ("https", "https://github.com/octo/app.git"),
        ("no path", "ssh://git@ssh.github.com:443"),
        ("a password", "ssh://git:hunter2@ssh.github.com:443/octo/app.git"),
        ("another scheme", "git://github.com/octo/app.git"),
    ] {
        let change = |config: &mut serde_json::Value| config["repositories"]["app"]["upstream"] = json!(url);
        with_config(&mut world, change, |world| {
            let mut cases = Cases::of(world);
            cases.case(what, &["sync", "--confirm"], 2);
            text += &cases.text;
        });
    }
    assert!(!text.contains("hunter2"), "a password is never repeated");
    let scp = |config: &mut serde_json::Value| {
        config["repositories"]["app"]["upstream"] = json!("git@github.com:octo/app.git")
    };
    with_config(&mut world, scp, |world| {
        let run = world.mirror_as_text(&["config", "show"]).expect(0);
        assert!(run.stdout.contains("ssh://git@github.com/octo/app.git"), "the canonical form: {}", run.stdout);
    });
    insta::assert_snapshot!(text);
}

#[test]
fn a_cache_path_that_is_not_allowed() {
    let world = world();
    let (sandbox, git) = (world.sandbox(), world.sandbox().git());
    let path = world.cache().path().to_owned();
    std::fs::create_dir(world.cache_folder()).expect("because the sandbox is writable");
    let mut cases = Cases::of(&world);
    let mut check = |what: &str| {
        for words in [&["sync", "--confirm"] as &[&str], &["flush", "--confirm"], &["status"]] {
            cases.case(what, words, 2);
        }
        if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) }
            .expect("because it is ours");
    };
    let url = world.upstream().path().to_string_lossy().into_owned();
    git.run(sandbox.path(), ["clone", "--quiet", &url, &path.to_string_lossy()]);
    check("a work tree");
    sandbox.write("cache/app.git", "a file\n");
    check("a file");
    sandbox.write("cache/app.git/notes.txt", "mine\n");
    check("a folder with other things in it");
    git.run(sandbox.path(), ["clone", "--quiet", "--bare", &url, &path.to_string_lossy()]);
    check("a bare repository of another owner");
    assert!(world.host().record().connections.is_empty(), "no connection was made");
    insta::assert_snapshot!(cases.text);
}

#[test]
fn a_cache_folder_that_is_not_writable() {
    let world = world();
    // Valid, in sync, and owned by another user.
    world.mirror(&["sync", "--confirm"]).expect(0);
    for name in ["identity", "known_hosts"] {
        let path = world.sandbox().path().join(name);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).expect("because the file is ours");
    }
    world.upstream().commit("main").file("a.txt", "two\n").make();
    open_for_reading(&world.cache_folder());
    let mut first = unprivileged(&world, &["sync", "--confirm"]);
    let mut cases = Cases::of(&world);
    cases.run("a cache that is not writable", &["sync", "--confirm"], &mut first, 1);
    cases.run("the same", &["flush", "--confirm"], &mut unprivileged(&world, &["flush", "--confirm"]), 1);
    // Reading goes on.
    let status = Run::of(unprivileged(&world, &["status"]).args(["-o", "json"])).expect(0);
    assert_eq!(status.lane("main")["githubInSync"], true);
    insta::assert_snapshot!(cases.text);
}

/// Makes it readable for all and writable for its owner only.
fn open_for_reading(path: &Path) {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    if !rustix::process::geteuid().is_root() && path.is_dir() {
        std::fs::read_dir(path)
            .expect("because it is ours")
            .flatten()
            .for_each(|entry| open_for_reading(&entry.path()));
        return std::fs::set_permissions(path, PermissionsExt::from_mode(0o555)).expect("because it is ours");
    }
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("because it is ours");
    if path.is_dir() {
        std::fs::read_dir(path)
            .expect("because it is ours")
            .flatten()
            .for_each(|entry| open_for_reading(&entry.path()));
    }
}

#[test]
fn a_full_disk_at_the_journal() {
    let world = world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    world.upstream().commit("main").file("a.txt", "two\n").make();
    world.cache().commit("gitops").file("deployed", "two\n").make();
    let journal = world.cache().path().join("git-mirror/journal");
    let file = journal.join("000001.jsonl");
    std::fs::remove_file(&file).expect("because it is there");
    // Takes no byte, as a full disk does.
    symlink("/dev/full", &file).expect("because nothing is there");
    let (refs, upstream) = (world.cache().refs(), world.upstream().refs());
    let mut cases = Cases::of(&world);
    for words in [["sync", "--confirm"], ["flush", "--confirm"]] {
        let run = Run::of(&mut world.command(&words)).expect(1);
        cases.tell("no space for the journal", &words, &run);
    }
    assert_eq!(
        (world.cache().refs(), world.upstream().refs()),
        (refs, upstream),
        "what cannot be noted down is not begun"
    );
    insta::assert_snapshot!(cases.text);
}

#[test]
fn a_disk_that_fills_up_during_a_fetch() {
    let world = world();
    // Bytes that no compression makes smaller.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(4 << 20)
    .collect();
    world.upstream().commit("main").file("noise.bin", noise).make();
    std::fs::create_dir(world.cache_folder()).expect("because the sandbox is writable");
    // A file system of its own, of two megabytes, that only the program and this shell see. After the sync the same cache, freed of the
    // limit, has to be sound and to converge.
    let script = "mount -t tmpfs -o size=2m none \"$0\" || exit 99; \"$@\"; code=$?; mount -o remount,size=64m \"$0\"; \"$@\" || exit 98; git --git-dir=\"$0\"/app.git fsck --full --strict >&2 || exit 97; exit $code";
    let plain = world.command(&["sync", "--confirm"]);
    let mut command = Command::new(mirror_tests::requires::program("unshare"));
    command.args(["--map-root-user", "--mount", "--", "sh", "-c", script]).arg(world.cache_folder());
    command.arg(plain.get_program()).args(plain.get_args());
    same_surroundings(&mut command, &plain);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let run = Run::of(&mut command);
    if run.exit == Some(99) || run.stderr.starts_with("unshare:") {
        eprintln!("not run: this machine lets nobody mount a file system of his own: {}", run.stderr);
        return;
    }
    let run = run.expect(1);
    let first = run.stdout.split("✓").next().unwrap_or_default().to_owned();
    assert!(first.contains("No space left on device"), "{}", run.stdout);
    assert!(run.stdout.contains("✓ main  main created"), "the second run converges: {}", run.stdout);
}

#[test]
fn an_unusable_key() {
    let mut world = world();
    let key = private_key(KeyKind::Ed25519);
    let sandbox = world.sandbox();
    let kdf = Kdf::Bcrypt { salt: vec![7; 16], rounds: 4 };
    let locked = key.encrypt_with(Cipher::Aes256Ctr, kdf, 7, "right horse").expect("because it is a key");
    let locked = sandbox.write("locked", locked.to_openssh(LineEnding::LF).expect("because it is a key").as_bytes());
    let wrong = sandbox.write("passphrase", "wrong horse\n");
    let not_a_key = sandbox.write("text", "this is no key\n");
    let public = sandbox.write("key.pub", key.public_key().to_openssh().expect("because it is a key"));
    let forbidden = sandbox.write("forbidden", "whatever is in it\n");
    std::fs::set_permissions(&forbidden, PermissionsExt::from_mode(0o000)).expect("because the file is ours");
    let missing = sandbox.path().join("missing");
    let folder = sandbox.path().join("home");
    let stranger = sandbox.write("stranger", key.to_openssh(LineEnding::LF).expect("because it is a key").as_bytes());

    let mut text = String::new();
    let mut check = |what: &str, identity: serde_json::Value, exit: i32, nobody: bool| {
        with_config(
            &mut world,
            |config| config["githubTransport"]["identity"] = identity,
            |world| {
                let mut cases = Cases::of(world);
                let words = ["sync"];
                let mut command = if nobody { unprivileged(world, &words) } else { world.command(&words) };
                cases.run(what, &words, &mut command, exit);
                text += &cases.text;
            },
        );
    };
    check("a key that is not there", json!({ "file": missing }), 2, false);
    check("a key that may not be read", json!({ "file": forbidden }), 2, true);
    check("a folder", json!({ "file": folder }), 2, false);
    check("no key", json!({ "file": not_a_key }), 2, false);
    check("the public half", json!({ "file": public }), 2, false);
    check("a key under a passphrase that is not given", json!({ "file": locked }), 2, false);
    check("a key under another passphrase", json!({ "file": locked, "passphraseFile": wrong }), 2, false);
    check(
        "a key under a passphrase whose file is missing",
        json!({ "file": locked, "passphraseFile": missing }),
        2,
        false,
    );
    check("a key that upstream does not know", json!({ "file": stranger }), 5, false);
    assert!(!text.contains("horse"), "a passphrase is never repeated");
    insta::assert_snapshot!(text);
}

#[test]
fn unusable_known_hosts() {
    let mut world = world();
    let sandbox = world.sandbox();
    let right = world.address().known_hosts();
    let (port, key) = (world.address().port(), right.split(' ').nth(2).unwrap_or_default().to_owned());
    let write = |name: &str, text: &str| sandbox.write(name, text);
    let stranger = private_key(KeyKind::Ed25519).public_key().to_openssh().expect("because it is a key");
    let host = format!("[127.0.0.1]:{port}");
    let files = [
        ("a line that is no entry", 2, write("malformed", &format!("# hosts\n\n{host} ssh-ed25519 not*base64\n"))),
        ("a line that ends too early", 2, write("short", &format!("{right}github.com ssh-ed25519\n"))),
        ("no entry for this host", 5, write("other", &format!("github.com {stranger}\n"))),
        ("another key for this host", 5, write("changed", &format!("{host} {stranger}\n"))),
        ("a key that is revoked", 5, write("revoked", &format!("@revoked {host} ssh-ed25519 {key}\n"))),
        ("no file", 2, sandbox.path().join("missing")),
        ("a binary file", 2, write("binary", "\0\u{1}\u{2}\n")),
    ];
    let mut text = String::new();
    for (what, exit, file) in files {
        with_config(
            &mut world,
            |config| config["githubTransport"]["knownHosts"] = json!({ "file": file }),
            |world| {
                let mut cases = Cases::of(world);
                cases.case(what, &["sync"], exit);
                text += &cases.text;
            },
        );
    }
    insta::assert_snapshot!(text);
}

#[test]
fn an_upstream_other_than_configured() {
    let mut world = world();
    let git = world.sandbox().git().clone();
    let folder = world.sandbox().path().to_owned();
    git.run(&folder, ["init", "--quiet", "--bare", "--object-format=sha256", "sha256.git"]);
    git.run(&folder, ["init", "--quiet", "--bare", "--initial-branch=main", "empty.git"]);
    git.run(&folder, ["init", "--quiet", "sha256-work", "--object-format=sha256", "--initial-branch=main"]);
    git.run(&folder.join("sha256-work"), ["commit", "--quiet", "--allow-empty", "--message=one"]);
    git.run(
        &folder.join("sha256-work"),
        [OsStr::new("push"), OsStr::new("--quiet"), folder.join("sha256.git").as_os_str(), OsStr::new("main")],
    );
    let mut text = String::new();
    let mut check = |what: &str, change: &dyn Fn(&mut serde_json::Value), exit: i32| {
        with_config(&mut world, change, |world| {
            let mut cases = Cases::of(world);
            cases.case(what, &["sync"], exit);
            // In earnest it ends the same, and makes no ref.
            let run = Run::of(&mut world.command(&["sync", "--confirm"])).expect(exit);
            cases.tell(what, &["sync", "--confirm"], &run);
            let cache = world.cache();
            assert!(!cache.path().exists() || cache.refs().is_empty(), "{what}: {:?}", cache.refs());
            drop(std::fs::remove_dir_all(world.cache_folder()));
            text += &cases.text;
        });
    };
    let lacking = |config: &mut serde_json::Value| {
        config["nodes"]["local"]["lanes"]["main"]["source"]["branch"] = json!("absent");
        config["nodes"]["local"]["lanes"]["main"]["gitops"]["branch"] = json!("absent-gitops");
    };
    check("a declared branch that upstream lacks", &lacking, 3);
    let at = |name: &'static str| {
        move |config: &mut serde_json::Value| {
            let url =
                config["repositories"]["app"]["upstream"].as_str().unwrap_or_default().replace("upstream.git", name);
            config["repositories"]["app"]["upstream"] = json!(url);
        }
    };
    check("an upstream without any branch", &at("empty.git"), 3);
    check("an upstream in SHA-256 format", &at("sha256.git"), 5);
    check("a path where no repository is", &at("nothing.git"), 5);
    insta::assert_snapshot!(text);
}
