//! `serve`.

use std::net::TcpListener;
use std::sync::Arc;

use listenfd::ListenFd;
use mirror_core::config::{Lane, NodeKind, Serve};
use mirror_core::report::ExitCode;
use mirror_core::report::config_check::ConfiguredLane;
use mirror_core::report::serve::{Scheme, ServeReport};
use mirror_engine::node::LocalNode;
use mirror_server::{ServePlan, Server};

use super::Scene;
use crate::args::{Format, ServeArgs};
use crate::error::CliError;
use crate::runtime::{self, Crew, Told};

/// Serves until it is told to stop; says once on stdout where.
pub(super) fn run(args: &ServeArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let aim = scene.aim(&args.node.target())?;
    let node = Arc::new(aim.node);
    let serve = node.serve()?;
    let inherited = inherited()?;
    let talk = scene.out.talk().clone();
    runtime::block_on(&talk, Crew::Server(told_of_ending(scene)), |stop| async {
        let plan = ServePlan { node: Arc::clone(&node), serve: serve.clone(), listen: args.listen, inherited };
        let server = Server::bind(plan).await?;
        let told = announcement(&node, &serve, &server);
        scene.out.announce(&told, &format!("serving {} on {}", told.node, told.url));
        server.run(stop).await
    })??;
    Ok(ExitCode::Done)
}

fn told_of_ending(scene: &Scene<'_, '_>) -> Told {
    match scene.out.form() {
        Format::Json => Told::InLog,
        Format::Text | Format::Yaml => Told::InWords,
    }
}

/// The sockets that a service manager hands over.
fn inherited() -> Result<Vec<TcpListener>, CliError> {
    let mut handed = ListenFd::from_env();
    let taken = (0..handed.len()).map(|at| handed.take_tcp_listener(at));
    let taken: Result<Vec<Option<TcpListener>>, _> = taken.collect();
    Ok(taken.map_err(CliError::Inherited)?.into_iter().flatten().collect())
}

fn announcement(node: &LocalNode, serve: &Serve, server: &Server) -> ServeReport {
    let lanes = node.node.lanes_in_order();
    let served = |lane: &&Lane| ConfiguredLane {
        lane: lane.name.clone(),
        node: node.node.name.clone(),
        kind: NodeKind::Local,
        repository: lane.repository.clone(),
        source: lane.source.branch.clone(),
        gitops: lane.gitops.clone(),
    };
    let by_repository = node.by_repository(&lanes);
    let repositories: Vec<_> = by_repository
        .iter()
        .map(|(repository, _)| (repository.name.clone(), repository.upstream.path().to_owned()))
        .collect();
    let scheme = if serve.tls.is_some() { Scheme::Https } else { Scheme::Http };
    ServeReport::listening(
        node.node.name.clone(),
        lanes.iter().map(served).collect(),
        scheme,
        server.address(),
        &repositories,
    )
}
