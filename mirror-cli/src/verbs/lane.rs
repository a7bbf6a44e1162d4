//! `lane resolve`.

use mirror_core::report::ExitCode;
use mirror_engine::verbs;

use super::Scene;
use crate::args::ResolveArgs;
use crate::error::CliError;

/// Ends the divergence of lanes by adopting upstream's tip, or shows what that would be.
pub(super) fn resolve(args: &ResolveArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let aim = scene.aim_operation(&args.operation)?;
    let lanes = aim.lanes()?;
    let node = &aim.node;
    let report = scene
        .operate(&args.operation.confirm, |terms| async move { verbs::resolve_adopt(node, &lanes, &terms).await })?;
    Ok(scene.out.report(report))
}
