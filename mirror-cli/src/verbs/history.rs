//! `history`.

use mirror_core::report::ExitCode;
use mirror_core::report::history::LaneHistory;
use mirror_engine::verbs;

use super::{Scene, remote};
use crate::args::HistoryArgs;
use crate::error::CliError;

/// Tells what was done here, newest first.
pub(super) fn run(args: &HistoryArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    if let Some(server) = &args.server.server {
        let path = format!("/api/v1/history?limit={}", args.limit);
        return remote::ask::<LaneHistory>(server, path, &args.server, &args.target, |lane| &lane.lane, scene);
    }
    let aim = scene.aim(&args.target)?;
    let lanes = aim.lanes()?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    Ok(scene.out.report(verbs::history(&aim.node, &lanes, limit)))
}
