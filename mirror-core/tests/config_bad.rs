//! Configurations that are wrong: the whole text that a person reads for each, and that no secret is in any of them.

use std::fmt::Write;

use miette::{GraphicalReportHandler, GraphicalTheme};
use mirror_core::config::{self, ConfigError};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

const WHOLE: &str = include_str!("config_examples/whole.yaml");
const SMALL: &str = "\
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories:
  hwlab:
    upstream: ssh://git@ssh.github.com:443/pikasTech/HWLAB.git
githubTransport:
  identity: { file: ~/.ssh/id_ed25519 }
nodes:
  local:
    cache: ./mirror-cache
    lanes:
      main:
        repository: hwlab
        source: { branch: main, snapshotGroup: app }
        gitops: { branch: gitops }
";

/// Renders as the command line does, without colour.
fn render(error: &ConfigError) -> String {
    let handler =
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(120).with_links(false);
    let mut text = String::new();
    handler.render_report(&mut text, error).expect("because a string takes any text");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Renders one case after the other under its title.
#[derive(Default)]
struct Cases(String);

impl Cases {
    fn text(&mut self, title: &str, text: &str) -> &mut Self {
        self.bytes(title, text.as_bytes())
    }

    fn bytes(&mut self, title: &str, bytes: &[u8]) -> &mut Self {
        let Err(error) = config::parse_bytes("git-mirror.yaml", bytes) else { panic!("{title}: read without a fault") };
        write!(self.0, "==== {title}\n{}\n\n", render(&error)).expect("because a string takes any text");
        self
    }

    /// The small configuration with one part replaced.
    fn small(&mut self, title: &str, from: &str, to: &str) -> &mut Self {
        assert!(SMALL.contains(from), "{title}: {from} is not in the small configuration");
        self.text(title, &SMALL.replacen(from, to, 1))
    }

    /// The whole configuration with one part replaced.
    fn whole(&mut self, title: &str, from: &str, to: &str) -> &mut Self {
        assert!(WHOLE.contains(from), "{title}: {from} is not in the whole configuration");
        self.text(title, &WHOLE.replacen(from, to, 1))
    }
}

#[test]
fn files_that_are_no_configuration() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (from, to) in "abcdefgh".chars().zip("bcdefghi".chars()) {
        writeln!(bomb, "{to}: &{to} [*{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}]")
            .unwrap();
    }
    let mut cases = Cases::default();
    cases
        .text("an empty file", "")
        .text("a file of comments", "# nothing yet\n\n---\n")
        .bytes("a binary file", b"\x7fELF\x02\x01\x01\x00\x00")
        .bytes("a file in another encoding", b"kind: MirrorConfig\n# caf\xe9\n")
        .text("a control character", "kind: \u{1b}[31mMirrorConfig\n")
        .text("an endless file", &"# filler\n".repeat(120_000))
        .text("a syntax error", &SMALL.replace("{ branch: main,", "{ branch: main"))
        .small("a tab for indentation", "    cache", "\tcache")
        .small("an unclosed quote", "kind: MirrorConfig", "kind: \"MirrorConfig")
        .text("two documents", &format!("{SMALL}---\n{SMALL}"))
        .text("nested without measure", &format!("a: {}1{}\n", "[".repeat(60), "]".repeat(60)))
        .text("an anchors bomb", &bomb)
        .text("an alias of itself", "a: &a [*a]\n")
        .text("an alias of nothing", "a: *nowhere\n")
        .small("a merge key", "  local:\n", "  local:\n    <<: {}\n")
        .small("a type tag", "kind: MirrorConfig", "kind: !!str MirrorConfig")
        .small("a key that is a list", "kind: MirrorConfig", "? [kind]\n: MirrorConfig")
        .text("a list for a configuration", "- a\n- b\n")
        .text("a text for a configuration", "hello\n")
        .small("a key that stands twice", "kind: MirrorConfig", "kind: MirrorConfig\nnodes: {}");
    insta::assert_snapshot!("files", cases.0);
}

#[test]
fn keys_and_values() {
    let mut cases = Cases::default();
    cases
        .small("a misspelt key", "upstream:", "upstrem:")
        .small("a key in the wrong case", "snapshotGroup", "snapshot_group")
        .small(
            "an unknown key",
            "    cache: ./mirror-cache\n",
            "    cache: ./mirror-cache\n    allowedPaths: [deploy/]\n",
        )
        .small("another version", "git-mirror/v1", "git-mirror/v2")
        .small("another kind", "MirrorConfig", "ConfigMap")
        .small("no version", "apiVersion: git-mirror/v1\n", "")
        .small(
            "no repositories",
            "  hwlab:\n    upstream: ssh://git@ssh.github.com:443/pikasTech/HWLAB.git\n",
            "  {}\n",
        )
        .small("no upstream", "upstream: ssh://git@ssh.github.com:443/pikasTech/HWLAB.git", "tags: [v1]")
        .small("no lanes", "    lanes:\n", "    lanes: {}\n    serve:\n")
        .small("a text for a block", "    upstream: ssh://git@ssh.github.com:443/pikasTech/HWLAB.git\n", "    https\n")
        .small("a block for a text", "    cache: ./mirror-cache\n", "    cache: { path: ./mirror-cache }\n")
        .small("a text for a list", "HWLAB.git\n", "HWLAB.git\n    tags: v*\n")
        .small("an empty text", "cache: ./mirror-cache", "cache: \"\"")
        .small("a malformed branch", "branch: main", "branch: feature/..x")
        .small("a full branch name", "branch: main", "branch: refs/heads/main")
        .small("a malformed node name", "  local:", "  -local:")
        .small("a malformed group", "snapshotGroup: app", "snapshotGroup: a/b")
        .small("two stars in a tag", "HWLAB.git\n", "HWLAB.git\n    tags: [\"v*.*\"]\n")
        .small("a tag twice", "HWLAB.git\n", "HWLAB.git\n    tags: [v1, v2, v1]\n")
        .whole("a duration without a unit", "connect: 10s", "connect: 10")
        .whole("a duration with an unknown unit", "idle: 30s", "idle: 30sec")
        .whole("no time at all", "total: 15m", "total: 0s")
        .whole("a size with an unknown unit", "size: 10GiB", "size: 10GB")
        .whole("nothing kept", "keepAtLeast: 50", "keepAtLeast: 0")
        .whole("a number that is a text", "packs: 4", "packs: four")
        .whole("a switch that is none", "flushOnPush: true", "flushOnPush: yes")
        .whole("readers that do not exist", "readers: open", "readers: everyone")
        .whole("a host name to listen on", "listen: 127.0.0.1:8080", "listen: localhost:8080")
        .whole("a malformed range of addresses", "172.26.0.1/32", "172.26.0.1/33")
        .whole("a malformed object name", "namespace: devops-infra", "namespace: Devops_Infra")
        .whole("a service account without a namespace", "hwlab-ci/promoter", "promoter")
        .whole("a port that is none", "port: 8080", "port: 80800")
        .whole("a volume of no size", "size: 20Gi", "size: 20GiB")
        .whole("two identities in one", "{ agent: true }", "{ agent: true, file: ~/.ssh/id_ed25519 }")
        .whole("no agent", "{ agent: true }", "{ agent: false }")
        .whole("a Secret without a key", "{ secret: git-mirror-ssh, key: id_ed25519 }", "{ secret: git-mirror-ssh }")
        .whole("known hosts that are not built in", "knownHosts: github", "knownHosts: gitlab")
        .whole("a passphrase for no file", "{ agent: true }", "{ passphraseFile: ./x, agent: true }");
    insta::assert_snapshot!("keys_and_values", cases.0);
}

#[test]
fn addresses() {
    let mut cases = Cases::default();
    let upstream = "ssh://git@ssh.github.com:443/pikasTech/HWLAB.git";
    cases
        .small("an upstream without a path", upstream, "ssh://git@ssh.github.com:443")
        .small("an upstream with a password", upstream, "ssh://git:hunter2@ssh.github.com:443/pikasTech/HWLAB.git")
        .small("a short form with a password", upstream, "git:hunter2@github.com:pikasTech/HWLAB.git")
        .small("a folder for an upstream", upstream, "/srv/git/HWLAB.git")
        .small("an upstream over another protocol", upstream, "git://github.com/pikasTech/HWLAB.git")
        .small("a host like an option", upstream, "ssh://-oProxyCommand=x/HWLAB.git")
        .small("a malformed port", upstream, "ssh://git@ssh.github.com:https/pikasTech/HWLAB.git")
        .small("a percent escape", upstream, "ssh://git@ssh.github.com:443/pikasTech/HW%4cAB.git")
        .whole("a proxy with a password", "http://172.26.0.1:10808", "http://me:hunter2@172.26.0.1:10808")
        .whole("a proxy without a port", "http://172.26.0.1:10808", "http://172.26.0.1")
        .whole("a proxy of another kind", "http://172.26.0.1:10808", "socks5://172.26.0.1:10808")
        .whole("an empty proxy", "http://172.26.0.1:10808", "");
    insta::assert_snapshot!("addresses", cases.0);
}

#[test]
fn r12_https_tokens_and_other_transports() {
    let mut cases = Cases::default();
    let upstream = "ssh://git@ssh.github.com:443/pikasTech/HWLAB.git";
    let identity = "identity: { file: ~/.ssh/id_ed25519 }";
    cases
        .small("an upstream over HTTPS", upstream, "https://github.com/pikasTech/HWLAB.git")
        .small(
            "an upstream over HTTPS with a token",
            upstream,
            "https://ghp_0123456789abcdefghij@github.com/pikasTech/HWLAB.git",
        )
        .small("the mode https", identity, "mode: https\n  identity: { agent: true }")
        .small("a token", identity, "token: ghp_0123456789abcdefghijABCDEFGHIJ012345")
        .small("a variable with a token", identity, "identity: { agent: true }\n  GITHUB_TOKEN: hunter2")
        .small("a misspelt key beside a token", identity, "githubToken: hunter2\n  identiti: { agent: true }")
        .whole("a token among the params", "params: { env: v03 }", "params: { GITHUB_TOKEN: hunter2, env: v03 }")
        .whole("a variable named in a param", "params: { env: v03 }", "params: { env: v03, auth: \"${GITHUB_TOKEN}\" }")
        .whole("the Secret of a token", "secret: git-mirror-ssh", "secret: git-mirror-github-token")
        .whole(
            "a source over HTTPS",
            "params: { env: v03 }",
            "params: { sourceRef: https://github.com/pikasTech/HWLAB.git }",
        )
        .whole(
            "a source over HTTPS with a password",
            "params: { env: v03 }",
            "params: { url: \"https://me:hunter2@git.example/o/r.git\" }",
        )
        .whole(
            "a token of a mirror in a value",
            "{ file: ./tokens.yaml }",
            "{ file: gmt_0123456789-abcdefghijABCDEFGHIJ }",
        )
        .whole("a token in a value", "env: v03", "env: github_pat_0123456789abcdefghijABCDEFGHIJ")
        .whole(
            "a password written out",
            "proxyCredentials: { file: ./proxy-credentials }",
            "proxyCredentials: { file: ./x, password: hunter2 }",
        )
        .whole(
            "a private key written out",
            "env: v03",
            "env: \"-----BEGIN OPENSSH PRIVATE KEY-----\\nhunter2\\n-----END OPENSSH PRIVATE KEY-----\"",
        );
    for secret in ["hunter2", "0123456789abcdefghij"] {
        assert!(!cases.0.contains(secret), "I8: {secret} is shown:\n{}", cases.0);
    }
    insta::assert_snapshot!("refused", cases.0);
}

const TWO_LANES: &str = "\
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories:
  hwlab: { upstream: git@github.com:pikasTech/HWLAB.git }
githubTransport: { identity: { agent: true } }
nodes:
  local:
    cache: ./mirror-cache
    lanes:
      one: { repository: hwlab, source: { branch: SOURCE-1, snapshotGroup: app }, gitops: { branch: GITOPS-1 } }
      two: { repository: hwlab, source: { branch: SOURCE-2, snapshotGroup: app }, gitops: { branch: GITOPS-2 } }
";

#[test]
fn parts_that_do_not_go_together() {
    let mut cases = Cases::default();
    let lanes = |from: &str, to: &str| TWO_LANES.replace(from, to);
    let hex = "0123456789abcdef0123456789abcdef01234567";
    cases
        .small("an unknown repository", "repository: hwlab", "repository: hwlap")
        .text("a source that is a GitOps branch", &lanes("SOURCE-2", "GITOPS-1"))
        .text("a lane that writes what it reads", &lanes("SOURCE-1", "GITOPS-1"))
        .text("two lanes with one GitOps branch", &lanes("GITOPS-2", "GITOPS-1"))
        .text("a branch below a branch", &lanes("SOURCE-2", "SOURCE-1/next"))
        .text("a further branch below a branch", &lanes("HWLAB.git }", "HWLAB.git, branches: [GITOPS-2/x] }"))
        .text("a tag below a tag", &lanes("HWLAB.git }", "HWLAB.git, tags: [v1, v1/rc, \"v2*\"] }"))
        .text("a branch that ends like a commit", &lanes("SOURCE-1", &format!("fix/{hex}")))
        .text("lanes that differ in case", &lanes("two:", "ONE:"))
        .small("nodes that differ in case", "nodes:\n", "nodes:\n  Local: { cache: ./x, lanes: { main: { repository: hwlab, source: { branch: a, snapshotGroup: b }, gitops: { branch: c } } } }\n")
        .small("repositories that differ in case", "  hwlab:\n", "  HWLab: { upstream: git@github.com:a/b.git }\n  hwlab:\n")
        .whole("snapshots among the branches", "prefix: refs/unidesk/snapshots", "prefix: refs/heads/snapshots")
        .whole("snapshots where mirror-stage is", "prefix: refs/unidesk/snapshots", "prefix: refs/mirror-stage")
        .small("snapshots that would replace objects", "nodes:\n", "snapshots: { prefix: refs/replace/x }\nnodes:\n")
        .small("a local node without an identity", "  identity: { file: ~/.ssh/id_ed25519 }\n", "  mode: ssh\n")
        .small("a local node with a Secret", "{ file: ~/.ssh/id_ed25519 }", "{ secret: git-mirror-ssh, key: id_ed25519 }")
        .whole("a cluster node with a key in a file", "      knownHosts: { secret: git-mirror-ssh, key: known_hosts }", "      identity: { file: ~/.ssh/id_ed25519 }")
        .whole("a cluster node with known hosts in a file", "knownHosts: { secret: git-mirror-ssh, key: known_hosts }", "knownHosts: { file: ./known_hosts }")
        .whole("a cluster node with tokens in a file", "{ secret: readers, key: tokens.yaml }", "{ file: ./tokens.yaml }")
        .whole("credentials for no proxy", "githubTransport: { proxy: direct,", "githubTransport: { proxy: direct, proxyCredentials: { file: ./x },")
        .small("two nodes with one cache", "nodes:\n", "nodes:\n  other: { cache: mirror-cache/, lanes: { main: { repository: hwlab, source: { branch: gitops, snapshotGroup: b }, gitops: { branch: c } } } }\n")
        .whole("a folder and a cluster", "cluster: { context: d601 }", "cluster: { context: d601 }\n    cache: ./x")
        .small("neither a folder nor a cluster", "    cache: ./mirror-cache\n", "")
        .small("a namespace on a local node", "    lanes:\n", "    namespace: devops-infra\n    lanes:\n")
        .small("a GitOps block without its branch", "gitops: { branch: gitops }", "gitops: {}")
        .small("a pipeline on a local node", "        gitops: { branch: gitops }\n", "        gitops: { branch: gitops }\n        pipeline: { namespace: ci, name: x }\n")
        .whole("readers with tokens that are nowhere", "        tokens: { secret: readers, key: tokens.yaml }\n", "")
        .whole("readers of an address that others reach, unsaid", "listen: 127.0.0.1:8080\n      tls: { certificate: ./tls.crt, key: ./tls.key }\n      readers: open", "listen: 0.0.0.0:8080")
        .whole("tokens in the clear, in other words", "readers: open\n", "readers: open\n      insecureTokens: sometimes\n")
        .whole("a server that goes on too early", "resume: 4GiB", "resume: 1GiB")
        .text(
            "several at once",
            &SMALL
                .replace("upstream:", "upstrem:")
                .replace("{ file: ~/.ssh/id_ed25519 }", "{ secret: x, key: y }")
                .replace("repository: hwlab", "repository: hvlab"),
        );
    insta::assert_snapshot!("across", cases.0);
}

#[test]
fn what_is_quoted_of_the_file_cannot_steer_a_terminal() {
    let error = config::parse("git-mirror.yaml", &format!("{SMALL}\"a\\e[1m\": 1\n")).unwrap_err();
    assert_eq!(error.to_string(), r"unknown key `a\u{1b}[1m` at the top level");
}

#[test]
fn names_that_the_configuration_does_not_have() {
    let config = config::parse("git-mirror.yaml", WHOLE).unwrap();
    let render = |error: &dyn miette::Diagnostic| {
        let mut text = String::new();
        let theme = GraphicalTheme::unicode_nocolor();
        GraphicalReportHandler::new_themed(theme).with_width(120).render_report(&mut text, error).unwrap();
        text
    };
    let shown = [
        render(&config.node("d602").unwrap_err()),
        render(&config.node("elsewhere").unwrap_err()),
        render(&config.node("D601").unwrap().lane("v3").unwrap_err()),
        render(&config.only_node().unwrap_err()),
    ];
    insta::assert_snapshot!("lookups", shown.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ -~\n\t{}\\[\\]:&*#é]{0,200}") {
        if let Err(error) = config::parse("x", &text) {
            render(&error);
        }
    }

    #[test]
    fn a_configuration_with_a_piece_missing_is_read_or_explained(at in 0..WHOLE.len(), length in 1..80usize, with in "[ -~\n]{0,6}") {
        let end = (at + length).min(WHOLE.len());
        prop_assume!(WHOLE.is_char_boundary(at) && WHOLE.is_char_boundary(end));
        let text = format!("{}{with}{}", &WHOLE[..at], &WHOLE[end..]);
        match config::parse("x", &text) {
            Ok(config) => prop_assert_eq!(config::parse("x", &config.show()).unwrap(), config),
            Err(error) => {
                prop_assert!(!error.findings().is_empty());
                for finding in error.findings() {
                    if let Some(span) = finding.span() {
                        prop_assert!(text.get(span.clone()).is_some(), "{:?} is not in the file", span);
                    }
                }
                render(&error);
            }
        }
    }

    #[test]
    fn i8_a_secret_is_in_no_rendering(
        line in any::<prop::sample::Index>(),
        keep in any::<prop::sample::Index>(),
        with in "[ -~]{0,6}",
        key in "(token|GITHUB_TOKEN|password|access-token)",
    ) {
        const SECRET: &str = "hunter2hunter2";
        let text = WHOLE
            .replace("env: v03 }", &format!("env: v03, {key}: {SECRET} }}"))
            .replace("ssh://git@", &format!("ssh://git:{SECRET}@"))
            .replace("http://", &format!("http://me:{SECRET}@"))
            .replace("readers: open", &format!("readers: ghp_{SECRET}{SECRET}"));
        // Any line without a secret is spoilt, so that the file fails in other ways as well.
        let mut lines: Vec<&str> = text.lines().collect();
        let plain: Vec<usize> = (0..lines.len()).filter(|at| !lines[*at].contains(SECRET)).collect();
        let at = plain[line.index(plain.len())];
        let spoilt = format!("{}{with}", &lines[at][..keep.index(lines[at].len() + 1)]);
        lines[at] = &spoilt;
        let error = config::parse("x", &lines.join("\n")).unwrap_err();
        let shown = render(&error);
        prop_assert!(!shown.contains("hunter2"), "{shown}");
        prop_assert!(!format!("{error:?}").contains("hunter2"), "the error holds a secret");
    }
}
