//! The command lines of git that Argo CD, Tekton's git-clone task and Tekton's resolver run, word for word, against the server.
//!
//! What they do through go-git instead is in `real_gogit`.
//!
//! # Source
//! Argo CD `util/git/client.go`; tektoncd-catalog/git-clone `image/git-init`; tektoncd/pipeline `pkg/resolution/resolver/git/repository.go`.

use std::path::{Path, PathBuf};

use mirror_core::name::CommitId;
use mirror_tests::deadline;
use mirror_tests::gitclient::{Token, VERSIONS, Version};
use mirror_tests::sandbox::{Answer, Repository};
use mirror_tests::server::Served;

/// Git in the environment of such a client: no home, no terminal.
struct Client<'a> {
    served: &'a Served,
    version: Version,
    token: Option<&'a Token>,
    folder: PathBuf,
}

impl<'a> Client<'a> {
    fn new(served: &'a Served, version: Version, token: Option<&'a Token>, name: &str) -> Self {
        let folder = served.world.sandbox().path().join(format!("{name}-{version:?}"));
        std::fs::create_dir(&folder).expect("because the sandbox is writable");
        Self { served, version, token, folder }
    }

    fn ask(&self, words: &[&str]) -> Answer {
        let mut client = self.served.client().speaking(self.version);
        if let Some(token) = self.token {
            client = client.set("http.extraHeader", &format!("Authorization: {}", token.basic()));
        }
        let mut command = client.command(&self.folder, words);
        command.env("HOME", "/dev/null").env("GIT_TERMINAL_PROMPT", "false").env("GIT_ASKPASS", "");
        let output = deadline::finish(&mut command, &[]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Answer { status: output.status, stdout: output.stdout, stderr }
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> String {
        let answer = self.ask(words);
        assert!(answer.status.success(), "{words:?}: {}{}", answer.text(), answer.stderr);
        answer.text()
    }

    fn head(&self) -> String {
        self.run(&["rev-parse", "HEAD"])
    }

    #[track_caller]
    fn prove(&self, commit: CommitId) {
        assert_eq!(self.head(), commit.to_string());
        let upstream = self.served.world.upstream();
        assert_eq!(self.run(&["ls-tree", "-r", "HEAD"]), upstream.run(["ls-tree", "-r", &commit.to_string()]));
        assert_eq!(self.run(&["status", "--porcelain"]), "", "the work tree is whole");
        Repository::at(&self.folder, self.served.world.sandbox().git()).fsck();
    }
}

fn tip(served: &Served, branch: &str) -> CommitId {
    served.world.upstream().branch(branch).expect("because it was made")
}

/// Runs a client of each version on an open server, and on one where readers need a token.
fn everywhere(each: impl Fn(&Served, Version, Option<&Token>)) {
    for readers in ["open", "tokens"] {
        let served = Served::small(|serve| serve["readers"] = readers.into());
        let token = (readers == "tokens").then(|| served.token("reader", &[]));
        for version in VERSIONS {
            each(&served, version, token.as_ref());
        }
    }
}

#[test]
fn argo_cd_fetches_a_repository_and_follows_it() {
    everywhere(|served, version, token| {
        let argo = Client::new(served, version, token, "argo");
        argo.run(&["init"]);
        argo.run(&["remote", "add", "origin", &served.url()]);
        argo.run(&["fetch", "origin", "--tags", "--force", "--prune"]);
        let first = tip(served, "gitops");
        argo.run(&["checkout", "--force", &first.to_string()]);
        argo.run(&["clean", "-ffdx"]);
        argo.prove(first);
        // A promotion, and the poll after it.
        let next = served.world.upstream().commit("gitops").file("deployed", format!("{version:?} {token:?}\n")).make();
        served.world.mirror(&["sync", "--confirm"]).expect(0);
        assert!(!argo.ask(&["checkout", "--force", &next.to_string()]).status.success(), "it is not there yet");
        argo.run(&["fetch", "origin", "--tags", "--force", "--prune"]);
        argo.run(&["checkout", "--force", &next.to_string()]);
        argo.prove(next);
        let tags = argo.run(&["tag", "--list"]);
        assert_eq!(tags.lines().collect::<Vec<_>>(), ["v1", "v2"]);
    });
}

#[test]
fn argo_cd_fetches_a_commit_outside_of_branches() {
    everywhere(|served, version, token| {
        let snapshot = tip(served, "main");
        served.world.upstream().commit("main").root().file("source", format!("{version:?} {token:?}\n")).make();
        served.world.mirror(&["sync", "--confirm"]).expect(0);
        let argo = Client::new(served, version, token, "argo");
        argo.run(&["init"]);
        argo.run(&["remote", "add", "origin", &served.url()]);
        argo.run(&["fetch", "origin", "--tags", "--force", "--prune"]);
        argo.run(&["fetch", "origin", &snapshot.to_string(), "--tags", "--force", "--prune"]);
        argo.run(&["checkout", "--force", "FETCH_HEAD"]);
        argo.prove(snapshot);
        // As with `depth: 1` in the repository's secret.
        let shallow = Client::new(served, version, token, "argo-shallow");
        shallow.run(&["init"]);
        shallow.run(&["remote", "add", "origin", &served.url()]);
        shallow.run(&["fetch", "origin", &snapshot.to_string(), "--depth", "1", "--force", "--prune"]);
        shallow.run(&["checkout", "--force", "FETCH_HEAD"]);
        shallow.prove(snapshot);
        assert_eq!(shallow.run(&["rev-list", "--count", "HEAD"]), "1");
    });
}

#[test]
fn tektons_git_clone_task_fetches_a_revision() {
    everywhere(|served, version, token| {
        let snapshot = tip(served, "main");
        let name = format!("refs/mirror/snapshots/app/main/{snapshot}");
        let branch = "refs/heads/main:refs/heads/main".to_owned();
        let mut revisions = vec![("main".to_owned(), "main"), (snapshot.to_string(), "commit"), (branch, "refspec")];
        // By name only where the client may ask for names: in version 0 they would all have to be listed.
        if version == Version::V2 {
            revisions.push((name, "snapshot"));
        }
        for depth in ["--depth=1", "--depth=0"] {
            for (revision, kind) in &revisions {
                let task = Client::new(served, version, token, &format!("tekton-{kind}{depth}"));
                task.run(&["init", "."]);
                task.run(&["remote", "add", "origin", &served.url()]);
                let mut words = vec!["fetch", "--recurse-submodules=yes"];
                if depth != "--depth=0" {
                    words.push(depth);
                }
                words.extend(["origin", "--update-head-ok", "--force", revision]);
                task.run(&words);
                task.run(&["show", "-q", "--pretty=format:%H", "FETCH_HEAD"]);
                task.run(&["checkout", "-f", "FETCH_HEAD"]);
                task.run(&["submodule", "sync", "--recursive"]);
                task.run(&["submodule", "update", "--recursive", "--init", "--force", "--depth=1"]);
                assert_eq!(task.run(&["rev-parse", "HEAD"]), snapshot.to_string());
                assert!(!task.run(&["log", "-1", "--pretty=%ct"]).is_empty());
                task.prove(snapshot);
            }
        }
    });
}

#[test]
fn tektons_resolver_reads_a_pipeline_at_a_revision() {
    everywhere(|served, version, token| {
        let snapshot = tip(served, "main");
        served.world.upstream().commit("main").file("pipeline.yaml", format!("{version:?} {token:?}\n")).make();
        served.world.mirror(&["sync", "--confirm"]).expect(0);
        let mut revisions = vec!["main".to_owned(), "v1".to_owned(), snapshot.to_string(), "gitops".to_owned()];
        if version == Version::V2 {
            revisions.push(format!("refs/mirror/snapshots/app/main/{snapshot}"));
        }
        for (number, revision) in revisions.iter().enumerate() {
            let resolver = Client::new(served, version, token, &format!("resolver-{number}"));
            let folder = resolver.folder.join("clone");
            resolver.run(&["clone", "--depth=1", "--no-checkout", "--", &served.url(), &folder.to_string_lossy()]);
            let resolver = Client { folder, ..resolver };
            resolver.run(&["fetch", "origin", "--depth=1", "--", revision]);
            resolver.run(&["checkout", "FETCH_HEAD"]);
            let expected = if revision.contains(&snapshot.to_string()) {
                Some(snapshot)
            } else {
                served.world.upstream().rev(revision)
            };
            resolver.prove(expected.expect("because it was made"));
            assert!(Path::new(&resolver.folder).join(".git/shallow").exists());
        }
    });
}
