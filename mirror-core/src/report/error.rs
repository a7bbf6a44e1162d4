//! `error`: what is told where a verb ended before it knew its node and lanes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::add_global_args;
use super::{ERROR_SCHEMA, ExitCode, NextCommand, Reported};
use crate::fault::{Classified, Fault};
use crate::name::NodeName;

/// An error that ended a verb before there was another report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ErrorReport {
    /// Names the schema: `git-mirror/error/v1`.
    pub schema: String,
    /// Always false.
    pub ok: bool,
    /// Always null: there was no node yet.
    pub node: Option<NodeName>,
    /// Always empty: there were no lanes yet.
    pub lanes: [(); 0],
    /// What went wrong.
    pub error: Fault,
    /// Further errors found in the same go, such as every wrong key of a configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Fault>,
    /// The exact commands to run next.
    pub next: Vec<NextCommand>,
}

impl ErrorReport {
    /// Takes an error apart.
    #[must_use]
    pub fn of(error: &dyn Classified, next: Vec<NextCommand>) -> Self {
        Self {
            schema: ERROR_SCHEMA.to_owned(),
            ok: false,
            node: None,
            lanes: [],
            error: Fault::of(error),
            related: Fault::related_of(error),
            next,
        }
    }
}

impl Reported for ErrorReport {
    fn exit(&self) -> ExitCode {
        ExitCode::from(self.error.class)
    }

    fn faults(&self) -> Vec<&Fault> {
        std::iter::once(&self.error).chain(&self.related).collect()
    }

    fn next(&self) -> &[NextCommand] {
        &self.next
    }

    fn add_global_args(&mut self, args: &[String]) {
        add_global_args(&mut self.next, args);
    }
}
