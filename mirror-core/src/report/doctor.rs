//! `doctor`: the road to upstream, step by step, up to the step that fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::TransportView;
use super::{Finding, LaneReport, NextCommand, NextVerb, Report};
use crate::fault::{Fault, FaultClass};
use crate::name::{LaneName, NodeName, RepositoryName};
use crate::operation::{Mode, Verb};

/// The report of `doctor`.
pub type DoctorReport = Report<LaneDoctor>;

/// The road of one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LaneDoctor {
    /// The lane.
    pub lane: LaneName,
    /// The repository it belongs to.
    pub repository: RepositoryName,
    /// Whether every step was passed.
    pub ok: bool,
    /// The road.
    pub transport: TransportView,
    /// The steps that were made, in order. Only the last can have failed.
    pub steps: Vec<DoctorStep>,
    /// Why no further step was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// One step of the road.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorStep {
    /// Which step.
    pub step: RoadStep,
    /// Whether it was passed.
    pub ok: bool,
    /// How many milliseconds it took.
    pub ms: u64,
    /// What was seen there.
    pub detail: String,
    /// Why it was not passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// The steps of the road to upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RoadStep {
    /// The cache can be used.
    Cache,
    /// The list of known hosts can be loaded.
    KnownHosts,
    /// The key can be loaded.
    Identity,
    /// The name of the proxy, or without one of upstream, is resolved.
    Resolve,
    /// The TCP connection is made.
    Tcp,
    /// The proxy opens the tunnel.
    Connect,
    /// The SSH server greets.
    Banner,
    /// Its host key is a known one.
    HostKey,
    /// It accepts the login.
    Login,
    /// The repository can be opened.
    Repository,
    /// Its refs can be listed.
    Refs,
}

impl RoadStep {
    /// Every step, in the order of the road.
    pub const ALL: [Self; 11] = [
        Self::Cache,
        Self::KnownHosts,
        Self::Identity,
        Self::Resolve,
        Self::Tcp,
        Self::Connect,
        Self::Banner,
        Self::HostKey,
        Self::Login,
        Self::Repository,
        Self::Refs,
    ];

    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Identity => "identity",
            Self::KnownHosts => "known-hosts",
            Self::Resolve => "resolve",
            Self::Tcp => "tcp",
            Self::Connect => "connect",
            Self::Banner => "banner",
            Self::HostKey => "host-key",
            Self::Login => "login",
            Self::Repository => "repository",
            Self::Refs => "refs",
        }
    }
}

impl std::fmt::Display for RoadStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl LaneDoctor {
    /// The road of a lane as far as it was walked. It is ok where a step was made and all were passed.
    #[must_use]
    pub fn walked(
        lane: &LaneName,
        repository: &RepositoryName,
        transport: TransportView,
        mut steps: Vec<DoctorStep>,
    ) -> Self {
        // The walk ends with the first step that fails; what stands behind it was not reached by this road.
        if let Some(failed) = steps.iter().position(|step| !step.ok) {
            steps.truncate(failed + 1);
        }
        let fault = steps.last().and_then(|step| step.fault.clone());
        let ok = steps.last().is_some_and(|step| step.ok);
        Self { lane: lane.clone(), repository: repository.clone(), ok, transport, steps, fault }
    }

    /// A road that could not be walked at all.
    #[must_use]
    pub fn failed(lane: &LaneName, repository: &RepositoryName, transport: TransportView, fault: Fault) -> Self {
        Self {
            lane: lane.clone(),
            repository: repository.clone(),
            ok: false,
            transport,
            steps: Vec::new(),
            fault: Some(fault),
        }
    }
}

impl LaneReport for LaneDoctor {
    const VERB: Verb = Verb::Doctor;

    fn lane(&self) -> &LaneName {
        &self.lane
    }

    fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    fn findings(&self) -> Vec<Finding> {
        if self.fault.is_none() && !self.ok { vec![Finding::OutOfSync] } else { Vec::new() }
    }

    fn next(&self, node: &NodeName, _mode: Option<Mode>) -> Vec<NextCommand> {
        match &self.fault {
            None => Vec::new(),
            Some(fault) if fault.class == FaultClass::Usage => {
                vec![NextCommand::for_configuration(NextVerb::ConfigCheck)]
            }
            // The repair stands in the fault's help; the next command proves it.
            Some(_) => vec![NextCommand::for_lane(NextVerb::Doctor, node, &self.lane)],
        }
    }
}
