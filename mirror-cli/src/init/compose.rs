//! Composes the text of the configuration: commented YAML, one lane on one local node.

use super::InitError;
use crate::args::InitArgs;
use mirror_core::config::{ProxyUrl, UpstreamUrl};
use mirror_core::name::{BranchName, GroupName, LaneName, NameError, NodeName, RepositoryName};

/// Composes the text. Every name is checked first, so that a complaint names the option.
///
/// # Errors
/// [`InitError::Name`] and [`InitError::Proxy`], which name the option.
pub fn compose(args: &InitArgs, upstream: &UpstreamUrl) -> Result<String, InitError> {
    let named = |option: &'static str| move |source: NameError| InitError::Name { option, source };
    let branch = BranchName::parse(&args.branch).map_err(named("--branch"))?;
    let gitops = BranchName::parse(&args.gitops).map_err(named("--gitops"))?;
    let node = NodeName::parse(&args.node).map_err(named("--node"))?;
    let lane = LaneName::parse(&args.lane).map_err(named("--lane"))?;
    let repository = RepositoryName::parse(&repository_name(upstream)).map_err(named("the name of the repository"))?;
    let group = args.snapshot_group.as_deref().unwrap_or(repository.as_str());
    let group = GroupName::parse(group).map_err(named("--snapshot-group"))?;

    let proxy = match &args.proxy {
        Some(proxy) => {
            let proxy = ProxyUrl::parse(proxy).map_err(InitError::Proxy)?.to_string();
            format!("proxy: {}   # carries the SSH connection by CONNECT; nothing goes past it", scalar(&proxy))
        }
        None => "# proxy: http://172.26.0.1:10808   # a CONNECT proxy; without one, connections are direct".to_owned(),
    };
    let identity = match (&args.identity, args.agent) {
        (_, true) => "{ agent: true }   # the keys of the running SSH agent".to_owned(),
        (Some(file), false) => format!("{{ file: {} }}", scalar(file)),
        (None, false) => "{ file: ~/.ssh/id_ed25519 }".to_owned(),
    };
    let known_hosts = match &args.known_hosts {
        Some(file) => format!("{{ file: {} }}", scalar(file)),
        None if is_github(upstream) => "github   # GitHub's published keys, built in".to_owned(),
        None => "{ file: ~/.ssh/known_hosts }".to_owned(),
    };
    let (upstream, cache) = (scalar(&upstream.to_string()), scalar(&args.cache));
    let (repository, group) = (scalar(repository.as_str()), scalar(group.as_str()));
    let (node, lane) = (scalar(node.as_str()), scalar(lane.as_str()));
    let (branch, gitops) = (scalar(branch.as_str()), scalar(gitops.as_str()));
    Ok(format!(
        "\
# Configuration of git-mirror. `git-mirror config check` reads it, `git-mirror config show` writes every default out.
# Secrets are never written here: keys and passwords are named by the file that holds them.
apiVersion: git-mirror/v1
kind: MirrorConfig

repositories:
  {repository}:
    upstream: {upstream}   # SSH is the only road
    # tags: [\"v*\"]   # further refs to mirror, read-only

# The road to upstream, for every node that does not say otherwise.
githubTransport:
  mode: ssh
  {proxy}
  identity: {identity}
  knownHosts: {known_hosts}
  # timeouts: {{ connect: 10s, idle: 30s, total: 15m }}

# Every source tip gets an immutable ref <prefix>/<snapshotGroup>/<branch>/<commit>.
snapshots:
  prefix: refs/mirror/snapshots
  retention: {{ keepAtLeast: 50, keepFor: 30d }}

nodes:
  {node}:
    cache: {cache}   # relative to this file
    lanes:
      {lane}:
        repository: {repository}
        source: {{ branch: {branch}, snapshotGroup: {group} }}   # builds are made from it
        gitops: {{ branch: {gitops} }}   # deployed from; `git-mirror flush` takes it to upstream
"
    ))
}

/// Whether GitHub's published host keys are the right ones.
#[must_use]
pub fn is_github(upstream: &UpstreamUrl) -> bool {
    ["github.com", "ssh.github.com"].contains(&upstream.host())
}

/// The last part of the path, made a name: `octo/My App.git` gives `my-app`.
fn repository_name(upstream: &UpstreamUrl) -> String {
    let path = upstream.path().trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or(path);
    let last = last.strip_suffix(".git").unwrap_or(last);
    let name: String = last
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c.to_ascii_lowercase() } else { '-' })
        .take(63)
        .collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() { "repository".to_owned() } else { name.to_owned() }
}

/// Writes a text as a YAML scalar that is read back as this text, also inside `{ }`.
fn scalar(text: &str) -> String {
    const RESERVED: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain_characters =
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '@' | ':' | '~'));
    let plain_start = text.starts_with(|c: char| c.is_ascii_alphabetic())
        || ["/", "./", "../", "~/"].iter().any(|start| text.starts_with(start));
    let reserved = RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word));
    if plain_characters && plain_start && !reserved && !text.ends_with(':') {
        text.to_owned()
    } else {
        serde_json::to_string(text).expect("because a text has a JSON form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_read_back_as_they_were() {
        for text in [
            "main",
            "v0.3",
            "1.0",
            "true",
            "No",
            "a b",
            "a, b",
            "~/.ssh/key",
            "x: y",
            "ends:",
            "\"q\"",
            "häßlich",
            "#no",
            "0x1f",
            "1e3",
        ] {
            let document = format!("{{ a: {}, b: 1 }}", scalar(text));
            let read: std::collections::BTreeMap<String, serde_json::Value> = serde_yaml::from_str(&document).unwrap();
            assert_eq!(read["a"], serde_json::Value::String(text.to_owned()), "{document}");
        }
    }
}
