//! Tables of what each kind of name takes and refuses; the comparison with git is in `tests/names_oracle.rs`.

use super::*;

fn check<T>(parse: impl Fn(&str) -> Result<T, NameError>, text: &str, expect: Result<(), NameFault>) {
    assert_eq!(parse(text).map(|_| ()).map_err(|error| error.fault), expect, "{text:?}");
}

#[test]
fn labels_are_names_for_files_refs_and_clusters() {
    let long = "x".repeat(64);
    for parse in [
        |text: &str| NodeName::parse(text).map(|_| ()),
        |text: &str| LaneName::parse(text).map(|_| ()),
        |text: &str| RepositoryName::parse(text).map(|_| ()),
    ] {
        check(parse, "D601", Ok(()));
        check(parse, "v0.3", Ok(()));
        check(parse, "a_b-c", Ok(()));
        check(parse, &long[1..], Ok(()));
        check(parse, &long, Err(NameFault::TooLong { limit: 63 }));
        check(parse, "", Err(NameFault::Empty));
        check(parse, "-x", Err(NameFault::Ends));
        check(parse, "x.", Err(NameFault::Ends));
        check(parse, "..", Err(NameFault::Ends));
        check(parse, "a..b", Err(NameFault::DoubleDot));
        check(parse, "a.lock", Err(NameFault::LockSuffix));
        check(parse, "a/b", Err(NameFault::Character('/')));
        check(parse, "a\\b", Err(NameFault::Character('\\')));
        check(parse, "é", Err(NameFault::Character('é')));
        check(parse, "a\u{202e}b", Err(NameFault::Character('\u{202e}')));
    }
    check(RepositoryName::parse, "hwlab.git", Err(NameFault::GitSuffix));
    check(RepositoryName::parse, "hwlab.GIT", Err(NameFault::GitSuffix));
    check(NodeName::parse, "hwlab.git", Ok(()));
}

#[test]
fn a_lane_name_is_a_part_of_a_rescue_ref() {
    for name in ["v03", "a.b", "A_1"] {
        let lane = LaneName::parse(name).unwrap();
        assert!(RefName::parse(&format!("refs/mirror-rescue/{lane}/x")).is_ok());
    }
}

#[test]
fn commit_ids_are_forty_lower_case_digits() {
    let hex = "9fceb02d0ae598e95dc970b74767f19372d61af8";
    let id = CommitId::from_hex(hex).unwrap();
    assert_eq!(id.to_string(), hex);
    assert_eq!(CommitId::from_bytes(*id.as_bytes()), id);
    assert_eq!(format!("{id:?}"), format!("CommitId({hex})"));
    check(CommitId::from_hex, &hex.to_uppercase(), Err(NameFault::Character('F')));
    check(CommitId::from_hex, &hex[1..], Err(NameFault::HexLength { found: 39 }));
    check(CommitId::from_hex, "", Err(NameFault::HexLength { found: 0 }));
    check(CommitId::from_hex, &"0".repeat(40), Err(NameFault::Null));
    check(CommitId::from_hex, &hex.replace('9', "é"), Err(NameFault::Character('é')));
}

#[test]
fn a_branch_that_ends_like_a_commit_is_told() {
    let ends = |name: &str| BranchName::parse(name).unwrap().ends_like_a_commit();
    assert!(ends(&"a".repeat(40)));
    assert!(ends(&format!("fix/{}", "0123456789ABCDEF".repeat(4))));
    assert!(!ends(&format!("{}/fix", "a".repeat(40))));
    assert!(!ends(&"a".repeat(41)));
    assert!(!ends(&"g".repeat(40)));
}

#[test]
fn tag_patterns_match_as_refspecs_do() {
    let matches = |pattern: &str, tag: &str| TagPattern::parse(pattern).unwrap().matches(tag);
    assert!(matches("v*", "v1.0") && matches("v*", "v") && matches("v*", "v1/rc"));
    assert!(!matches("v*", "w1"));
    assert!(matches("*-rc", "v1-rc") && !matches("*-rc", "v1-rc2"));
    assert!(matches("a*a", "aa") && !matches("a*a", "a"), "head and tail do not share a letter");
    assert!(matches("*", "anything"));
    assert!(matches("v1", "v1") && !matches("v1", "v10"));
    assert_eq!(TagPattern::parse("v1.*").unwrap().ref_prefix(), "refs/tags/v1.");
    assert_eq!(TagPattern::parse("v1").unwrap().exact().map(|name| name.to_string()).as_deref(), Some("refs/tags/v1"));
    assert_eq!(TagPattern::parse("v*").unwrap().exact(), None);
    let names_match = |name: &str| RefName::parse(name).unwrap().tag().is_some_and(|tag| matches("v*", tag));
    assert!(names_match("refs/tags/v1") && !names_match("refs/heads/v1"));
    check(TagPattern::parse, "v*.*", Err(NameFault::Stars));
}

#[test]
fn refs_know_their_namespace() {
    let name = RefName::parse("refs/heads/feature/x").unwrap();
    assert_eq!(name.branch().map(|branch| branch.to_string()).as_deref(), Some("feature/x"));
    assert_eq!(name.tag(), None);
    assert_eq!(RefName::parse("refs/heads/-x").unwrap().branch(), None, "a ref of git, and no branch");
    assert_eq!(RefName::from_bytes(b"refs/heads/\xff").unwrap_err().fault, NameFault::NotUtf8);
    let prefix = RefPrefix::parse("refs/mirror/snapshots").unwrap();
    assert!(prefix.is_within("refs/mirror") && prefix.is_within("refs/mirror/snapshots"));
    assert!(!prefix.is_within("refs/mirror/snap") && !prefix.is_within("refs/mirror/snapshots/x"));
    assert_eq!(prefix.strip(&RefName::parse("refs/mirror/snapshots/g/b").unwrap()), Some("g/b"));
    assert_eq!(prefix.strip(&RefName::parse("refs/mirror/snapshotsx").unwrap()), None);
}

#[test]
fn conflicts_are_found_whatever_lies_between_in_the_order() {
    let names =
        ["refs/heads/a", "refs/heads/a.b", "refs/heads/a-b", "refs/heads/a/b/c", "refs/heads/ab", "refs/tags/a"];
    let found = conflicts(names.map(|name| RefName::parse(name).unwrap()));
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["`refs/heads/a` and `refs/heads/a/b/c` cannot both exist"]);
}

#[test]
fn a_refused_name_cannot_disturb_a_terminal() {
    let error = RefName::parse(&format!("refs/\u{1b}[31m\u{202e}{}", "x".repeat(500))).unwrap_err();
    let shown = error.to_string();
    assert!(shown.starts_with(r"ref name `refs/\u{1b}[31m\u{202e}x"), "{shown}");
    assert!(shown.len() < 300, "{shown}");
}

#[test]
fn names_pass_through_serde_as_text_and_are_checked() {
    let branch: BranchName = serde_json::from_str("\"v0.3\"").unwrap();
    assert_eq!(serde_json::to_string(&branch).unwrap(), "\"v0.3\"");
    let refused = serde_json::from_str::<BranchName>("\"a..b\"").unwrap_err().to_string();
    assert!(refused.contains("branch name `a..b` has two dots in a row"), "{refused}");
    assert!(serde_json::from_str::<CommitId>("\"abc\"").is_err());
}
