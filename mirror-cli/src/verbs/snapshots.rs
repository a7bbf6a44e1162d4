//! `snapshots list` and `snapshots prune`.

use mirror_core::config::Lane;
use mirror_core::report::ExitCode;
use mirror_engine::verbs;

use super::Scene;
use crate::args::{ListArgs, OperationArgs};
use crate::error::CliError;

/// Lists the snapshots of lanes, or of those lanes that are built from one branch.
pub(super) fn list(args: &ListArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let aim = scene.aim(&args.target)?;
    let mut lanes = aim.lanes()?;
    if let Some(branch) = &args.branch {
        let known: Vec<String> = lanes.iter().map(|lane| lane.source.branch.to_string()).collect();
        let wanted = branch.strip_prefix("refs/heads/").unwrap_or(branch);
        lanes.retain(|lane: &&Lane| lane.source.branch.as_str() == wanted);
        if lanes.is_empty() {
            return Err(CliError::UnknownBranch { given: branch.clone(), node: aim.node.node.name.to_string(), known });
        }
    }
    Ok(scene.out.report(verbs::snapshots_list(&aim.node, &lanes)))
}

/// Removes the snapshots that retention gives free, or shows which.
pub(super) fn prune(args: &OperationArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let aim = scene.aim_operation(args)?;
    let lanes = aim.lanes()?;
    let node = &aim.node;
    let report =
        scene.operate(&args.confirm, |terms| async move { verbs::snapshots_prune(node, &lanes, &terms).await })?;
    Ok(scene.out.report(report))
}
