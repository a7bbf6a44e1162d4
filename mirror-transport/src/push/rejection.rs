//! The one table by which the words of an `ng` line are classed.
//!
//! They are part of report-status, and nothing else that a server says is ever looked at. Words that the table does not know are
//! [`RejectionClass::Other`]: the push failed, and the report shows them as they are.

use mirror_core::flush::RejectionClass::{
    self, HookDeclined, LockRace, NoPermission, NonFastForward, Other, Protected, Stale,
};

/// How the words of a line are met.
enum Words {
    /// They are these.
    Are(&'static str),
    /// They begin with these.
    Begin(&'static str),
    /// They begin with the first and have the second further on.
    BeginAndHave(&'static str, &'static str),
}
use Words::{Are, Begin, BeginAndHave};

/// First match wins. The first group is git's own receive-pack, the others name their server.
const TABLE: &[(Words, RejectionClass)] = &[
    (Are("non-fast-forward"), NonFastForward),
    (Are("fetch first"), NonFastForward),
    (Are("needs force"), NonFastForward),
    (Are("stale info"), Stale),
    (Are("incorrect old value provided"), Stale),
    (Are("reference already exists"), Stale),
    (Are("reference does not exist"), Stale),
    // What git's receive-pack says of a transaction that lost: the ref was locked, or had another value by then.
    (Are("failed to update ref"), LockRace),
    (Are("failed to write"), LockRace),
    (Begin("failed to lock"), LockRace),
    (Are("transaction failed to start"), LockRace),
    (BeginAndHave("cannot lock ref", "but expected"), Stale),
    (BeginAndHave("cannot lock ref", "reference already exists"), Stale),
    (Begin("cannot lock ref"), LockRace),
    (Are("pre-receive hook declined"), HookDeclined),
    (Are("hook declined"), HookDeclined),
    (Are("push-to-checkout hook declined"), HookDeclined),
    (Are("proc-receive failed to report status"), HookDeclined),
    (Are("deny updating a hidden ref"), Protected),
    (Are("branch is currently checked out"), Protected),
    (Begin("permission denied"), NoPermission),
    // GitHub.
    (Are("protected branch hook declined"), Protected),
    (Are("push declined due to repository rule violations"), Protected),
    (Begin("push declined due to"), HookDeclined),
    (Begin("refusing to allow"), NoPermission),
    // GitLab.
    (Are("reference update failed"), LockRace),
    (Begin("You are not allowed to push code to protected branches"), Protected),
    (Begin("You are not allowed"), NoPermission),
    // Gerrit and other JGit servers.
    (Are("lock error"), LockRace),
    (Are("non-fast forward"), NonFastForward),
    (Begin("prohibited by Gerrit"), NoPermission),
];

/// Classes the words with which a server declined a command.
///
/// # Source
///
/// `builtin/receive-pack.c` of git, `refs.c` (`ref_transaction_error_msg`), and the words GitHub, GitLab and JGit put on `ng` lines.
pub fn classify(words: &str) -> RejectionClass {
    let words = words.trim();
    let has = |text: &str, at: usize| words.get(at..).is_some_and(|rest| rest.contains(text));
    let begins = |text: &str| words.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    TABLE
        .iter()
        .find(|(met, _)| match met {
            Are(text) => words.eq_ignore_ascii_case(text),
            Begin(text) => begins(text),
            BeginAndHave(start, text) => begins(start) && has(text, start.len()),
        })
        .map_or(Other, |(_, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_classed_by_the_table_alone() {
        for (words, class) in [
            ("non-fast-forward", NonFastForward),
            ("fetch first", NonFastForward),
            ("stale info", Stale),
            ("incorrect old value provided", Stale),
            ("cannot lock ref 'refs/heads/main': is at 1111 but expected 2222", Stale),
            ("cannot lock ref 'refs/heads/main': reference already exists", Stale),
            ("cannot lock ref 'refs/heads/main': Unable to create '/x/main.lock': File exists.", LockRace),
            ("failed to update ref", LockRace),
            ("failed to lock", LockRace),
            ("Failed to lock", LockRace),
            ("pre-receive hook declined", HookDeclined),
            ("hook declined", HookDeclined),
            ("protected branch hook declined", Protected),
            ("push declined due to repository rule violations", Protected),
            ("push declined due to email privacy restrictions", HookDeclined),
            ("deny updating a hidden ref", Protected),
            ("Permission denied to deploy-key", NoPermission),
            ("unpacker error", Other),
            ("unable to migrate objects to permanent storage", Other),
            ("missing necessary objects", Other),
            ("", Other),
            ("some words: non-fast-forward, hook declined, cannot lock ref", Other),
            ("ünïcode words", Other),
        ] {
            assert_eq!(classify(words), class, "{words:?}");
        }
    }
}
