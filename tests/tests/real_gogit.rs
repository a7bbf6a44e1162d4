//! go-git 5, as Argo CD and Flux use it: protocol version 0, one request after the other, no redirects, fifteen seconds each.
//!
//! The program is in `tests/go`, with the version that they build with.

use std::collections::BTreeMap;

use mirror_core::name::CommitId;
use mirror_tests::gitclient::Token;
use mirror_tests::gogit::GoGit;
use mirror_tests::sandbox::Repository;
use mirror_tests::server::Served;
use serde_json::Value;

/// Runs a verb of the program; gives whether it succeeded, and its report.
fn ask(served: &Served, token: Option<&Token>, words: &[&str]) -> (bool, Value) {
    let sandbox = served.world.sandbox();
    let shown = token.map(|token| sandbox.write("shown-token", token.text()).to_string_lossy().into_owned());
    let (verb, rest) = words.split_first().expect("because a verb is asked for");
    let url = served.url();
    let mut words = [&[*verb, "--url", &url], rest].concat();
    if let Some(shown) = &shown {
        words.extend(["--token", shown]);
    }
    GoGit::build().ask(sandbox.git(), sandbox.path(), &words)
}

#[track_caller]
fn run(served: &Served, token: Option<&Token>, words: &[&str]) -> Value {
    let (well, result) = ask(served, token, words);
    assert!(well, "{words:?}: {}", result["error"]);
    result
}

fn folder(served: &Served, name: &str) -> String {
    served.world.sandbox().path().join(name).to_string_lossy().into_owned()
}

fn tip(served: &Served, branch: &str) -> CommitId {
    served.world.upstream().branch(branch).expect("because it was made")
}

/// The files of a commit and their ids.
fn files(repository: &Repository, commit: CommitId) -> BTreeMap<String, String> {
    let listed = repository.run(["ls-tree", "-r", "--format=%(objectname) %(path)", &commit.to_string()]);
    listed.lines().filter_map(|line| line.split_once(' ')).map(|(id, name)| (name.to_owned(), id.to_owned())).collect()
}

fn told_files(result: &Value) -> BTreeMap<String, String> {
    let entries = result["files"].as_object().into_iter().flatten();
    entries.map(|(name, id)| (name.clone(), id.as_str().unwrap_or_default().to_owned())).collect()
}

#[test]
fn go_git_lists_what_git_lists() {
    let served = Served::small(|_| {});
    let result = run(&served, None, &["list"]);
    let listed: BTreeMap<_, _> = result["refs"].as_object().into_iter().flatten().collect();
    let mut expected: BTreeMap<String, String> =
        served.world.upstream().refs().into_iter().map(|(name, id)| (name, id.to_string())).collect();
    let peeled = served.world.upstream().rev("v2^{}").expect("because it was tagged");
    expected.insert("refs/tags/v2^{}".to_owned(), peeled.to_string());
    expected.insert("HEAD".to_owned(), "refs/heads/main".to_owned());
    for (name, id) in &listed {
        // Older releases leave peeled tags out; none invents a ref.
        assert_eq!(expected.get(*name).map(String::as_str), id.as_str(), "{name}");
    }
    for name in ["HEAD", "refs/heads/main", "refs/heads/gitops", "refs/tags/v1", "refs/tags/v2"] {
        assert!(listed.contains_key(&name.to_owned()), "{name} is not in {listed:?}");
    }
    assert_eq!(result["requests"], 1, "one request, and no redirect");
}

#[test]
fn flux_clones_a_branch_a_tag_and_a_commit() {
    let served = Served::small(|_| {});
    let upstream = served.world.upstream();
    let branch = run(&served, None, &["clone", "--folder", &folder(&served, "branch"), "--branch", "gitops"]);
    assert_eq!((&branch["commit"], &branch["commits"]), (&tip(&served, "gitops").to_string().into(), &1.into()));
    assert_eq!(told_files(&branch), files(upstream, tip(&served, "gitops")));

    let tags = run(&served, None, &["clone", "--folder", &folder(&served, "tags"), "--branch", "main", "--tags"]);
    assert_eq!((&tags["commit"], &tags["tags"]), (&tip(&served, "main").to_string().into(), &vec!["v1", "v2"].into()));
    assert_eq!(told_files(&tags), files(upstream, tip(&served, "main")));

    let older = upstream.rev("main~7").expect("because there are enough");
    for (name, more) in [("all", &[] as &[&str]), ("single", &["--branch", "main"])] {
        let words = ["clone-commit", "--folder", &folder(&served, name), "--commit", &older.to_string()];
        let result = run(&served, None, &[&words, more].concat());
        assert_eq!(result["commit"], older.to_string());
        assert_eq!(told_files(&result), files(upstream, older));
        let count = upstream.run(["rev-list", "--count", &older.to_string()]);
        assert_eq!(result["commits"].to_string(), count);
    }
}

#[test]
fn go_git_fetches_one_commit_outside_of_branches() {
    let served = Served::small(|_| {});
    let snapshot = tip(&served, "main");
    let wanted = files(served.world.upstream(), snapshot);
    served.world.upstream().commit("main").root().file("source", "rewritten\n").make();
    served.world.mirror(&["sync", "--confirm"]).expect(0);
    for commit in [snapshot, tip(&served, "main")] {
        let words =
            ["fetch-commit", "--folder", &folder(&served, &commit.to_string()), "--commit", &commit.to_string()];
        let result = run(&served, None, &words);
        assert_eq!((&result["commit"], &result["commits"]), (&commit.to_string().into(), &1.into()));
        if commit == snapshot {
            assert_eq!(told_files(&result), wanted);
        }
    }
    let nowhere = "1234567890123456789012345678901234567890";
    let (well, result) = ask(&served, None, &["fetch-commit", "--folder", &folder(&served, "x"), "--commit", nowhere]);
    assert!(!well && result["error"].is_string(), "{result}");
}

#[test]
fn go_git_reads_and_writes_with_a_token() {
    let served = Served::small(|serve| serve["readers"] = "tokens".into());
    let token = served.token("flux", &[]);
    let (well, result) = ask(&served, None, &["list"]);
    assert!(!well && result["error"].to_string().contains("auth"), "{result}");
    let (well, _) = ask(&served, Some(&Token::of("gmt_wrong")), &["list"]);
    assert!(!well);
    run(&served, Some(&token), &["list"]);
    run(&served, Some(&token), &["clone", "--folder", &folder(&served, "clone"), "--branch", "main"]);

    let push = |name: &str, more: &[&str]| {
        let place = folder(&served, name);
        let words = ["push", "--folder", &place, "--branch", "gitops", "--file", "deployed", "--text", name];
        ask(&served, Some(&token), &[&words, more].concat())
    };
    for name in ["one", "two"] {
        let (well, result) = push(name, &[]);
        assert!(well, "{result}");
        let tip = served.world.cache().branch("gitops").expect("because it was synced");
        assert_eq!(result["commit"], tip.to_string());
        assert_eq!(served.world.cache().file("gitops", "deployed"), Some(name.as_bytes().to_vec()));
    }
    let before = served.world.cache().refs();
    for elsewhere in ["refs/heads/main", "refs/heads/other", "refs/tags/v9"] {
        let (well, result) = push(&elsewhere.replace('/', "-"), &["--ref", elsewhere, "--force"]);
        assert!(!well && result["error"].to_string().contains("refs/heads/gitops"), "{result}");
    }
    assert_eq!(served.world.cache().refs(), before);
    served.world.cache().fsck();
}

#[test]
fn go_git_distinguishes_empty_from_unknown_repositories() {
    let served = Served::small(|_| {});
    let sandbox = served.world.sandbox();
    let (well, result) =
        GoGit::build().ask(sandbox.git(), sandbox.path(), &["list", "--url", &served.server.url("nowhere.git")]);
    assert!(!well && result["error"].to_string().contains("not found"), "{result}");
}
