//! `init`: writes a configuration for one repository, checked before it is written.
//!
//! It writes one file that the user asked for and touches nothing else: no cache, no network.

use std::path::PathBuf;

use mirror_core::config;
use mirror_core::report::ExitCode;
use mirror_core::report::init::InitReport;

use super::Scene;
use crate::args::InitArgs;
use crate::error::CliError;
use crate::file::{self, FILE_NAME, Place};
use crate::init::{self, InitError, Standing};

/// Writes the configuration that the options describe.
pub(super) fn run(args: &InitArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let upstream = init::understand(&args.upstream)?;
    let text = init::compose(args, &upstream)?;
    let path = match file::place(scene.globals.file.as_deref(), scene.environment) {
        Place::Named { path, .. } => path,
        Place::Usual(_) => PathBuf::from(FILE_NAME),
    };
    let shown = path.display().to_string();
    // What is written has been read the way every verb will read it.
    let config = config::parse(&shown, &text).map_err(InitError::Refused)?;
    let node = config.only_node()?.name.clone();
    let standing = if args.force { Standing::Replace } else { Standing::Keep };
    init::write(&scene.environment.directory, &path, &text, standing)?;
    if upstream.to_string() != args.upstream {
        scene.out.say(&format!("upstream is understood as {upstream}"));
    }
    if args.proxy.is_some() && upstream.port() == 22 && init::is_github(&upstream) {
        scene.out.say(
            "note: many proxies open tunnels to port 443 only; GitHub answers SSH there too, as ssh.github.com:443",
        );
    }
    Ok(scene.out.report(InitReport::written(shown, node, &config)))
}
