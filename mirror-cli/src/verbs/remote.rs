//! `status --server` and `history --server`: the same reports, told by a server that runs elsewhere.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use mirror_core::config::{Scope, find, select};
use mirror_core::name::LaneName;
use mirror_core::report::{ExitCode, LaneReport, Report};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Scene;
use crate::args::{ServerArgs, TargetArgs};
use crate::error::CliError;
use crate::output::Shown;
use crate::remote::{self, Asked, RemoteError, ServerUrl};
use crate::runtime::{self, Crew};

/// A token is one short line; more than this is another file.
const TOKEN_LIMIT: u64 = 4096;

/// Asks the server that the options name for the report of a verb, and shows it as if it were told here.
///
/// `lane_of` gives the name of a lane in it.
pub(super) fn ask<L>(
    server: &str,
    path: String,
    options: &ServerArgs,
    target: &TargetArgs,
    lane_of: impl Fn(&L) -> &LaneName,
    scene: &mut Scene<'_, '_>,
) -> Result<ExitCode, CliError>
where
    L: LaneReport + Serialize + DeserializeOwned,
    Report<L>: Shown,
{
    let server = ServerUrl::parse(server)?;
    let in_folder = |path: &Path| scene.environment.directory.join(path);
    let token = options.token_file.as_deref().map(|path| read_token(&in_folder(path))).transpose()?;
    if token.is_some() && !server.is_private() {
        scene.out.say("warning: the token crosses the network without TLS; whoever sees the traffic can read it");
    }
    let ca = options.ca.as_deref().map(in_folder);
    let asked = Asked { server, path, verb: L::VERB, token, ca };
    let talk = scene.out.talk().clone();
    let report: Report<L> = runtime::block_on(&talk, Crew::Operation, |_| remote::ask(&asked))??;
    let there = Scope::Server(asked.server.to_string());
    if let Some(given) = &target.node {
        find(given, [&report.node], &there)?;
    }
    let known: Vec<LaneName> = report.lanes.iter().map(|lane| lane_of(lane).clone()).collect();
    let named = select(&target.lanes, &known, &there)?;
    let mut chosen = report.lanes;
    chosen.retain(|lane| named.contains(&lane_of(lane)));
    // What follows from the lanes, the commands to run among it, is made anew from those that are left.
    Ok(scene.out.report_from_elsewhere(Report::of(report.node, chosen).with_fault(report.fault)))
}

fn read_token(path: &Path) -> Result<SecretString, RemoteError> {
    let failed = |source| RemoteError::TokenFile { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(|source| failed(Some(source)))?;
    file.take(TOKEN_LIMIT).read_to_string(&mut text).map_err(|source| failed(Some(source)))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(failed(None));
    }
    Ok(SecretString::from(token))
}
