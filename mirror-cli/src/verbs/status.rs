//! `status`.

use mirror_core::report::ExitCode;
use mirror_core::report::status::LaneStatus;
use mirror_engine::verbs;

use super::{Scene, remote};
use crate::args::StatusArgs;
use crate::error::CliError;
use crate::output::Steps;

/// Tells how each lane stands. Without `--refresh` it reads the disk alone and needs no threads.
pub(super) fn run(args: &StatusArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    if let Some(server) = &args.server.server {
        let path = "/api/v1/status".to_owned();
        return remote::ask::<LaneStatus>(server, path, &args.server, &args.target, |lane| &lane.lane, scene);
    }
    let aim = scene.aim(&args.target)?;
    let lanes = aim.lanes()?;
    let node = &aim.node;
    let report = if args.refresh {
        scene.watched(Steps::Pass, |watch, stop| async move {
            verbs::status_refreshed(node, &lanes, &watch, &stop).await
        })?
    } else {
        verbs::status(node, &lanes)
    };
    Ok(scene.out.report(report))
}
