//! `config check`: the lanes a right configuration has, or every place where a wrong one is wrong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::add_global_args;
use super::{ErrorReport, ExitCode, NextCommand, NextVerb, Reported, schema_id};
use crate::config::{MirrorConfig, NodeKind};
use crate::fault::{Classified, Fault};
use crate::name::{BranchName, LaneName, NodeName, RepositoryName};
use crate::operation::Verb;

/// The report of `config check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConfigCheckReport {
    /// Names the schema: `git-mirror/config-check/v1`.
    pub schema: String,
    /// Whether the configuration is right.
    pub ok: bool,
    /// Always null: the configuration of all nodes was checked.
    pub node: Option<NodeName>,
    /// The lanes it has, each with its node; empty where it is wrong.
    pub lanes: Vec<ConfiguredLane>,
    /// The file that was checked.
    pub file: String,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    /// The exact commands to run next.
    pub next: Vec<NextCommand>,
}

/// A lane of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfiguredLane {
    /// The lane.
    pub lane: LaneName,
    /// The node it stands on.
    pub node: NodeName,
    /// What kind of node that is.
    #[serde(rename = "place")]
    pub kind: NodeKind,
    /// The repository it belongs to.
    pub repository: RepositoryName,
    /// The branch builds are made from.
    pub source: BranchName,
    /// The branch Argo CD deploys from; null where the lane only builds.
    pub gitops: Option<BranchName>,
}

impl ConfiguredLane {
    /// The lanes of all nodes, in order.
    #[must_use]
    pub fn all_of(config: &MirrorConfig) -> Vec<Self> {
        let lanes = config.nodes.values().flat_map(|node| node.lanes.values().map(move |lane| (node, lane)));
        let configured = lanes.map(|(node, lane)| Self {
            lane: lane.name.clone(),
            node: node.name.clone(),
            kind: node.kind(),
            repository: lane.repository.clone(),
            source: lane.source.branch.clone(),
            gitops: lane.gitops.clone(),
        });
        configured.collect()
    }
}

impl ConfigCheckReport {
    /// Tells of a configuration that is right.
    #[must_use]
    pub fn right(file: impl Into<String>, config: &MirrorConfig) -> Self {
        Self::new(file.into(), ConfiguredLane::all_of(config), Vec::new())
    }

    /// Tells of a configuration that is wrong; every related finding of the error is a fault of its own.
    #[must_use]
    pub fn wrong(file: impl Into<String>, error: &dyn Classified) -> Self {
        let ErrorReport { error, related, .. } = ErrorReport::of(error, Vec::new());
        let faults = if related.is_empty() { vec![error] } else { related };
        Self::new(file.into(), Vec::new(), faults)
    }

    fn new(file: String, lanes: Vec<ConfiguredLane>, faults: Vec<Fault>) -> Self {
        let next = match faults.is_empty() {
            true => Vec::new(),
            false => vec![NextCommand::for_configuration(NextVerb::ConfigCheck)],
        };
        Self { schema: schema_id(Verb::ConfigCheck), ok: faults.is_empty(), node: None, lanes, file, faults, next }
    }
}

impl Reported for ConfigCheckReport {
    fn exit(&self) -> ExitCode {
        ExitCode::of_all(self.faults.iter().map(|fault| ExitCode::from(fault.class)))
    }

    fn faults(&self) -> Vec<&Fault> {
        self.faults.iter().collect()
    }

    fn next(&self) -> &[NextCommand] {
        &self.next
    }

    fn add_global_args(&mut self, args: &[String]) {
        add_global_args(&mut self.next, args);
    }
}
