//! What every verb works with: surroundings, global options, the way out; and how it finds its node.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use mirror_core::config::{Lane, NodeSettings};
use mirror_core::name::LaneName;
use mirror_engine::drive::Terms;
use mirror_engine::node::{Base, LocalNode};
use mirror_engine::stop::Stop;
use mirror_engine::watch::Watcher;

use crate::args::{ConfirmArgs, Globals, OperationArgs, TargetArgs};
use crate::environment::Environment;
use crate::error::CliError;
use crate::file;
use crate::output::{Out, Steps};
use crate::runtime::{self, Crew};
use crate::select;

/// What every verb works with.
pub struct Scene<'s, 'w> {
    /// What surrounds the process.
    pub environment: &'s Environment,
    /// The options that every verb takes.
    pub globals: &'s Globals,
    /// Where the answer goes.
    pub out: &'s mut Out<'w>,
}

/// The node and the lanes that a verb works on, ready for the engine.
pub(super) struct Aim {
    /// The node, with its paths made whole.
    pub(super) node: LocalNode,
    names: Vec<LaneName>,
}

impl Aim {
    /// The lanes.
    pub(super) fn lanes(&self) -> Result<Vec<&Lane>, CliError> {
        let names: Vec<&str> = self.names.iter().map(LaneName::as_str).collect();
        Ok(self.node.lanes(&names)?)
    }
}

impl Scene<'_, '_> {
    /// Finds what the options aim at. A cluster node ends the verb here, before anything is touched.
    pub(super) fn aim(&self, target: &TargetArgs) -> Result<Aim, CliError> {
        let file = file::load(self.globals.file.as_deref(), self.environment)?;
        let chosen = select::select(&file.config, target)?;
        if matches!(chosen.node.settings, NodeSettings::Cluster(_)) {
            let local = file.config.nodes.values().filter(|node| matches!(node.settings, NodeSettings::Local(_)));
            let local = local.map(|node| node.name.to_string()).collect();
            return Err(CliError::ClusterNotYet { node: chosen.node.name.to_string(), local });
        }
        let base = Base {
            folder: file.folder,
            home: self.environment.home().map(PathBuf::from),
            agent: self.environment.variable("SSH_AUTH_SOCK").map(PathBuf::from),
        };
        let node = LocalNode::resolve(&file.config, &base, chosen.node.name.as_str())?;
        Ok(Aim { node, names: chosen.lanes })
    }

    /// Runs an operation to its end, with progress on stderr and an ear for Ctrl-C.
    pub(super) fn watched<F: Future>(
        &self,
        steps: Steps,
        run: impl FnOnce(Watcher, Stop) -> F,
    ) -> Result<F::Output, CliError> {
        let progress = self.out.progress(steps);
        let watch: Watcher = Arc::clone(&progress) as Watcher;
        let ended = runtime::block_on(self.out.talk(), Crew::Operation, |stop| run(watch, stop));
        progress.end();
        ended
    }

    /// Runs an operation that may change something, on the terms of its options.
    pub(super) fn operate<F: Future>(
        &self,
        args: &ConfirmArgs,
        run: impl FnOnce(Terms) -> F,
    ) -> Result<F::Output, CliError> {
        let (mode, wait) = (args.mode()?, args.wait()?);
        self.watched(Steps::Pass, |watch, stop| run(Terms { mode, wait, watch, stop }))
    }

    /// Checks the options of an operation, then finds what it aims at: contradictions are told before any file is looked for.
    pub(super) fn aim_operation(&self, args: &OperationArgs) -> Result<Aim, CliError> {
        args.confirm.mode()?;
        args.confirm.wait()?;
        self.aim(&args.target)
    }
}
