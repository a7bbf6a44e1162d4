//! `maintain`.

use mirror_core::report::ExitCode;
use mirror_engine::verbs;

use super::Scene;
use crate::args::OperationArgs;
use crate::error::CliError;

/// Tidies the caches, or shows what that would be.
pub(super) fn run(args: &OperationArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let aim = scene.aim_operation(args)?;
    let lanes = aim.lanes()?;
    let node = &aim.node;
    let report = scene.operate(&args.confirm, |terms| async move { verbs::maintain(node, &lanes, &terms).await })?;
    Ok(scene.out.report(report))
}
