//! go-git 5, as Argo CD and Flux use it: protocol version 0, one request after the other, no redirects, fifteen seconds each.
//!
//! The program stands in `tests/go`, with the version that they build with.

use std::collections::BTreeMap;

use mirror_core::name::CommitId;
use mirror_tests::gitclient::Token;
use mirror_tests::gogit::GoGit;
use mirror_tests::sandbox::Repository;
use mirror_tests::server::Served;
use serde_json::Value;

/// Runs a verb of the program; gives what it told, and whether it was well.
fn ask(site: &Served, token: Option<&Token>, words: &[&str]) -> (bool, Value) {
    let sandbox = site.world.sandbox();
    let shown = token.map(|token| sandbox.write("shown-token", token.text()).to_string_lossy().into_owned());
    let (verb, rest) = words.split_first().expect("because a verb is asked for");
    let url = site.url();
    let mut words = [&[*verb, "--url", &url], rest].concat();
    if let Some(shown) = &shown {
        words.extend(["--token", shown]);
    }
    GoGit::build().ask(sandbox.git(), sandbox.path(), &words)
}

#[track_caller]
fn run(site: &Served, token: Option<&Token>, words: &[&str]) -> Value {
    let (well, told) = ask(site, token, words);
    assert!(well, "{words:?}: {}", told["error"]);
    told
}

fn folder(site: &Served, name: &str) -> String {
    site.world.sandbox().path().join(name).to_string_lossy().into_owned()
}

fn tip(site: &Served, branch: &str) -> CommitId {
    site.world.upstream().branch(branch).expect("because it was made")
}

/// The files of a commit and their ids.
fn files(repository: &Repository, commit: CommitId) -> BTreeMap<String, String> {
    let listed = repository.run(["ls-tree", "-r", "--format=%(objectname) %(path)", &commit.to_string()]);
    listed.lines().filter_map(|line| line.split_once(' ')).map(|(id, name)| (name.to_owned(), id.to_owned())).collect()
}

fn told_files(told: &Value) -> BTreeMap<String, String> {
    let entries = told["files"].as_object().into_iter().flatten();
    entries.map(|(name, id)| (name.clone(), id.as_str().unwrap_or_default().to_owned())).collect()
}

#[test]
fn go_git_lists_what_git_lists() {
    let site = Served::small(|_| {});
    let told = run(&site, None, &["list"]);
    let listed: BTreeMap<_, _> = told["refs"].as_object().into_iter().flatten().collect();
    let mut expected: BTreeMap<String, String> =
        site.world.upstream().refs().into_iter().map(|(name, id)| (name, id.to_string())).collect();
    let peeled = site.world.upstream().rev("v2^{}").expect("because it was tagged");
    expected.insert("refs/tags/v2^{}".to_owned(), peeled.to_string());
    expected.insert("HEAD".to_owned(), "refs/heads/main".to_owned());
    for (name, id) in &listed {
        // Older releases leave peeled tags out; none invents a ref.
        assert_eq!(expected.get(*name).map(String::as_str), id.as_str(), "{name}");
    }
    for name in ["HEAD", "refs/heads/main", "refs/heads/gitops", "refs/tags/v1", "refs/tags/v2"] {
        assert!(listed.contains_key(&name.to_owned()), "{name} is not in {listed:?}");
    }
    assert_eq!(told["requests"], 1, "one request, and no redirect");
}

#[test]
fn flux_clones_a_branch_a_tag_and_a_commit() {
    let site = Served::small(|_| {});
    let upstream = site.world.upstream();
    let branch = run(&site, None, &["clone", "--folder", &folder(&site, "branch"), "--branch", "gitops"]);
    assert_eq!((&branch["commit"], &branch["commits"]), (&tip(&site, "gitops").to_string().into(), &1.into()));
    assert_eq!(told_files(&branch), files(upstream, tip(&site, "gitops")));

    let tags = run(&site, None, &["clone", "--folder", &folder(&site, "tags"), "--branch", "main", "--tags"]);
    assert_eq!((&tags["commit"], &tags["tags"]), (&tip(&site, "main").to_string().into(), &vec!["v1", "v2"].into()));
    assert_eq!(told_files(&tags), files(upstream, tip(&site, "main")));

    let older = upstream.rev("main~7").expect("because there are enough");
    for (name, more) in [("all", &[] as &[&str]), ("single", &["--branch", "main"])] {
        let words = ["clone-commit", "--folder", &folder(&site, name), "--commit", &older.to_string()];
        let told = run(&site, None, &[&words, more].concat());
        assert_eq!(told["commit"], older.to_string());
        assert_eq!(told_files(&told), files(upstream, older));
        let count = upstream.run(["rev-list", "--count", &older.to_string()]);
        assert_eq!(told["commits"].to_string(), count);
    }
}

#[test]
fn go_git_fetches_exactly_one_commit_even_one_that_no_branch_has() {
    let site = Served::small(|_| {});
    let snapshot = tip(&site, "main");
    let wanted = files(site.world.upstream(), snapshot);
    site.world.upstream().commit("main").root().file("source", "rewritten\n").make();
    site.world.mirror(&["sync", "--confirm"]).expect(0);
    for commit in [snapshot, tip(&site, "main")] {
        let words = ["fetch-commit", "--folder", &folder(&site, &commit.to_string()), "--commit", &commit.to_string()];
        let told = run(&site, None, &words);
        assert_eq!((&told["commit"], &told["commits"]), (&commit.to_string().into(), &1.into()));
        if commit == snapshot {
            assert_eq!(told_files(&told), wanted);
        }
    }
    let nowhere = "1234567890123456789012345678901234567890";
    let (well, told) = ask(&site, None, &["fetch-commit", "--folder", &folder(&site, "x"), "--commit", nowhere]);
    assert!(!well && told["error"].is_string(), "{told}");
}

#[test]
fn go_git_reads_and_writes_with_a_token_and_is_told_why_not() {
    let site = Served::small(|serve| serve["readers"] = "tokens".into());
    let token = site.token("flux", &[]);
    let (well, told) = ask(&site, None, &["list"]);
    assert!(!well && told["error"].to_string().contains("auth"), "{told}");
    let (well, _) = ask(&site, Some(&Token::of("gmt_wrong")), &["list"]);
    assert!(!well);
    run(&site, Some(&token), &["list"]);
    run(&site, Some(&token), &["clone", "--folder", &folder(&site, "clone"), "--branch", "main"]);

    let push = |name: &str, more: &[&str]| {
        let place = folder(&site, name);
        let words = ["push", "--folder", &place, "--branch", "gitops", "--file", "deployed", "--text", name];
        ask(&site, Some(&token), &[&words, more].concat())
    };
    for name in ["one", "two"] {
        let (well, told) = push(name, &[]);
        assert!(well, "{told}");
        let tip = site.world.cache().branch("gitops").expect("because it was synced");
        assert_eq!(told["commit"], tip.to_string());
        assert_eq!(site.world.cache().file("gitops", "deployed"), Some(name.as_bytes().to_vec()));
    }
    let before = site.world.cache().refs();
    for elsewhere in ["refs/heads/main", "refs/heads/other", "refs/tags/v9"] {
        let (well, told) = push(&elsewhere.replace('/', "-"), &["--ref", elsewhere, "--force"]);
        assert!(!well && told["error"].to_string().contains("refs/heads/gitops"), "{told}");
    }
    assert_eq!(site.world.cache().refs(), before);
    site.world.cache().fsck();
}

#[test]
fn an_empty_repository_is_told_from_one_that_is_not_served() {
    let site = Served::small(|_| {});
    let sandbox = site.world.sandbox();
    let (well, told) =
        GoGit::build().ask(sandbox.git(), sandbox.path(), &["list", "--url", &site.server.url("nowhere.git")]);
    assert!(!well && told["error"].to_string().contains("not found"), "{told}");
}
