//! Who may push: tokens that are missing, wrong, expired, of another lane, new, revoked; and that no byte of one is ever shown (I8).

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mirror_core::name::CommitId;
use mirror_tests::gitclient::Token;
use mirror_tests::http;
use mirror_tests::rawpush::{self, RawPush};
use mirror_tests::sandbox::{Answer, Repository};
use mirror_tests::server::{self, Served, Server, small_world};
use mirror_tests::world::{Run, World};
use serde_json::json;

const GITOPS: &str = "refs/heads/gitops";
const DISCOVERY: &str = "/app.git/info/refs?service=git-receive-pack";

/// A site with a second lane, and a clone in which promotions are made.
struct Door {
    site: Served,
    work: Repository,
}

impl Door {
    fn begin() -> Self {
        let mut world = small_world();
        world.upstream().commit("second/gitops").root().file("deployed", "nothing yet\n").make();
        with_second_lane(&mut world);
        world.mirror(&["sync", "--confirm"]).expect(0);
        let site = Served::start(world, |_| {});
        let work = site.client().clone_bare(&site.url(), "work", &[]);
        Self { site, work }
    }

    fn tokens_file(&self) -> PathBuf {
        self.site.world.sandbox().path().join("tokens.yaml")
    }

    /// Makes a commit, and pushes it; with a token or without.
    fn push(&self, token: Option<&Token>, branch: &str) -> (CommitId, Answer) {
        let tip = self.site.world.cache().branch(branch).expect("because it was synced");
        let made = self.work.commit(branch).on(tip).file("deployed", format!("by {token:?}\n")).make();
        let client = self.site.client();
        let client = token.map_or_else(|| client.clone(), |token| client.clone().with(token));
        (made, client.ask(self.work.path(), ["push", &self.site.url(), branch]))
    }

    #[track_caller]
    fn accepts(&self, token: &Token, branch: &str) {
        let (made, answer) = self.push(Some(token), branch);
        assert!(answer.status.success(), "{}", answer.stderr);
        assert_eq!(self.site.world.cache().branch(branch), Some(made));
    }

    #[track_caller]
    fn refuses(&self, token: Option<&Token>, branch: &str) -> String {
        let before = self.site.world.cache().refs();
        let (_, answer) = self.push(token, branch);
        assert!(!answer.status.success(), "{token:?} was accepted: {}", answer.stderr);
        assert_eq!(self.site.world.cache().refs(), before);
        answer.stderr
    }

    fn status(&self, token: &Token) -> u16 {
        http::get(self.site.address(), DISCOVERY, &[("Authorization", &token.bearer())]).status
    }
}

fn with_second_lane(world: &mut World) {
    world.configure(|config| {
        config["nodes"]["local"]["lanes"]["second"] = json!({
            "repository": "app",
            "source": { "branch": "main", "snapshotGroup": "app" },
            "gitops": { "branch": "second/gitops" },
        });
    });
}

#[test]
fn without_a_valid_token_nobody_writes() {
    let door = Door::begin();
    let token = door.site.token("promoter", &[]);
    let challenge = door.site.get(DISCOVERY).expect(401);
    assert!(challenge.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")), "{challenge:?}");
    door.refuses(None, "gitops");
    let almost = format!("{}x", token.text());
    let shorter = &token.text()[..token.text().len() - 1];
    for wrong in [almost.as_str(), shorter, "", "gmt_", "promoter", &token.text().to_uppercase()] {
        let wrong = Token::of(wrong);
        assert_eq!(door.status(&wrong), 401, "{wrong:?}");
        door.refuses(Some(&wrong), "gitops");
    }
    // Neither does a header that shows none, or two of them.
    for header in ["Basic", "Basic !!!", "Bearer", "Negotiate abc", &format!("Digest {}", token.text())] {
        http::get(door.site.address(), DISCOVERY, &[("Authorization", header)]).expect(401);
    }
    let (wrong, right) = (Token::of("gmt_wrong").bearer(), token.bearer());
    for order in [[&wrong, &right], [&right, &wrong]] {
        let headers = order.map(|value| ("Authorization", value.as_str()));
        assert_ne!(http::get(door.site.address(), DISCOVERY, &headers).status, 200);
    }
    assert_eq!(door.status(&token), 200);
    door.accepts(&token, "gitops");
}

#[test]
fn a_token_is_shown_as_a_bearers_or_as_a_password() {
    let door = Door::begin();
    let token = door.site.token("promoter", &[]);
    for header in [token.bearer(), token.basic(), token.bearer().replace("Bearer", "bearer")] {
        http::get(door.site.address(), DISCOVERY, &[("Authorization", &header)]).expect(200);
    }
    // As people give it to git: in the URL, and by a credential helper.
    let store = door
        .site
        .world
        .sandbox()
        .write("credentials", format!("http://any:{}@{}\n", token.text(), door.site.address()));
    let helper = format!("store --file={}", store.display());
    let with_helper = door.site.client().set("credential.helper", &helper);
    let made = door.work.commit("gitops").file("deployed", "by a helper\n").make();
    with_helper.run(door.work.path(), ["push", "--quiet", &door.site.url(), "gitops"]);
    assert_eq!(door.site.world.cache().branch("gitops"), Some(made));
    let made = door.work.commit("gitops").file("deployed", "by the URL\n").make();
    let url = format!("http://ci:{}@{}/app.git", token.text(), door.site.address());
    door.site.client().run(door.work.path(), ["push", "--quiet", &url, "gitops"]);
    assert_eq!(door.site.world.cache().branch("gitops"), Some(made));
}

#[test]
fn a_token_is_good_for_its_lanes_only() {
    let door = Door::begin();
    let second = door.site.token("second-only", &["second"]);
    door.accepts(&second, "second/gitops");
    let words = door.refuses(Some(&second), "gitops");
    assert!(words.contains("needs a token for lane main"), "it says what would be needed: {words}");
    // Of a push to both, its own part is done.
    let tip = |branch: &str| door.site.world.cache().branch(branch).expect("because it was synced");
    let (theirs, own) = (tip("gitops"), tip("second/gitops"));
    let made = ["gitops", "second/gitops"]
        .map(|branch| door.work.commit(branch).on(tip(branch)).file("deployed", "both\n").make());
    let answer =
        door.site.client().with(&second).ask(door.work.path(), ["push", &door.site.url(), "gitops", "second/gitops"]);
    assert!(!answer.status.success());
    assert_eq!((tip("gitops"), tip("second/gitops")), (theirs, made[1]), "{}", answer.stderr);
    assert_ne!(own, made[1]);
    let both = door.site.token("both", &["main", "second"]);
    door.accepts(&both, "gitops");
    door.accepts(&both, "second/gitops");
}

#[test]
fn a_token_that_has_expired_is_none() {
    let door = Door::begin();
    let token = Token::make(&door.site.world, "short-lived", &[], &["--expires", "1d"]);
    door.accepts(&token, "gitops");
    // A day goes by, in the file.
    let text = std::fs::read_to_string(door.tokens_file()).expect("because it was written");
    let line = text.lines().find(|line| line.contains("expires")).expect("because it expires");
    let (key, _) = line.split_once("expires").expect("because it is there");
    let text = text.replace(line, &format!("{key}expires: 2020-01-01T00:00:00Z"));
    // Of another length, so that no clock is too coarse to tell it from the file before.
    std::fs::write(door.tokens_file(), text + "\n").expect("because the sandbox is writable");
    door.site.wait_until("the token has expired", || door.status(&token) == 401);
    door.refuses(Some(&token), "gitops");
}

#[test]
fn tokens_come_and_go_while_the_server_runs() {
    let door = Door::begin();
    let first = door.site.token("first", &[]);
    door.site.wait_until("the new token is known", || door.status(&first) == 200);
    door.accepts(&first, "gitops");
    let second = door.site.token("second", &[]);
    door.site.wait_until("the second is known", || door.status(&second) == 200);
    door.accepts(&first, "gitops");
    door.site.world.mirror(&["token", "revoke", "first"]).expect(0);
    door.site.wait_until("the revoked token is refused", || door.status(&first) == 401);
    door.refuses(Some(&first), "gitops");
    door.accepts(&second, "gitops");
    // A file that nobody can read lets nobody in whom it did not know, and the server lives on.
    let whole = std::fs::read(door.tokens_file()).expect("because it was written");
    std::fs::write(door.tokens_file(), "{ this is : no list").expect("because the sandbox is writable");
    assert_ne!(door.status(&first), 200);
    assert_eq!(door.site.get("/healthz").status, 200);
    std::fs::write(door.tokens_file(), whole).expect("because the sandbox is writable");
    door.site.wait_until("the file is read again", || door.status(&second) == 200);
    door.accepts(&second, "gitops");
    let listed = door.site.world.mirror(&["token", "list"]).expect(0);
    let names: Vec<_> = listed.report["tokens"].as_array().into_iter().flatten().map(|token| &token["name"]).collect();
    assert_eq!(names, ["second"]);
}

#[test]
fn tokens_do_not_go_in_the_clear_over_a_network_unless_told_so() {
    let mut world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    server::configure(&mut world, |serve| serve["readers"] = "open".into());
    Token::make(&world, "promoter", &[], &[]);
    let refused = Run::of(&mut server::command(&world, "0.0.0.0:0"));
    assert_ne!(refused.exit, Some(0));
    assert!(format!("{}{}", refused.stdout, refused.stderr).contains("insecureTokens"), "{refused:?}");
    server::configure(&mut world, |serve| {
        serve["readers"] = "open".into();
        serve["insecureTokens"] = true.into();
    });
    let server = Server::spawn(&mut server::command(&world, "0.0.0.0:0"));
    server.wait_for_log("insecureTokens");
    assert!(server.log().to_lowercase().contains("warn"), "{}", server.log());
}

#[test]
fn i8_no_byte_of_a_token_is_ever_shown_or_kept() {
    let mut world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    server::configure(&mut world, |_| {});
    let mut command = server::command(&world, "127.0.0.1:0");
    command.args(["-vvv"]).env("RUST_BACKTRACE", "1").env("RUST_LOG", "trace");
    let site = Served { server: Server::spawn(&mut command), world };
    let world = &site.world;
    let [good, revoked, stranger] = ["good", "revoked", "second"].map(|name| site.token(name, &[]));
    world.mirror(&["token", "revoke", "revoked"]).expect(0);
    let wrong = Token::of("gmt_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG");
    let tokens = [&good, &revoked, &stranger, &wrong];
    let mut secrets = Vec::new();
    for token in tokens {
        secrets.push(token.text().trim_start_matches("gmt_").to_owned());
        for user in ["git", "any", ""] {
            let encoded = STANDARD.encode(format!("{user}:{}", token.text()));
            secrets.push(encoded.trim_end_matches('=').to_owned());
        }
    }

    // Pushes that go well, are refused, break off; by either header; while somebody watches the children.
    let work = site.client().clone_bare(&site.url(), "work", &[]);
    let mut seen = String::new();
    for (round, token) in tokens.into_iter().enumerate() {
        let tip = world.cache().branch("gitops").expect("because it was synced");
        let made = work.commit("gitops").on(tip).file("deployed", format!("{round}\n")).make();
        let push = RawPush::new().command(GITOPS, Some(tip), Some(made)).pack(rawpush::pack(&work, made, Some(tip)));
        seen += &push.clone().capability("push-options").ask(site.address(), token).text();
        seen += &push.clone().command("refs/heads/main", Some(tip), Some(made)).ask(site.address(), token).text();
        for header in [token.bearer(), token.basic()] {
            for path in [DISCOVERY, "/app.git/nowhere", "/metrics", "/api/v1/status", "/"] {
                seen += &format!("{:?}", http::get(site.address(), path, &[("Authorization", &header)]));
            }
        }
        let mut stream = http::connect(site.address());
        let (head, body) = (push.head(site.address(), token), push.body());
        let half = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[..body.len() / 2]));
        if half.is_ok() {
            for child in site.children() {
                seen += &child.command_line;
                seen += &environment(child.id);
            }
        }
        drop(stream);
    }
    seen += &environment(site.id());
    for path in ["/metrics", "/api/v1/status", "/api/v1/history", "/healthz", "/readyz", "/"] {
        seen += &site.get(path).text();
    }
    for words in [
        &["token", "list"] as &[&str],
        &["token", "new", "good"],
        &["status"],
        &["history"],
        &["config", "show"],
        &["doctor"],
    ] {
        for form in ["text", "json", "yaml"] {
            let run = Run::of(world.command(words).args(["-vvv", "-o", form]).env("RUST_LOG", "trace"));
            seen += &format!("{}{}", run.stdout, run.stderr);
        }
    }
    silent(&secrets, "what was shown", &seen);
    silent(&secrets, "the log", &site.server.log());
    files_below(&world.cache_folder(), &mut |path, content| {
        silent(&secrets, &path.display().to_string(), &String::from_utf8_lossy(content));
    });
    let file = world.sandbox().path().join("tokens.yaml");
    silent(&secrets, "the token file", &std::fs::read_to_string(&file).expect("because it was written"));
    let mode = std::fs::metadata(&file).expect("because it was written").permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else reads the hashes");
}

#[test]
fn a_token_is_shown_once_and_for_people_as_well() {
    let mut world = small_world();
    server::configure(&mut world, |_| {});
    let run = Run::of(world.command(&["token", "new", "person"]).stdin(Stdio::null())).expect(0);
    let shown = run.stdout.split_whitespace().find(|word| word.starts_with("gmt_")).expect("because it is shown");
    world.mirror(&["sync", "--confirm"]).expect(0);
    let server = Server::start(&world);
    let reply = http::get(server.address(), DISCOVERY, &[("Authorization", &Token::of(shown).bearer())]);
    assert_eq!(reply.status, 200, "what people copy is the token");
}

fn environment(id: u32) -> String {
    let mut bytes = Vec::new();
    // A child may be gone by now.
    let _ = std::fs::File::open(format!("/proc/{id}/environ")).and_then(|mut file| file.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[track_caller]
fn silent(secrets: &[String], place: &str, text: &str) {
    for secret in secrets {
        // Half of one is a secret too.
        let half = &secret[..secret.len() / 2];
        assert!(!text.contains(half), "{place} holds {half:?} of a secret");
    }
}

fn files_below(folder: &Path, visit: &mut impl FnMut(&Path, &[u8])) {
    let entries = match std::fs::read_dir(folder) {
        // What a push that broke off has left goes away while this looks.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        entries => entries.expect("because the folder is ours"),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, visit);
        } else if let Ok(content) = std::fs::read(&path) {
            visit(&path, &content);
        }
    }
}
