use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;
use miette::Diagnostic;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn terms(name: &str) -> TokenTerms {
    TokenTerms { name: name.parse().unwrap(), lanes: None, expires: None, created: at(0) }
}

const HASH: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn refused(text: &str) -> (u64, String, String) {
    let error = TokenFile::parse("tokens.yaml", text).unwrap_err();
    let help = error.help().unwrap().to_string();
    let TokensError::Malformed { line, fault, .. } = error else { panic!("{error:?}") };
    (line, fault, help)
}

#[test]
fn each_fault_of_the_file_names_its_line_and_its_repair() {
    let head = "apiVersion: git-mirror/v1\nkind: Tokens\ntokens:\n";
    let entry = |more: &str| format!("{head}- name: ci\n  hash: {HASH}\n  created: 2026-01-01T00:00:00Z\n{more}");
    let table = [
        ("".to_owned(), 1, "", "as `git-mirror token new` does"),
        ("apiVersion: git-mirror/v2\nkind: Tokens\n".to_owned(), 1, "`git-mirror/v2`", "`apiVersion: git-mirror/v1`"),
        ("apiVersion: git-mirror/v1\nkind: Token\n".to_owned(), 2, "`Token`", "`kind: Tokens`"),
        (entry("  lane: x\n"), 7, "lane", "as `git-mirror token new` does"),
        (entry("  expires: tomorrow\n"), 7, "`expires` of ci", "2030-01-31T12:00:00Z"),
        (entry("  lanes: []\n"), 4, "empty list", "leave `lanes` out"),
        (entry("  lanes: [ok, 'a/b']\n"), 7, "a lane of ci", "as it stands in the configuration"),
        (
            entry(&format!("- name: ci\n  hash: {}\n  created: 2026-01-01T00:00:00Z\n", HASH.replace('9', "8"))),
            7,
            "again, after line 4",
            "of its own",
        ),
        (
            entry(&format!("- name: cd\n  hash: {HASH}\n  created: 2026-01-01T00:00:00Z\n")),
            7,
            "same hash as ci",
            "token new",
        ),
        (format!("{head}- name: -x\n  hash: {HASH}\n  created: 2026-01-01T00:00:00Z\n"), 4, "`-x`", "letters"),
        (
            format!("{head}- name: ci\n  hash: sha256:12\n  created: 2026-01-01T00:00:00Z\n"),
            5,
            "hash of ci",
            "token new",
        ),
    ];
    for (text, line, fault, repair) in table {
        let found = refused(&text);
        assert!(found.0 == line && found.1.contains(fault) && found.2.contains(repair), "{text}\n{found:?}");
    }
}

#[test]
fn i8_a_token_that_stands_in_the_file_is_not_repeated() {
    let token = Token::generate().unwrap();
    let secret = token.expose();
    let head = "apiVersion: git-mirror/v1\nkind: Tokens\ntokens:\n";
    for text in [
        format!("{head}- name: ci\n  hash: {secret}\n  created: 2026-01-01T00:00:00Z\n"),
        format!("{head}- name: {secret}\n  hash: {HASH}\n  created: 2026-01-01T00:00:00Z\n"),
        format!("{head}- name: ci\n  hash: {HASH}\n  created: {secret}\n"),
        format!("{head}- name: ci\n  hash: {HASH}\n  created: 2026-01-01T00:00:00Z\n  lanes: ['{secret}/']\n"),
        format!("{head}- {secret}: ci\n"),
        format!("apiVersion: {secret}\nkind: Tokens\n"),
        format!("{secret}: [\n"),
    ] {
        let error = TokenFile::parse("tokens.yaml", &text).unwrap_err();
        let said = format!("{error} {error:?} {:?}", error.help().map(|help| help.to_string()));
        assert!(!said.contains(&secret[4..]), "{said}");
    }
    let file = TokenFile {
        tokens: vec![TokenEntry {
            name: "ci".parse().unwrap(),
            hash: token.hash(),
            lanes: None,
            expires: None,
            created: at(0),
        }],
    };
    let said = format!("{token:?} {file:?}");
    assert!(!said.contains(&secret[4..]) && !said.contains(&token.hash().write()[7..]), "{said}");
}

#[test]
fn what_is_written_reads_back_the_same_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub/tokens.yaml");
    let ci = add(&path, terms("ci")).unwrap();
    let lanes = ["main", "v03"].map(|lane| mirror_core::name::LaneName::parse(lane).unwrap());
    let limited = TokenTerms { lanes: Some(lanes.into()), expires: Some(at(100)), ..terms("cd") };
    let cd = add(&path, limited).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let file = TokenFile::read(&path).unwrap();
    assert_eq!(TokenFile::parse("again", &file.show()).unwrap(), file);
    assert_eq!(file.verify(ci.expose(), at(1000)).unwrap().name.as_str(), "ci");
    assert_eq!(file.verify(cd.expose(), at(99)).unwrap().lanes.as_ref().unwrap().len(), 2);
    assert_eq!(file.verify(cd.expose(), at(100)), None, "expired");
    assert_eq!(file.verify("", at(0)), None);
    assert_eq!(file.verify(&ci.expose()[..40], at(0)), None);

    assert!(matches!(add(&path, terms("ci")), Err(TokensError::NameTaken { .. })));
    assert_eq!(TokenFile::read(&path).unwrap(), file, "a refused change changes nothing");
    assert_eq!(revoke(&path, &"ci".parse().unwrap()).unwrap().name.as_str(), "ci");
    assert!(matches!(revoke(&path, &"ci".parse().unwrap()), Err(TokensError::UnknownName { .. })));
    assert_eq!(TokenFile::read(&path).unwrap().verify(ci.expose(), at(0)), None);
    let left: Vec<_> =
        std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["tokens.yaml"]);
}

#[test]
fn changes_at_the_same_moment_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.yaml");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let path = &path;
            scope.spawn(move || add(path, terms(&format!("writer-{number}"))).unwrap());
        }
    });
    assert_eq!(TokenFile::read(&path).unwrap().tokens.len(), 8);
}

#[test]
fn a_file_that_is_not_there_is_told_from_one_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.yaml");
    assert!(matches!(TokenFile::read(&path), Err(TokensError::Missing { .. })));
    assert!(matches!(revoke(&path, &"ci".parse().unwrap()), Err(TokensError::Missing { .. })));
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(matches!(add(&path, terms("ci")), Err(TokensError::Malformed { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), [0xff, 0xfe], "what cannot be read is not written over");
}
