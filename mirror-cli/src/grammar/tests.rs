//! Every command line of the seed as it stands there, and the ways to get one wrong.

use std::ffi::OsString;

use super::{GrammarError, rewrite};

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn check(line: &str, expect: &str) {
    let got = rewrite(words(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(got, words(expect), "{line}");
}

#[test]
fn r5_the_command_lines_of_the_seed_work_as_they_stand() {
    // What stands behind `bun scripts/cli.ts` in the seed, for every bracket.
    check("git-mirror hwlab g14 git-mirror status", "git-mirror status --node g14");
    check("git-mirror hwlab g14 git-mirror apply", "git-mirror apply --node g14");
    check("git-mirror hwlab g14 git-mirror apply --dry-run", "git-mirror apply --dry-run --node g14");
    check("git-mirror hwlab g14 git-mirror apply --confirm", "git-mirror apply --confirm --node g14");
    check("git-mirror hwlab g14 git-mirror sync", "git-mirror sync --node g14");
    check("git-mirror hwlab g14 git-mirror sync --dry-run", "git-mirror sync --dry-run --node g14");
    check("git-mirror hwlab g14 git-mirror sync --confirm", "git-mirror sync --confirm --node g14");
    check("git-mirror hwlab g14 git-mirror flush", "git-mirror flush --node g14");
    check("git-mirror hwlab g14 git-mirror flush --dry-run", "git-mirror flush --dry-run --node g14");
    check("git-mirror hwlab g14 git-mirror flush --confirm", "git-mirror flush --confirm --node g14");
    check(
        "git-mirror hwlab nodes git-mirror status --node D601 --lane v03",
        "git-mirror status --node D601 --lane v03",
    );
    check(
        "git-mirror hwlab nodes git-mirror sync --node D601 --lane v03 --confirm --wait",
        "git-mirror sync --node D601 --lane v03 --confirm --wait",
    );
    check(
        "git-mirror hwlab nodes git-mirror flush --node D601 --lane v03 --confirm --wait",
        "git-mirror flush --node D601 --lane v03 --confirm --wait",
    );
    check(
        "git-mirror hwlab nodes control-plane apply --node D601 --lane v03 --confirm",
        "git-mirror control-plane apply --node D601 --lane v03 --confirm",
    );
    check(
        "git-mirror hwlab nodes control-plane status --pipeline-run run-7",
        "git-mirror control-plane status --pipeline-run run-7",
    );
    check(
        "git-mirror hwlab nodes control-plane cleanup-runs --pipeline-run run-7 --confirm",
        "git-mirror control-plane cleanup-runs --pipeline-run run-7 --confirm",
    );
    check(
        "git-mirror hwlab nodes control-plane trigger-current --node JD01 --lane v03 --confirm --wait",
        "git-mirror control-plane trigger-current --node JD01 --lane v03 --confirm --wait",
    );
}

#[test]
fn the_name_of_the_program_counts_as_the_first_word() {
    check("hwlab g14 git-mirror status", "hwlab status --node g14");
    check("/usr/local/bin/hwlab g14 git-mirror status", "/usr/local/bin/hwlab status --node g14");
    check("hwlab.exe nodes git-mirror status --node g14", "hwlab.exe status --node g14");
    check("hwlab hwlab g14 git-mirror status", "hwlab status --node g14");
}

#[test]
fn the_product_grammar_passes_through() {
    check("git-mirror status --node hwlab", "git-mirror status --node hwlab");
    check("git-mirror", "git-mirror");
    check("git-mirror -f hwlab status", "git-mirror -f hwlab status");
    check("/opt/hwlab/git-mirror status", "/opt/hwlab/git-mirror status");
}

#[test]
fn global_options_may_stand_before_hwlab() {
    check(
        "git-mirror -f a.yaml -o json -vv hwlab g14 git-mirror status",
        "git-mirror -f a.yaml -o json -vv status --node g14",
    );
    check("git-mirror --output=json hwlab g14 git-mirror status", "git-mirror --output=json status --node g14");
    check("hwlab -o json g14 git-mirror status", "hwlab -o json status --node g14");
}

#[test]
fn verbs_of_two_words_and_help_pass() {
    check("hwlab g14 git-mirror snapshots list --branch v0.2", "hwlab snapshots list --branch v0.2 --node g14");
    check("hwlab g14 control-plane status", "hwlab control-plane status --node g14");
    check("hwlab", "hwlab --help");
    check("hwlab help", "hwlab --help");
    check("hwlab --help", "hwlab --help");
    check("git-mirror hwlab --help", "git-mirror --help");
}

#[test]
fn the_same_node_named_twice_is_one_node() {
    check("hwlab g14 git-mirror status --node G14", "hwlab status --node G14");
    check("hwlab g14 git-mirror status --node=g14", "hwlab status --node=g14");
}

#[test]
fn what_is_in_neither_grammar_is_named() {
    let refused = |line: &str| rewrite(words(line)).expect_err(line).to_string();
    insta::assert_snapshot!(
        [
            "hwlab g14",
            "hwlab g14 git-mirror",
            "hwlab g14 status",
            "hwlab nodes gitmirror status",
            "hwlab g14 git-mirror status --node D601",
        ]
        .map(refused)
        .join("\n"),
        @r"
    `hwlab g14` is not a whole command
    `hwlab g14 git-mirror` is not a whole command
    `hwlab g14` has no `status`
    `hwlab nodes` has no `gitmirror`
    two nodes are named: `g14` behind hwlab, and `--node D601`
    "
    );
    assert!(matches!(rewrite(words("hwlab g14")), Err(GrammarError::Incomplete { .. })));
}
