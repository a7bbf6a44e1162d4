//! What options mean together, as tables.

use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use miette::Diagnostic;
use mirror_core::fault::{Classified, FaultClass};
use mirror_core::operation::WaitForTurn;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

fn operation(line: &str) -> OperationArgs {
    match parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).verb {
        Verb::Sync(args) | Verb::Flush(args) | Verb::Maintain(args) | Verb::Apply(args) => args,
        Verb::Snapshots(SnapshotsVerb::Prune(args)) => args,
        Verb::Lane(LaneVerb::Resolve(args)) => args.operation,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_command_is_sound() {
    Cli::command().debug_assert();
    command().debug_assert();
}

#[test]
fn r6_without_confirm_a_verb_is_a_dry_run() {
    use mirror_core::operation::Mode::{Confirm, DryRun};
    let verbs = ["sync", "flush", "maintain", "apply", "snapshots prune", "lane resolve --adopt-upstream"];
    for verb in verbs {
        let check = |options: &str, expect| {
            let line = format!("git-mirror {verb} {options}");
            assert_eq!(operation(&line).confirm.mode().ok(), expect, "{line}");
        };
        check("", Some(DryRun));
        check("--dry-run", Some(DryRun));
        check("--confirm", Some(Confirm));
        check("--dry-run --confirm", None);
    }
}

#[test]
fn how_long_to_wait() {
    let check = |options: &str, expect: Option<WaitForTurn>| {
        let line = format!("git-mirror sync {options}");
        assert_eq!(operation(&line).confirm.wait().ok(), expect, "{line}");
    };
    check("", Some(WaitForTurn::No));
    check("--wait", Some(WaitForTurn::UpTo(DEFAULT_TIMEOUT)));
    check("--wait --timeout 90s", Some(WaitForTurn::UpTo(Duration::from_secs(90))));
    check("--wait --timeout 1h30m", Some(WaitForTurn::UpTo(Duration::from_secs(5400))));
    check("--wait --timeout=250ms", Some(WaitForTurn::UpTo(Duration::from_millis(250))));
    check("--wait --timeout 1d", Some(WaitForTurn::UpTo(Duration::from_secs(86_400))));
    check("--wait --timeout PT1H", Some(WaitForTurn::UpTo(Duration::from_secs(3600))));
    check("--wait --timeout 1.5h", Some(WaitForTurn::UpTo(Duration::from_secs(5400))));
    check("--timeout 5m", None);
    check("--wait --timeout 0", None);
    check("--wait --timeout 0s", None);
    check("--timeout 0", None);
    check("--wait --timeout 15", None);
    check("--wait --timeout=-5m", None);
    check("--wait --timeout soon", None);
    check("--wait --timeout 99999999999999999999h", None);
}

#[test]
fn contradictions_are_told_with_their_repair() {
    let told = |error: UsageError| {
        assert_eq!(error.class(), FaultClass::Usage);
        format!("{error}\n  {}: {}", error.code().unwrap(), error.help().unwrap())
    };
    let confirm = |line: &str| operation(line).confirm;
    let errors = [
        confirm("git-mirror sync --dry-run --confirm").mode().unwrap_err(),
        confirm("git-mirror sync --timeout 5m").wait().unwrap_err(),
        confirm("git-mirror sync --wait --timeout 0").wait().unwrap_err(),
        confirm("git-mirror sync --wait --timeout 15").wait().unwrap_err(),
        parse_writer("gmt_0123456789abcdef").unwrap_err(),
        parse_end("soon", jiff::Timestamp::UNIX_EPOCH).unwrap_err(),
        UsageError::QuietAndVerbose,
    ];
    insta::assert_snapshot!(errors.map(told).join("\n"));
}

#[test]
fn a_target_is_a_node_and_lanes() {
    let target = |line: &str| operation(line).target;
    let check = |options: &str, node: Option<&str>, lanes: &[&str]| {
        let got = target(&format!("git-mirror sync {options}"));
        assert_eq!(
            (got.node.as_deref(), got.lanes.iter().map(String::as_str).collect::<Vec<_>>()),
            (node, lanes.to_vec())
        );
    };
    check("", None, &[]);
    check("--node D601", Some("D601"), &[]);
    check("--lane v03 --lane v02", None, &["v03", "v02"]);
    check("--lane v03,v02 --node=d601", Some("d601"), &["v03", "v02"]);
}

#[test]
fn global_options_stand_before_or_behind_the_verb() {
    let globals = |line: &str| parse(line).unwrap().globals;
    assert_eq!(globals("git-mirror -o json status").output, Format::Json);
    assert_eq!(globals("git-mirror status -o yaml").output, Format::Yaml);
    assert_eq!(globals("git-mirror -vv status").verbose, 2);
    assert_eq!(globals("git-mirror status -v").verbose, 1);
    assert_eq!(globals("git-mirror status -f a.yaml").file.unwrap().to_str(), Some("a.yaml"));
    assert!(globals("git-mirror -q status").quiet);
}

#[test]
fn where_and_what_a_server_serves() {
    let serve = |line: &str| match parse(line).map(|cli| cli.verb) {
        Ok(Verb::Serve(args)) => Some((args.node.node, args.listen.map(|listen| listen.to_string()))),
        _ => None,
    };
    assert_eq!(serve("git-mirror serve"), Some((None, None)));
    let both = serve("git-mirror serve --node local --listen [::1]:0");
    assert_eq!(both, Some((Some("local".to_owned()), Some("[::1]:0".to_owned()))));
    for wrong in ["--listen 8080", "--listen localhost:8080", "--lane main", "--confirm"] {
        assert_eq!(serve(&format!("git-mirror serve {wrong}")), None, "{wrong}");
    }
}

#[test]
fn a_server_elsewhere_is_asked_for_what_it_knows() {
    for line in [
        "git-mirror status --server http://mirror:8080 --token-file t --ca c --lane v03",
        "git-mirror history --server http://mirror:8080 --limit 3",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
    for line in [
        "git-mirror status --server http://mirror:8080 --refresh",
        "git-mirror status --token-file t",
        "git-mirror history --ca c",
        "git-mirror sync --server http://mirror:8080",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn the_end_of_a_token() {
    let now: jiff::Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let check = |text: &str, expect: Option<&str>| {
        assert_eq!(parse_end(text, now).ok(), expect.map(|at| at.parse().unwrap()), "{text}");
    };
    check("90d", Some("2030-04-01T00:00:00Z"));
    check("12h", Some("2030-01-01T12:00:00Z"));
    check("1d12h", Some("2030-01-02T12:00:00Z"));
    check("2030-01-31T00:00:00+01:00", Some("2030-01-30T23:00:00Z"));
    for wrong in ["0d", "", "-1d", "90", "soon", "2029-12-31T23:59:59Z", "2030-01-01T00:00:00Z", "999999999999d"] {
        check(wrong, None);
    }
}

#[test]
fn verbs_of_later_builds_are_not_offered() {
    for line in [
        "git-mirror render",
        "git-mirror lane resolve --replay",
        "git-mirror lane resolve",
        "git-mirror sync --force",
        "git-mirror history --limit 0",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
    let help = parse("git-mirror --help").unwrap_err();
    assert_eq!(help.kind(), ErrorKind::DisplayHelp);
    let help = help.to_string();
    for hidden in ["control-plane", "  apply"] {
        assert!(!help.contains(hidden), "{hidden} is offered:\n{help}");
    }
}
