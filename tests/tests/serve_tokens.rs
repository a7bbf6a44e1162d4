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

/// A server with a second lane, and a clone in which promotions are made.
struct Access {
    served: Served,
    work: Repository,
}

impl Access {
    fn begin() -> Self {
        let mut world = small_world();
        world.upstream().commit("second/gitops").root().file("deployed", "nothing yet\n").make();
        with_second_lane(&mut world);
        world.mirror(&["sync", "--confirm"]).expect(0);
        let served = Served::start(world, |_| {});
        let work = served.client().clone_bare(&served.url(), "work", &[]);
        Self { served, work }
    }

    fn tokens_file(&self) -> PathBuf {
        self.served.world.sandbox().path().join("tokens.yaml")
    }

    /// Makes a commit, and pushes it; with a token or without.
    fn push(&self, token: Option<&Token>, branch: &str) -> (CommitId, Answer) {
        let tip = self.served.world.cache().branch(branch).expect("because it was synced");
        let made = self.work.commit(branch).on(tip).file("deployed", format!("by {token:?}\n")).make();
        let client = self.served.client();
        let client = token.map_or_else(|| client.clone(), |token| client.clone().with(token));
        (made, client.ask(self.work.path(), ["push", &self.served.url(), branch]))
    }

    #[track_caller]
    fn accepts(&self, token: &Token, branch: &str) {
        let (made, answer) = self.push(Some(token), branch);
        assert!(answer.status.success(), "{}", answer.stderr);
        assert_eq!(self.served.world.cache().branch(branch), Some(made));
    }

    #[track_caller]
    fn refuses(&self, token: Option<&Token>, branch: &str) -> String {
        let before = self.served.world.cache().refs();
        let (_, answer) = self.push(token, branch);
        assert!(!answer.status.success(), "{token:?} was accepted: {}", answer.stderr);
        assert_eq!(self.served.world.cache().refs(), before);
        answer.stderr
    }

    fn status(&self, token: &Token) -> u16 {
        http::get(self.served.address(), DISCOVERY, &[("Authorization", &token.bearer())]).status
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
fn writing_requires_a_valid_token() {
    let access = Access::begin();
    let token = access.served.token("promoter", &[]);
    let challenge = access.served.get(DISCOVERY).expect(401);
    assert!(challenge.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")), "{challenge:?}");
    access.refuses(None, "gitops");
    let almost = format!("{}x", token.text());
    let shorter = &token.text()[..token.text().len() - 1];
    for wrong in [almost.as_str(), shorter, "", "gmt_", "promoter", &token.text().to_uppercase()] {
        let wrong = Token::of(wrong);
        assert_eq!(access.status(&wrong), 401, "{wrong:?}");
        access.refuses(Some(&wrong), "gitops");
    }
    // Neither does a header that shows none, or two of them.
    for header in ["Basic", "Basic !!!", "Bearer", "Negotiate abc", &format!("Digest {}", token.text())] {
        http::get(access.served.address(), DISCOVERY, &[("Authorization", header)]).expect(401);
    }
    let (wrong, right) = (Token::of("gmt_wrong").bearer(), token.bearer());
    for order in [[&wrong, &right], [&right, &wrong]] {
        let headers = order.map(|value| ("Authorization", value.as_str()));
        assert_ne!(http::get(access.served.address(), DISCOVERY, &headers).status, 200);
    }
    assert_eq!(access.status(&token), 200);
    access.accepts(&token, "gitops");
}

#[test]
fn a_token_is_a_bearer_or_a_password() {
    let access = Access::begin();
    let token = access.served.token("promoter", &[]);
    for header in [token.bearer(), token.basic(), token.bearer().replace("Bearer", "bearer")] {
        http::get(access.served.address(), DISCOVERY, &[("Authorization", &header)]).expect(200);
    }
    // As users give it to git: in the URL, and by a credential helper.
    let store = access
        .served
        .world
        .sandbox()
        .write("credentials", format!("http://any:{}@{}\n", token.text(), access.served.address()));
    let helper = format!("store --file={}", store.display());
    let with_helper = access.served.client().set("credential.helper", &helper);
    let made = access.work.commit("gitops").file("deployed", "by a helper\n").make();
    with_helper.run(access.work.path(), ["push", "--quiet", &access.served.url(), "gitops"]);
    assert_eq!(access.served.world.cache().branch("gitops"), Some(made));
    let made = access.work.commit("gitops").file("deployed", "by the URL\n").make();
    let url = format!("http://ci:{}@{}/app.git", token.text(), access.served.address());
    access.served.client().run(access.work.path(), ["push", "--quiet", &url, "gitops"]);
    assert_eq!(access.served.world.cache().branch("gitops"), Some(made));
}

#[test]
fn a_token_is_limited_to_its_lanes() {
    let access = Access::begin();
    let second = access.served.token("second-only", &["second"]);
    access.accepts(&second, "second/gitops");
    let words = access.refuses(Some(&second), "gitops");
    assert!(words.contains("needs a token for lane main"), "it names what would be needed: {words}");
    // Of a push to both, its own part is done.
    let tip = |branch: &str| access.served.world.cache().branch(branch).expect("because it was synced");
    let (theirs, own) = (tip("gitops"), tip("second/gitops"));
    let made = ["gitops", "second/gitops"]
        .map(|branch| access.work.commit(branch).on(tip(branch)).file("deployed", "both\n").make());
    let answer = access
        .served
        .client()
        .with(&second)
        .ask(access.work.path(), ["push", &access.served.url(), "gitops", "second/gitops"]);
    assert!(!answer.status.success());
    assert_eq!((tip("gitops"), tip("second/gitops")), (theirs, made[1]), "{}", answer.stderr);
    assert_ne!(own, made[1]);
    let both = access.served.token("both", &["main", "second"]);
    access.accepts(&both, "gitops");
    access.accepts(&both, "second/gitops");
}

#[test]
fn an_expired_token_is_refused() {
    let access = Access::begin();
    let token = Token::make(&access.served.world, "short-lived", &[], &["--expires", "1d"]);
    access.accepts(&token, "gitops");
    // A day goes by, in the file.
    let text = std::fs::read_to_string(access.tokens_file()).expect("because it was written");
    let line = text.lines().find(|line| line.contains("expires")).expect("because it expires");
    let (key, _) = line.split_once("expires").expect("because it is there");
    let text = text.replace(line, &format!("{key}expires: 2020-01-01T00:00:00Z"));
    // Of another length, so that a coarse clock cannot hide the change of the file.
    std::fs::write(access.tokens_file(), text + "\n").expect("because the sandbox is writable");
    access.served.wait_until("the token has expired", || access.status(&token) == 401);
    access.refuses(Some(&token), "gitops");
}

#[test]
fn tokens_change_while_the_server_runs() {
    let access = Access::begin();
    let first = access.served.token("first", &[]);
    access.served.wait_until("the new token is known", || access.status(&first) == 200);
    access.accepts(&first, "gitops");
    let second = access.served.token("second", &[]);
    access.served.wait_until("the second is known", || access.status(&second) == 200);
    access.accepts(&first, "gitops");
    access.served.world.mirror(&["token", "revoke", "first"]).expect(0);
    access.served.wait_until("the revoked token is refused", || access.status(&first) == 401);
    access.refuses(Some(&first), "gitops");
    access.accepts(&second, "gitops");
    // An unreadable file admits no new token, and the server goes on.
    let whole = std::fs::read(access.tokens_file()).expect("because it was written");
    std::fs::write(access.tokens_file(), "{ this is : no list").expect("because the sandbox is writable");
    assert_ne!(access.status(&first), 200);
    assert_eq!(access.served.get("/healthz").status, 200);
    std::fs::write(access.tokens_file(), whole).expect("because the sandbox is writable");
    access.served.wait_until("the file is read again", || access.status(&second) == 200);
    access.accepts(&second, "gitops");
    let listed = access.served.world.mirror(&["token", "list"]).expect(0);
    let names: Vec<_> = listed.report["tokens"].as_array().into_iter().flatten().map(|token| &token["name"]).collect();
    assert_eq!(names, ["second"]);
}

#[test]
fn cleartext_tokens_need_an_explicit_setting() {
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
fn i8_no_token_is_ever_shown_or_stored() {
    let mut world = small_world();
    world.mirror(&["sync", "--confirm"]).expect(0);
    server::configure(&mut world, |_| {});
    let mut command = server::command(&world, "127.0.0.1:0");
    command.args(["-vvv"]).env("RUST_BACKTRACE", "1").env("RUST_LOG", "trace");
    let served = Served { server: Server::spawn(&mut command), world };
    let world = &served.world;
    let [good, revoked, stranger] = ["good", "revoked", "second"].map(|name| served.token(name, &[]));
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

    // Pushes that succeed, are refused, break off; by either header; while the children are watched.
    let work = served.client().clone_bare(&served.url(), "work", &[]);
    let mut seen = String::new();
    for (round, token) in tokens.into_iter().enumerate() {
        let tip = world.cache().branch("gitops").expect("because it was synced");
        let made = work.commit("gitops").on(tip).file("deployed", format!("{round}\n")).make();
        let push = RawPush::new().command(GITOPS, Some(tip), Some(made)).pack(rawpush::pack(&work, made, Some(tip)));
        seen += &push.clone().capability("push-options").ask(served.address(), token).text();
        seen += &push.clone().command("refs/heads/main", Some(tip), Some(made)).ask(served.address(), token).text();
        for header in [token.bearer(), token.basic()] {
            for path in [DISCOVERY, "/app.git/nowhere", "/metrics", "/api/v1/status", "/"] {
                seen += &format!("{:?}", http::get(served.address(), path, &[("Authorization", &header)]));
            }
        }
        let mut stream = http::connect(served.address());
        let (head, body) = (push.head(served.address(), token), push.body());
        let half = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[..body.len() / 2]));
        if half.is_ok() {
            for child in served.children() {
                seen += &child.command_line;
                seen += &environment(child.id);
            }
        }
        drop(stream);
    }
    seen += &environment(served.id());
    for path in ["/metrics", "/api/v1/status", "/api/v1/history", "/healthz", "/readyz", "/"] {
        seen += &served.get(path).text();
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
    silent(&secrets, "the log", &served.server.log());
    files_below(&world.cache_folder(), &mut |path, content| {
        silent(&secrets, &path.display().to_string(), &String::from_utf8_lossy(content));
    });
    let file = world.sandbox().path().join("tokens.yaml");
    silent(&secrets, "the token file", &std::fs::read_to_string(&file).expect("because it was written"));
    let mode = std::fs::metadata(&file).expect("because it was written").permissions().mode();
    assert_eq!(mode & 0o077, 0, "the hashes are readable for the owner only");
}

#[test]
fn a_new_token_is_shown_once() {
    let mut world = small_world();
    server::configure(&mut world, |_| {});
    let run = Run::of(world.command(&["token", "new", "person"]).stdin(Stdio::null())).expect(0);
    let shown = run.stdout.split_whitespace().find(|word| word.starts_with("gmt_")).expect("because it is shown");
    world.mirror(&["sync", "--confirm"]).expect(0);
    let server = Server::start(&world);
    let reply = http::get(server.address(), DISCOVERY, &[("Authorization", &Token::of(shown).bearer())]);
    assert_eq!(reply.status, 200, "the shown text is the token");
}

fn environment(id: u32) -> String {
    let mut bytes = Vec::new();
    // A child may have ended by now.
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
        // The leftovers of an aborted push are removed while this reads.
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
