//! `history`.

use mirror_core::report::ExitCode;
use mirror_engine::verbs;

use super::Scene;
use crate::args::HistoryArgs;
use crate::error::CliError;

/// Tells what was done here, newest first.
pub(super) fn run(args: &HistoryArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let aim = scene.aim(&args.target)?;
    let lanes = aim.lanes()?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    Ok(scene.out.report(verbs::history(&aim.node, &lanes, limit)))
}
