//! Dependencies point one way, and the core uses only the crates it may: both read from `cargo metadata`.

use serde::Deserialize;

use super::Finding;
use crate::run::{Outcome, cargo, output};

/// For each crate of the workspace, the crates of the workspace it may use.
const ARROWS: [(&str, &[&str]); 9] = [
    ("mirror-core", &[]),
    ("mirror-git", &["mirror-core"]),
    ("mirror-store", &["mirror-core", "mirror-git"]),
    ("mirror-transport", &["mirror-core", "mirror-git"]),
    ("mirror-engine", &["mirror-core", "mirror-git", "mirror-store", "mirror-transport"]),
    // Upstream is reached through the engine alone.
    ("mirror-server", &["mirror-core", "mirror-git", "mirror-store", "mirror-engine"]),
    ("mirror-cli", &["mirror-core", "mirror-engine", "mirror-server"]),
    ("mirror-tests", &["mirror-core"]),
    ("xtask", &["mirror-core", "mirror-server", "mirror-cli", "mirror-tests"]),
];

/// What the core may use from outside: values, text, errors and time as a value.
const CORE: [&str; 8] = ["jiff", "miette", "schemars", "serde", "serde_json", "serde-saphyr", "strsim", "thiserror"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Checks the workspace's dependencies.
pub(super) fn check() -> Outcome<Vec<Finding>> {
    let text = output(&mut cargo(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    Ok(findings(&metadata))
}

fn findings(metadata: &Metadata) -> Vec<Finding> {
    let members: Vec<_> =
        metadata.packages.iter().filter(|package| metadata.workspace_members.contains(&package.id)).collect();
    let mut findings = Vec::new();
    for package in &members {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
            findings.push(Finding::new(&package.name, "has no place among the layers; name its arrows in this check"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind.is_none()) {
            let inside = members.iter().any(|member| member.name == dependency.name);
            if inside && !allowed.contains(&dependency.name.as_str()) {
                findings.push(Finding::new(&package.name, format!("uses {}, against the arrows", dependency.name)));
            }
            if !inside && package.name == "mirror-core" && !CORE.contains(&dependency.name.as_str()) {
                findings.push(Finding::new(&package.name, format!("uses {}, which the core may not", dependency.name)));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(packages: serde_json::Value) -> Vec<Finding> {
        let members: Vec<_> = packages.as_array().unwrap().iter().map(|package| package["id"].clone()).collect();
        let whole = serde_json::json!({ "packages": packages, "workspace_members": members });
        findings(&serde_json::from_value(whole).unwrap())
    }

    fn package(name: &str, uses: &[&str]) -> serde_json::Value {
        let uses: Vec<_> = uses.iter().map(|name| serde_json::json!({ "name": name, "kind": null })).collect();
        serde_json::json!({ "id": name, "name": name, "dependencies": uses })
    }

    #[test]
    fn an_arrow_against_the_layers_fails() {
        let found = world(serde_json::json!([
            package("mirror-core", &["serde", "mirror-transport", "tokio"]),
            package("mirror-transport", &["mirror-core", "mirror-tests"]),
            package("mirror-store", &["mirror-git", "mirror-transport"]),
            package("mirror-server", &["mirror-engine", "mirror-transport"]),
            package("mirror-tests", &["mirror-core", "tokio"]),
        ]));
        let problems: Vec<_> = found.iter().map(|finding| format!("{} {}", finding.place, finding.problem)).collect();
        assert_eq!(
            problems,
            [
                "mirror-core uses mirror-transport, against the arrows",
                "mirror-core uses tokio, which the core may not",
                "mirror-transport uses mirror-tests, against the arrows",
                "mirror-store uses mirror-transport, against the arrows",
                "mirror-server uses mirror-transport, against the arrows",
            ]
        );
    }

    #[test]
    fn a_crate_without_a_place_fails() {
        assert_eq!(world(serde_json::json!([package("mirror-misc", &[])])).len(), 1);
    }
}
