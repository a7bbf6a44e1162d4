//! Every kind of name, in every scope, by the same rule, with the same code.

use miette::Diagnostic as _;

use super::*;

const FILE: &str = "
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories:
  app: { upstream: 'git@github.com:octo/app.git' }
  tools: { upstream: 'git@github.com:octo/tools.git' }
githubTransport: { identity: { agent: true } }
nodes:
  Here:
    cache: ./caches
    lanes:
      next: { repository: app, source: { branch: next, snapshotGroup: app }, gitops: { branch: next-gitops } }
      main: { repository: app, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } }
  there:
    cache: ./others
    lanes:
      v03: { repository: tools, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } }
";

fn config() -> MirrorConfig {
    super::super::parse("git-mirror.yaml", FILE).unwrap()
}

/// What is wrong, its code, and its help.
fn parts(error: &LookupError) -> [String; 3] {
    let text = |part: Option<Box<dyn fmt::Display + '_>>| part.map(|part| part.to_string()).unwrap_or_default();
    [error.to_string(), text(error.code()), text(error.help())]
}

#[test]
fn names_are_found_without_regard_to_case() {
    let config = config();
    for given in ["Here", "here", "HERE", " here "] {
        assert_eq!(config.node(given).unwrap().name.as_str(), "Here", "{given}");
    }
    for given in ["main", "MAIN", "\tMain"] {
        assert_eq!(config.node("here").unwrap().lane(given).unwrap().name.as_str(), "main", "{given}");
    }
    for given in ["tools", "Tools"] {
        assert_eq!(config.repository(given).unwrap().name.as_str(), "tools", "{given}");
    }
}

#[test]
fn any_kind_of_name_is_found_by_the_same_rule() {
    let (node, lane) = (NodeName::parse("D601").unwrap(), LaneName::parse("v03").unwrap());
    let repository = RepositoryName::parse("hwlab").unwrap();
    let check = |given: &str, expect: [bool; 3]| {
        let scope = &Scope::Configuration;
        let found = [
            find(given, [&node], scope).is_ok(),
            find(given, [&lane], scope).is_ok(),
            find(given, [&repository], scope).is_ok(),
        ];
        assert_eq!(found, expect, "{given:?}");
    };
    check("d601", [true, false, false]);
    check("D601", [true, false, false]);
    check("d60", [false; 3]);
    check("", [false; 3]);
    check("V03", [false, true, false]);
    check("HWLab", [false, false, true]);
}

#[test]
fn an_unknown_name_has_one_code_a_kind() {
    let config = config();
    let here = config.node("here").unwrap();
    let server = Scope::Server("http://10.0.0.1:8080".to_owned());
    let lanes: Vec<LaneName> = here.lanes.keys().cloned().collect();
    let rows = [
        (
            config.node("hree").unwrap_err(),
            "there is no node `hree`",
            "mirror::config::unknown_node",
            "did you mean `Here`? The configuration has the nodes: Here, there",
        ),
        (
            find("hree", [&here.name], &server).unwrap_err(),
            "there is no node `hree` on the server http://10.0.0.1:8080",
            "mirror::config::unknown_node",
            "did you mean `Here`? The server has the nodes: Here",
        ),
        (
            here.lane("mian").unwrap_err(),
            "there is no lane `mian` on node Here",
            "mirror::config::unknown_lane",
            "did you mean `main`? Node Here has the lanes: main, next",
        ),
        (
            here.lanes_named(&["main", "v03", "mian"]).unwrap_err(),
            "there is no lane `v03` on node Here",
            "mirror::config::unknown_lane",
            "node Here has the lanes: main, next",
        ),
        (
            select(&["mian"], &lanes, &server).unwrap_err(),
            "there is no lane `mian` on the server http://10.0.0.1:8080",
            "mirror::config::unknown_lane",
            "did you mean `main`? The server has the lanes: main, next",
        ),
        (
            config.repository("ap").unwrap_err(),
            "there is no repository `ap`",
            "mirror::config::unknown_repository",
            "did you mean `app`? The configuration has the repositories: app, tools",
        ),
        (
            find::<RepositoryName>("x", [], &Scope::Configuration).unwrap_err(),
            "there is no repository `x`",
            "mirror::config::unknown_repository",
            "the configuration has the repositories: none",
        ),
    ];
    for (error, message, code, help) in rows {
        assert_eq!(parts(&error), [message, code, help]);
        assert_eq!((error.class(), error.retry()), (FaultClass::Usage, Retry::Never), "{error}");
    }
}

#[test]
fn what_is_selected_stands_in_one_order() {
    let config = config();
    let here = config.node("here").unwrap();
    let check = |given: &[&str], expect: &[&str]| {
        let found: Vec<&str> = here.lanes_named(given).unwrap().into_iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!(found, expect, "{given:?}");
    };
    check(&[], &["main", "next"]);
    check(&["next", "MAIN"], &["main", "next"]);
    check(&["next", "Next", " next"], &["next"]);
}

#[test]
fn a_node_has_to_be_named_where_there_are_several() {
    let expect = [
        "the configuration has more than one node",
        "mirror::config::node_needed",
        "add --node with one of: Here, there",
    ];
    assert_eq!(parts(&config().only_node().unwrap_err()), expect);
}
