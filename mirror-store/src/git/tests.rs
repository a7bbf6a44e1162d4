//! Runs of a real git, and of programs that only claim to be one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::*;

fn git() -> GitProgram {
    GitProgram::find().unwrap()
}

/// A folder with a script named `git`. A child writes it: a descriptor of ours that is open for writing could be inherited by the child of another
/// test in that moment, and keep the script from being run.
fn impostor(folder: &Path, script: &str) -> PathBuf {
    let write = std::process::Command::new("sh")
        .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > git && chmod 755 git", "sh", script])
        .current_dir(folder)
        .status();
    assert!(write.unwrap().success());
    folder.to_owned()
}

#[test]
fn a_git_that_is_missing_or_too_old_names_the_repair() {
    let folder = tempfile::tempdir().unwrap();
    let missing = GitProgram::find_on(folder.path().as_os_str()).unwrap_err();
    assert!(matches!(missing, GitError::Missing));
    assert!(miette::Diagnostic::help(&missing).unwrap().to_string().contains("install git 2.31 or newer"));

    let old = GitProgram::find_on(impostor(folder.path(), "echo git version 2.30.9").as_os_str()).unwrap_err();
    assert_eq!(old.to_string(), format!("{} is git 2.30", folder.path().join("git").display()));
    assert!(miette::Diagnostic::help(&old).unwrap().to_string().contains("install git 2.31 or newer"));

    let other = GitProgram::find_on(impostor(folder.path(), "echo hello").as_os_str()).unwrap_err();
    assert!(matches!(other, GitError::NoVersion { said, .. } if said == "hello"));
}

#[test]
fn folders_without_a_program_are_passed_over() {
    let (empty, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(empty.path().join("git"), "no program").unwrap();
    impostor(full.path(), "echo git version 9.1.0");
    let path = std::env::join_paths([Path::new("relative"), empty.path(), full.path()]).unwrap();
    let found = GitProgram::find_on(&path).unwrap();
    assert_eq!((found.path(), found.version().to_string().as_str()), (full.path().join("git").as_path(), "9.1"));
}

#[tokio::test]
async fn settings_win_over_the_repository_and_nothing_else_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let limit = (1 << 16, Duration::from_secs(60));
    git().command(folder.path(), ["init", "--quiet", "--bare"]).output(b"", limit.0, limit.1).await.unwrap();
    git().command(folder.path(), ["config", "pack.threads", "7"]).output(b"", limit.0, limit.1).await.unwrap();
    let caps = PackCaps { threads: 3, ..PackCaps::default() };
    let list = git().command(folder.path(), ["config", "--list", "--show-origin"]).caps(&caps);
    let printed = String::from_utf8(list.output(b"", limit.0, limit.1).await.unwrap()).unwrap();
    assert_eq!(printed.lines().rfind(|line| line.contains("pack.threads")), Some("command line:\tpack.threads=3"));
    let elsewhere = printed.lines().filter(|line| !line.starts_with("command line:") && !line.starts_with("file:"));
    assert_eq!(elsewhere.count(), 0, "{printed}");
    let files = printed.lines().filter(|line| line.starts_with("file:")).collect::<Vec<_>>();
    assert!(files.iter().all(|line| line.contains(&format!("{}/config\t", folder.path().display()))), "{printed}");
}

#[tokio::test]
async fn input_goes_in_and_output_comes_out_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let minute = Duration::from_secs(60);
    git().command(folder.path(), ["init", "--quiet", "--bare"]).output(b"", 0, minute).await.unwrap();
    let hash = |limit| git().command(folder.path(), ["hash-object", "--stdin"]).output(b"hello\n", limit, minute);
    assert_eq!(hash(41).await.unwrap(), b"ce013625030ba8dba906f756967f9e9ca394464a\n");
    assert!(matches!(hash(40).await.unwrap_err(), GitError::Oversized { limit: 40, .. }));
}

#[tokio::test]
async fn a_failure_carries_what_git_said_and_a_deadline_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let minute = Duration::from_secs(60);
    let failed = git().command(folder.path(), ["cat-file", "-t", "HEAD"]).output(b"", 10, minute).await.unwrap_err();
    assert!(
        matches!(&failed, GitError::Failed { verb, said, .. } if verb == "cat-file" && said.contains("not a git repository"))
    );

    let slow = tempfile::tempdir().unwrap();
    let program = impostor(slow.path(), "case $1 in version) echo git version 9.0 ;; *) exec sleep 1000 ;; esac");
    let path = std::env::join_paths([program, "/bin".into(), "/usr/bin".into()]).unwrap();
    let slow = GitProgram::find_on(&path).unwrap().command(folder.path(), ["wait"]);
    let late = slow.output(b"", 10, Duration::ZERO).await.unwrap_err();
    assert_eq!(late.to_string(), "git wait did not end within 0 s");
}

#[tokio::test]
async fn what_a_git_started_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    // The grandchild holds the pipe open as long as it lives.
    let program = impostor(
        folder.path(),
        "case $1 in version) echo git version 9.0 ;; *) sh -c 'echo up; exec sleep 1000' & wait ;; esac",
    );
    let path = std::env::join_paths([program, "/bin".into(), "/usr/bin".into()]).unwrap();
    let git = GitProgram::find_on(&path).unwrap();
    for is_dropped in [false, true] {
        let mut child = git.command(folder.path(), ["run"]).start().unwrap();
        let mut stdout = child.take_stdout().unwrap();
        let mut up = [0; 3];
        stdout.read_exact(&mut up).await.unwrap();
        if is_dropped {
            drop(child);
        } else {
            child.kill();
            assert!(!child.wait().await.unwrap().status.success());
        }
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(60), stdout.read_to_end(&mut rest)).await;
        assert_eq!(end.expect("the grandchild was killed too").unwrap(), 0);
    }
}

#[tokio::test]
async fn what_runs_in_the_background_gets_less_than_others_and_not_the_least() {
    let folder = tempfile::tempdir().unwrap();
    // It looks when it has been spoken to, which is when it has begun for its caller.
    let script = "test \"$1\" = version && echo git version 9.1.0 && exit; read line; nice";
    let git = GitProgram::find_on(
        &std::env::join_paths([impostor(folder.path(), script), "/usr/bin".into(), "/bin".into()]).unwrap(),
    );
    let git = git.unwrap();
    let ask = async |command: GitCommand| {
        let printed = command.output(b"go\n", 1 << 10, Duration::from_secs(60)).await.unwrap();
        String::from_utf8(printed).unwrap().trim().parse::<i32>().unwrap()
    };
    let ours = ask(git.command(folder.path(), ["look"])).await;
    let behind = ask(git.command(folder.path(), ["look"]).in_background()).await;
    assert_eq!(ours, rustix::process::getpriority_process(None).unwrap());
    assert_eq!(behind, (ours + 5).min(19));
}

#[tokio::test]
async fn who_outlives_a_git_that_ended_by_itself_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    // The grandchild holds both pipes open, and its parent is gone.
    let program = impostor(
        folder.path(),
        "case $1 in version) echo git version 9.0 ;; *) sh -c 'exec sleep 1000' & echo it broke >&2; exit 3 ;; esac",
    );
    let path = std::env::join_paths([program, "/bin".into(), "/usr/bin".into()]).unwrap();
    let git = GitProgram::find_on(&path).unwrap();
    let mut child = git.command(folder.path(), ["run"]).start().unwrap();
    let mut stdout = child.take_stdout().unwrap();
    let ended = child.wait().await.unwrap();
    assert_eq!((ended.status.code(), ended.said.as_str()), (Some(3), "it broke"));
    assert_eq!(stdout.read_to_end(&mut Vec::new()).await.unwrap(), 0, "it was killed");
}

#[tokio::test]
async fn who_outlives_a_git_ends_with_it_though_its_end_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let program = impostor(
        folder.path(),
        "case $1 in version) echo git version 9.0 ;; *) sh -c 'exec sleep 1000' & exit 3 ;; esac",
    );
    let path = std::env::join_paths([program, "/bin".into(), "/usr/bin".into()]).unwrap();
    let mut child = GitProgram::find_on(&path).unwrap().command(folder.path(), ["run"]).start().unwrap();
    let mut stdout = child.take_stdout().unwrap();
    let id = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    let look = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    assert!(rustix::process::waitid(rustix::process::WaitId::Pid(id), look).unwrap().is_some(), "it has ended");
    // Who waits sees that, and goes away while the grandchild is still given its time.
    assert!(tokio::time::timeout(Duration::ZERO, child.wait()).await.is_err());
    drop(child);
    let end = tokio::time::timeout(Duration::from_secs(60), stdout.read_to_end(&mut Vec::new())).await;
    assert_eq!(end.expect("the grandchild was killed too").unwrap(), 0);
}
