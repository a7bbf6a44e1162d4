//! `doctor`.

use mirror_core::report::ExitCode;
use mirror_engine::verbs;

use super::Scene;
use crate::args::TargetArgs;
use crate::error::CliError;
use crate::output::Steps;

/// Walks the road to upstream; the steps appear as they are passed.
pub(super) fn run(target: &TargetArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let aim = scene.aim(target)?;
    let lanes = aim.lanes()?;
    let node = &aim.node;
    let report =
        scene.watched(Steps::Stay, |watch, stop| async move { verbs::doctor(node, &lanes, &watch, &stop).await })?;
    Ok(scene.out.report(report))
}
