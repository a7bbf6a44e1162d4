//! `init`: the configuration that was written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config_check::ConfiguredLane;
use super::envelope::add_global_args;
use super::{ExitCode, NextCommand, NextVerb, Reported, schema_id};
use crate::config::MirrorConfig;
use crate::fault::Fault;
use crate::name::NodeName;
use crate::operation::Verb;

/// The report of `init`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InitReport {
    /// Names the schema: `git-mirror/init/v1`.
    pub schema: String,
    /// Whether the file was written and is right.
    pub ok: bool,
    /// The node the configuration has.
    pub node: NodeName,
    /// The lanes it has.
    pub lanes: Vec<ConfiguredLane>,
    /// The file that was written.
    pub file: String,
    /// The exact commands to run next.
    pub next: Vec<NextCommand>,
}

impl InitReport {
    /// Tells of a configuration that was written to `file`, after it had been checked.
    #[must_use]
    pub fn written(file: impl Into<String>, node: NodeName, config: &MirrorConfig) -> Self {
        let verbs = [NextVerb::Doctor, NextVerb::Sync];
        Self {
            schema: schema_id(Verb::Init),
            ok: true,
            lanes: ConfiguredLane::all_of(config),
            next: verbs.into_iter().map(|verb| NextCommand::for_node(verb, &node)).collect(),
            node,
            file: file.into(),
        }
    }
}

impl Reported for InitReport {
    fn exit(&self) -> ExitCode {
        ExitCode::Done
    }

    fn faults(&self) -> Vec<&Fault> {
        Vec::new()
    }

    fn next(&self) -> &[NextCommand] {
        &self.next
    }

    fn add_global_args(&mut self, args: &[String]) {
        add_global_args(&mut self.next, args);
    }
}
