//! Configurations that are right: what is read from them, what `show` writes, and that the schema describes the same keys.

use std::collections::BTreeSet;
use std::time::Duration;

use mirror_core::config::{self, Identity, KnownHosts, MirrorConfig, NodeSettings, Readers, SecretSource};
use serde_json::Value;

const WHOLE: &str = include_str!("config_examples/whole.yaml");
const DESIGN: &str = include_str!("config_examples/design.yaml");
const LEAST: &str = "
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories:
  hwlab: { upstream: git@github.com:pikasTech/HWLAB.git }
nodes:
  local:
    cache: ./mirror-cache
    githubTransport: { identity: { file: ~/.ssh/id_ed25519 } }
    lanes:
      main: { repository: hwlab, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } }
";

fn read(text: &str) -> MirrorConfig {
    match config::parse("git-mirror.yaml", text) {
        Ok(config) => config,
        Err(error) => panic!("{error}: {:#?}", error.findings()),
    }
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let config = read(DESIGN);
    assert_eq!(config.snapshots.prefix.as_str(), "refs/unidesk/snapshots");
    let node = config.node("d601").unwrap();
    let lane = node.lane("V03").unwrap();
    assert_eq!(lane.source.snapshot_group.as_str(), "hwlab-node-runtime");
    let repository = config.repository(lane.repository.as_str()).unwrap();
    assert_eq!(repository.upstream.to_string(), "ssh://git@ssh.github.com:443/pikasTech/HWLAB.git");
    assert_eq!(repository.upstream.endpoint(), "ssh://git@ssh.github.com:443");
    assert_eq!(repository.upstream.path(), "/pikasTech/HWLAB.git");
    let pipeline = lane.pipeline.as_ref().unwrap();
    assert_eq!(pipeline.params["env"], "v03");
    assert!(
        matches!(&node.transport.identity, Identity::Secret { secret, key } if secret == "git-mirror-ssh" && key == "id_ed25519")
    );
}

#[test]
fn a_node_stands_over_the_common_transport_key_by_key() {
    let config = read(WHOLE);
    let local = &config.node("local").unwrap().transport;
    assert_eq!(local.proxy.as_ref().unwrap().to_string(), "http://172.26.0.1:10808", "taken from the common block");
    assert_eq!(local.proxy_credentials, Some(SecretSource::File("./proxy-credentials".to_owned())));
    assert!(
        matches!(&local.identity, Identity::File { path, passphrase_file: Some(_) } if path == "~/.ssh/id_ed25519")
    );
    assert_eq!(local.known_hosts, KnownHosts::File("~/.ssh/known_hosts".to_owned()));
    let laptop = &config.node("laptop").unwrap().transport;
    assert_eq!((&laptop.proxy, &laptop.proxy_credentials), (&None, &None), "direct, so without the common credentials");
    assert_eq!(laptop.identity, Identity::Agent);
    assert_eq!(laptop.known_hosts, KnownHosts::Github);
    let NodeSettings::Cluster(settings) = &config.node("D601").unwrap().settings else {
        panic!("D601 is a cluster node")
    };
    assert_eq!(settings.mirror.serve.readers, Readers::Tokens);
}

#[test]
fn defaults_are_filled_in() {
    let config = read(LEAST);
    assert_eq!(config.snapshots.prefix.as_str(), "refs/mirror/snapshots");
    assert_eq!(config.snapshots.retention.keep_at_least, 50);
    assert_eq!(config.snapshots.retention.keep_for, Duration::from_secs(30 * 86_400));
    let node = config.only_node().unwrap();
    let timeouts = node.transport.timeouts;
    assert_eq!([timeouts.connect, timeouts.idle, timeouts.total].map(|duration| duration.as_secs()), [10, 30, 900]);
    assert_eq!(node.transport.known_hosts, KnownHosts::Github);
    assert_eq!(node.transport.proxy, None);
    assert!(
        matches!(&node.settings, NodeSettings::Local(settings) if settings.serve.is_none() && settings.cache == "./mirror-cache")
    );
}

#[test]
fn an_empty_serve_block_serves_with_the_defaults() {
    let config = read(&LEAST.replace("    lanes:\n", "    serve:\n    lanes:\n"));
    let NodeSettings::Local(settings) = &config.only_node().unwrap().settings else { panic!("a local node") };
    assert_eq!(settings.serve.as_ref().unwrap().listen.to_string(), "127.0.0.1:8080");
}

#[test]
fn the_first_lane_of_the_file_gives_the_branch_that_head_names() {
    let text = LEAST.replace(
        "    lanes:\n",
        "    lanes:
      zulu: { repository: hwlab, source: { branch: v2, snapshotGroup: app }, gitops: { branch: v2-gitops } }
      alpha: { repository: hwlab, source: { branch: v1, snapshotGroup: app }, gitops: { branch: v1-gitops } }
",
    );
    for config in [read(&text), read(&read(&text).show())] {
        let node = config.only_node().unwrap();
        let order: Vec<&str> = node.lanes_in_order().iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!(order, ["zulu", "alpha", "main"]);
        let repository = &node.lanes_in_order()[0].repository;
        assert_eq!(node.first_source_branch(repository).unwrap().as_str(), "v2");
    }
}

#[test]
fn tokens_go_unprotected_only_where_that_is_written() {
    for (block, expect) in [("", false), ("insecureTokens: false", false), ("insecureTokens: true", true)] {
        let config = read(&LEAST.replace("    lanes:\n", &format!("    serve: {{ {block} }}\n    lanes:\n")));
        let NodeSettings::Local(settings) = &config.only_node().unwrap().settings else { panic!("a local node") };
        assert_eq!(settings.serve.as_ref().unwrap().insecure_tokens, expect, "{block}");
    }
}

#[test]
fn what_show_writes_reads_back_as_the_same_configuration() {
    for text in [WHOLE, DESIGN, LEAST] {
        let config = read(text);
        let shown = config.show();
        assert_eq!(read(&shown), config, "{shown}");
        assert_eq!(read(&shown).show(), shown);
    }
    insta::assert_snapshot!("show_of_the_least_configuration", read(LEAST).show());
}

#[test]
fn aliases_are_written_out() {
    let config = read(
        "
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories: { hwlab: { upstream: git@github.com:pikasTech/HWLAB.git } }
githubTransport: { identity: { agent: true } }
nodes:
  a: { cache: ./a, lanes: &lanes { main: { repository: hwlab, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } } } }
  b: { cache: ./b, lanes: *lanes }
",
    );
    assert_eq!(config.node("a").unwrap().lanes, config.node("b").unwrap().lanes);
}

#[test]
fn values_are_taken_as_they_are_written() {
    let text = LEAST
        .replace("branch: main", "branch: 1.10")
        .replace("branch: gitops", "branch: yes")
        .replace("app }", "0x1F }");
    let lane = read(&text).only_node().unwrap().lane("main").unwrap().clone();
    assert_eq!(
        [lane.source.branch.as_str(), lane.gitops.as_ref().unwrap().as_str()],
        ["1.10", "yes"],
        "no number and no boolean is made of a name"
    );
    assert_eq!(lane.source.snapshot_group.as_str(), "0x1F");
}

#[test]
fn a_lane_without_gitops_only_builds() {
    for text in ["", ", gitops:", ", gitops: null", ", gitops: ~"] {
        let config = read(&LEAST.replace(", gitops: { branch: gitops }", text));
        let node = config.only_node().unwrap();
        let lane = node.lane("main").unwrap();
        assert_eq!(lane.gitops, None, "{text}");
        assert_eq!(lane.branches().map(ToString::to_string).collect::<Vec<_>>(), ["main"]);
        assert!(!config.show().contains("gitops"), "{}", config.show());
        assert_eq!(read(&config.show()), config);
    }
    // Two such lanes of one repository share nothing that a push could move.
    let main = "main: { repository: hwlab, source: { branch: main, snapshotGroup: app }";
    let text = LEAST.replace(&format!("{main}, gitops: {{ branch: gitops }}"), main);
    let two = text.replace(
        main,
        &format!("next: {{ repository: hwlab, source: {{ branch: main, snapshotGroup: b }} }}\n      {main}"),
    );
    assert_eq!(read(&two).only_node().unwrap().lanes.len(), 2);
}

#[test]
fn durations_are_written_in_one_grammar() {
    for (text, seconds) in [("90s", 90), ("15m", 900), ("1h30m", 5400), ("1d", 86_400)] {
        let config =
            read(&LEAST.replace("githubTransport: {", &format!("githubTransport: {{ timeouts: {{ total: {text} }},")));
        let total = config.only_node().unwrap().transport.timeouts.total;
        assert_eq!(total, std::time::Duration::from_secs(seconds), "{text}");
    }
}

#[test]
fn a_lane_names_its_repository_without_regard_to_case() {
    let config = read(&LEAST.replace("repository: hwlab", "repository: HwLab"));
    assert_eq!(config.only_node().unwrap().lane("main").unwrap().repository.as_str(), "hwlab");
    assert_eq!(config, read(LEAST));
}

#[test]
fn a_repository_may_be_called_token() {
    let config = read(&LEAST.replace("hwlab", "token").replace("main:", "password:").replace("local:", "pat:"));
    assert!(config.node("pat").unwrap().lane("password").is_ok());
}

#[test]
fn further_branches_leave_out_those_of_the_nodes_lanes() {
    let text = WHOLE.replace("[stable, v0.2]", "[stable, main, gitops]");
    let config = read(&text);
    let repository = config.repositories.values().next().unwrap();
    let of = |node: &str| -> Vec<String> {
        config.further_branches(config.node(node).unwrap(), repository).map(ToString::to_string).collect()
    };
    assert_eq!(of("local"), ["stable"]);
    assert_eq!(of("D601"), ["stable", "main", "gitops"]);
}

/// Collects the keys of all blocks that a schema allows, and follows its references.
fn keys_of_schema(schema: &Value, definitions: &Value, keys: &mut BTreeSet<String>, seen: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                if seen.insert(reference.clone()) {
                    let name = reference.rsplit('/').next().unwrap_or_default();
                    keys_of_schema(&definitions[name], definitions, keys, seen);
                }
                return;
            }
            if let Some(Value::Object(properties)) = object.get("properties") {
                assert_eq!(
                    object.get("additionalProperties"),
                    Some(&Value::Bool(false)),
                    "a block takes any key: {schema}"
                );
                keys.extend(properties.keys().cloned());
            }
            for (key, value) in object {
                if key != "$defs" {
                    keys_of_schema(value, definitions, keys, seen);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys_of_schema(item, definitions, keys, seen)),
        _ => {}
    }
}

#[test]
fn the_schema_has_exactly_the_keys_that_are_read() {
    let schema = config::schema();
    let mut described = BTreeSet::new();
    keys_of_schema(&schema, &schema["$defs"], &mut described, &mut BTreeSet::new());

    // A block that has one key too many answers with all the keys that it takes.
    let names = ["hwlab", "local", "laptop", "D601", "main", "v03", "env"];
    let mut read = BTreeSet::new();
    let lines: Vec<&str> = WHOLE.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        for spoilt in spoilt(line) {
            let mut text = lines.clone();
            text[at] = &spoilt;
            let Err(error) = config::parse("x", &text.join("\n")) else { continue };
            for finding in error.findings() {
                if let config::Problem::Value(config::ValueFault::UnknownKey { known, .. }) = finding.problem() {
                    read.extend(known.iter().map(ToString::to_string));
                }
            }
        }
    }
    let read: BTreeSet<String> = read.into_iter().filter(|key| !names.contains(&key.as_str())).collect();
    assert_eq!(read, described);
}

/// Puts an unknown key into each block that a line begins or belongs to, one at a time.
fn spoilt(line: &str) -> Vec<String> {
    let indent = &line[..line.len() - line.trim_start().len()];
    let mut spoilt = vec![format!("{indent}zzzzzz: 1\n{line}")];
    spoilt.extend(line.match_indices("{ ").map(|(at, open)| {
        let (before, behind) = line.split_at(at);
        format!("{before}{{ zzzzzz: 1, {}", &behind[open.len()..])
    }));
    spoilt
}
