//! `cargo xtask demo`: the main job on real input, this repository's own history, with nothing but cargo and git.
//!
//! An SSH host and a CONNECT proxy run inside this process; the mirror, its server and git are the real programs. Every step's outcome is
//! checked.

mod server;
mod upstream;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Args;
use mirror_tests::proxy::EmbeddedProxy;
use mirror_tests::sandbox::{GitSandbox, KeyKind, Repository, private_key};
use mirror_tests::sshhost::EmbeddedHost;
use serde_json::Value;

use self::server::Server;
use self::upstream::own_history;
use crate::run::{self, Outcome, cargo, print};
use crate::tools;

/// How to run the demo.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Shows the program's reports as JSON.
    #[arg(long)]
    json: bool,
}

/// The fixture: upstream behind SSH behind a proxy, and the mirror beside it.
struct Fixture {
    sandbox: GitSandbox,
    upstream: Repository,
    host: EmbeddedHost,
    proxy: EmbeddedProxy,
    config: PathBuf,
    program: PathBuf,
    shown: &'static str,
}

/// Runs the demo.
pub(crate) fn demo(arguments: &Arguments) -> Outcome {
    if !tools::provide(&[tools::GIT]).is_empty() {
        return Err(format!("git is needed: {}", tools::install_line(&[tools::GIT])));
    }
    run::run(&mut cargo(["build", "--quiet", "--package", "mirror-cli", "--bin", "git-mirror"]))?;
    let begun = Instant::now();
    let fixture = Fixture::new(if arguments.json { "json" } else { "text" })?;
    fixture.run()?;
    let tunnels = fixture.proxy.record().tunnels.len();
    let logins = fixture.host.record().connections.len();
    print("");
    print(&format!(
        "the demo is through: {:.1} s, {tunnels} tunnels, {logins} SSH sessions",
        begun.elapsed().as_secs_f32()
    ));
    Ok(())
}

impl Fixture {
    fn new(shown: &'static str) -> Outcome<Self> {
        let sandbox = GitSandbox::new();
        let upstream = own_history(&sandbox);
        let key = private_key(KeyKind::Ed25519);
        let host = EmbeddedHost::start(sandbox.git(), key.public_key());
        let proxy = EmbeddedProxy::start();
        let text = key.to_openssh(Default::default()).map_err(|error| error.to_string())?;
        sandbox.write("id_ed25519", text.as_bytes());
        sandbox.write("known_hosts", host.address().known_hosts());
        let config =
            sandbox.write("git-mirror.yaml", configuration(&host.address().url(upstream.path()), &proxy.url()));
        let commits = upstream.run(["rev-list", "--count", "main"]);
        print(&format!(
            "upstream: this repository's history, {} commits, served over SSH behind a CONNECT proxy",
            commits.trim()
        ));
        Ok(Self { sandbox, upstream, host, proxy, config, program: program(), shown })
    }

    fn run(&self) -> Outcome {
        let tip = self.upstream.branch("main").ok_or("upstream has no main")?;

        self.mirror("what would a sync do? nothing is changed yet", &["sync"], 0)?;
        expect(!self.cache().exists(), "a dry run made the cache")?;
        self.mirror("do it", &["sync", "--confirm", "--wait"], 0)?;

        print(
            "\n# promotions will need a token, good for one lane\n$ git-mirror token new promoter --lane main --expires 1h",
        );
        let made = self.json(&["token", "new", "promoter", "--lane", "main", "--expires", "1h"])?;
        let token = made["token"].as_str().ok_or("no token was made")?;
        print(&format!("shown once; {} has its hash", made["file"].as_str().unwrap_or("the file")));

        print("\n# serve it to builds and promotions\n$ git-mirror serve --listen 127.0.0.1:0 -o json &");
        let server = Server::start(self.command(&["serve", "--listen", "127.0.0.1:0"], "json"))?;
        print(&format!("serving on {}", server.url()));
        let ended = self.run_served(&server, &tip.to_string(), token);
        print("\n# end the server as a supervisor does");
        let stopped = server.stop();
        ended.and(stopped)
    }

    fn run_served(&self, server: &Server, tip: &str, token: &str) -> Outcome {
        print("\n# a build clones the snapshot over HTTP, not the branch");
        let snapshot = format!("refs/unidesk/snapshots/demo/main/{tip}");
        let build = self.sandbox.path().join("build");
        let repository = format!("{}/demo.git", server.url());
        self.git(self.sandbox.path(), &["init", "--quiet", "build"])?;
        self.git(&build, &["fetch", "--quiet", "--depth=1", &repository, &snapshot])?;
        self.git(&build, &["checkout", "--quiet", "FETCH_HEAD"])?;
        let built = self.git(&build, &["log", "-1", "--format=%H %s"])?;
        print(built.trim());
        expect(built.starts_with(tip), "the snapshot is not the tip that was synced")?;

        let promoted = self.promote(server, tip, token)?;

        // Exit code 3: nothing failed, and the state is not as wanted.
        self.mirror("the commit is here and not upstream", &["status"], 3)?;
        let before = self.proxy.record().tunnels.len();
        self.mirror("bring it there, and prove it", &["flush", "--confirm", "--wait"], 0)?;
        let opened = self.proxy.record().tunnels.len() - before;
        expect(opened == 1, "the two observations and the push took more than one tunnel")?;
        self.mirror(
            "now it is there, and the server reports it to everyone",
            &["status", "--server", server.url()],
            0,
        )?;

        let landed = self.upstream.branch("gitops").map(|commit| commit.to_string());
        expect(landed.is_some_and(|landed| promoted.starts_with(&landed)), "upstream does not have the commit")?;
        let status = self.json(&["status"])?;
        expect(status["lanes"][0]["pendingFlush"] == Value::Bool(false), "a flush is still pending")?;
        expect(status["lanes"][0]["githubInSync"] == Value::Bool(true), "the mirror is not in sync")
    }

    /// Clones upstream's own address through the server, commits, and pushes with a token.
    fn promote(&self, server: &Server, tip: &str, token: &str) -> Outcome<String> {
        print("\n# a promote step clones upstream's own address; a rule of git's configuration leads it to the mirror");
        let upstream = self.host.address().url(self.upstream.path());
        let rule = format!("url.{}/.insteadOf={}/", server.url(), upstream.trim_end_matches(self.upstream_path()));
        let promote = self.sandbox.path().join("promote");
        let clone = ["clone", "--quiet", "--branch=gitops", "--config", &rule, &upstream, "promote"];
        self.git(self.sandbox.path(), &clone)?;
        std::fs::write(promote.join("deployed"), format!("{tip}\n")).map_err(|error| error.to_string())?;
        self.git(&promote, &["add", "deployed"])?;
        self.git(&promote, &["commit", "--quiet", "--message", &format!("Deploy {tip}")])?;

        print("\n# and pushes with plain git; the token comes by its environment");
        let refused = self.push(&promote, token, "+gitops:main")?;
        expect(
            refused.is_err_and(|words| words.contains("read-only here")),
            "a push to the source branch was not refused",
        )?;
        self.push(&promote, token, "gitops")?.map_err(|words| format!("the push was refused: {words}"))?;
        let promoted = self.git(&promote, &["log", "-1", "--format=%H %s"])?;
        print(promoted.trim());
        Ok(promoted)
    }

    /// Pushes with a token, and shows git's output; the inner result is whether the server accepted it.
    fn push(&self, folder: &Path, token: &str, refspec: &str) -> Outcome<Result<(), String>> {
        let words = ["push", "--quiet", "origin", refspec];
        print(&format!("$ git {}", words.join(" ")));
        let mut command = self.sandbox.git().command(folder, words);
        // The environment does not show in process listings.
        let known = self.sandbox.git().environment().iter().find(|(name, _)| name == "GIT_CONFIG_COUNT");
        let count = known.and_then(|(_, count)| count.to_str()?.parse().ok()).unwrap_or(0);
        command.env("GIT_CONFIG_COUNT", (count + 1).to_string());
        command.env(format!("GIT_CONFIG_KEY_{count}"), "http.extraHeader");
        command.env(format!("GIT_CONFIG_VALUE_{count}"), format!("Authorization: Bearer {token}"));
        let done = command.output().map_err(|error| error.to_string())?;
        let words = String::from_utf8_lossy(&done.stderr).trim_end().to_owned();
        if !words.is_empty() {
            print(&words);
        }
        Ok(if done.status.success() { Ok(()) } else { Err(words) })
    }

    fn upstream_path(&self) -> &str {
        self.upstream.path().to_str().unwrap_or_default()
    }

    fn cache(&self) -> PathBuf {
        self.sandbox.path().join("cache/demo.git")
    }

    /// Runs the program, shows its output, and checks its exit code.
    fn mirror(&self, why: &str, words: &[&str], expected: i32) -> Outcome {
        print(&format!("\n# {why}\n$ git-mirror {}", words.join(" ")));
        let done = self.command(words, self.shown).output().map_err(|error| error.to_string())?;
        print(String::from_utf8_lossy(&done.stdout).trim_end());
        let stderr = String::from_utf8_lossy(&done.stderr);
        match done.status.code() {
            Some(code) if code == expected => Ok(()),
            ended => Err(format!("it ended with {ended:?} instead of {expected}\n{stderr}")),
        }
    }

    fn json(&self, words: &[&str]) -> Outcome<Value> {
        let done = self.command(words, "json").output().map_err(|error| error.to_string())?;
        serde_json::from_slice(&done.stdout).map_err(|error| error.to_string())
    }

    fn command(&self, words: &[&str], form: &str) -> Command {
        let mut command = self.sandbox.git().program(&self.program, self.sandbox.path());
        command.arg("--file").arg(&self.config).args(["--output", form]).args(words);
        command
    }

    fn git(&self, folder: &Path, words: &[&str]) -> Outcome<String> {
        print(&format!("$ git {}", words.join(" ")));
        let answer = self.sandbox.git().ask(folder, words);
        if answer.status.success() { Ok(answer.text()) } else { Err(answer.stderr) }
    }
}

fn configuration(upstream: &str, proxy: &str) -> String {
    format!(
        "apiVersion: git-mirror/v1
kind: MirrorConfig
snapshots: {{ prefix: refs/unidesk/snapshots }}
repositories:
  demo: {{ upstream: \"{upstream}\" }}
nodes:
  local:
    cache: ./cache
    serve:
      tokens: {{ file: ./tokens.yaml }}
      schedule: {{ maintainEvery: never }}
      freeSpace: {{ stop: 64MiB, resume: 128MiB }}
    githubTransport:
      mode: ssh
      proxy: {proxy}
      identity: {{ file: ./id_ed25519 }}
      knownHosts: {{ file: ./known_hosts }}
    lanes:
      main:
        repository: demo
        source: {{ branch: main, snapshotGroup: demo }}
        gitops: {{ branch: gitops }}
"
    )
}

/// The program stands beside this one, in the folder of the same build profile.
fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    here.parent().unwrap_or(Path::new("target/debug")).join("git-mirror")
}

fn expect(holds: bool, otherwise: &str) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
