//! The walk itself.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mirror_core::config::{Lane, Repository};
use mirror_core::fault::{Classified, Fault, FaultClass, Retry};
use mirror_core::name::{BranchName, RefName};
use mirror_core::report::doctor::{DoctorStep, LaneDoctor, RoadStep};
use mirror_core::report::status::TransportView;
use mirror_store::disk::network_file_system;
use mirror_store::{Cache, OpenError};
use mirror_transport::fetch::{RefPattern, RemoteRef};
use mirror_transport::ssh::KnownHosts;
use mirror_transport::tunnel::{Step, Steps};
use mirror_transport::upstream::{Link, Purpose};

use crate::drive::until_stopped;
use crate::node::LocalNode;
use crate::road;
use crate::stop::Stop;
use crate::watch::{Event, Watcher};

/// Walks the road of one lane.
pub async fn walk(node: &LocalNode, repository: &Repository, lane: &Lane, watch: &Watcher, stop: &Stop) -> LaneDoctor {
    let transport = TransportView::of(repository, node.transport());
    let notes = Notes { taken: Arc::default(), watch: watch.clone() };
    let total = node.transport().timeouts.total;
    let bounded = async {
        let walked = tokio::time::timeout(total, steps(node, repository, lane, &notes)).await;
        walked.unwrap_or_else(|_| Err(Fault::deadline(total)))
    };
    let ended = until_stopped(stop, bounded).await;
    LaneDoctor::walked(&lane.name, &repository.name, transport, notes.finished(ended.err()))
}

async fn steps(node: &LocalNode, repository: &Repository, lane: &Lane, notes: &Notes) -> Result<(), Fault> {
    notes.begin(RoadStep::Cache);
    notes.pass(look_at_cache(&node.cache(&repository.name))?);

    notes.begin(RoadStep::KnownHosts);
    let files = node.endpoint_files().map_err(|error| Fault::of(&error))?;
    match &files.known_hosts {
        None => notes.pass("GitHub's published keys, built in".to_owned()),
        Some(path) => {
            KnownHosts::from_file(path).map_err(|error| Fault::of(&error))?;
            notes.pass(path.display().to_string());
        }
    }

    notes.begin(RoadStep::Identity);
    let road = road::load(node, repository)?;
    notes.pass(road.identity.describe());

    let asked: Vec<_> = lane.branches().map(BranchName::ref_name).collect();
    let patterns: Vec<_> = asked.iter().cloned().map(RefPattern::Exact).collect();
    let mut link = Link::new(road, Purpose::Read);
    let refs = link.look(&patterns, &mut notes.clone()).await.map_err(|error| Fault::of(&error))?;
    link.close().await;
    judge_refs(&asked[0], &refs).map_err(|error| Fault::of(&error))
}

/// A cache that is not there yet is no fault: the first sync makes it.
fn look_at_cache(path: &Path) -> Result<String, Fault> {
    let mut told = match Cache::open(path) {
        Ok(_) => path.display().to_string(),
        Err(OpenError::Missing { .. }) => format!("{} (made by the first sync)", path.display()),
        Err(error) => return Err(Fault::of(&error)),
    };
    if let Some(kind) = network_file_system(path) {
        told.push_str(&format!(
            "; it lies on {kind}, where locks and stamps of files are less sure than on a local disk"
        ));
    }
    Ok(told)
}

fn judge_refs(source: &RefName, refs: &[RemoteRef]) -> Result<(), NoSource> {
    if refs.iter().any(|seen| seen.name == *source) {
        return Ok(());
    }
    Err(NoSource { name: source.clone() })
}

/// The road is good and leads to the wrong place.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("upstream has no {name}, the source branch of the lane")]
#[diagnostic(
    code(mirror::doctor::no_source),
    help("check `source.branch` of the lane and `upstream` of its repository in the configuration")
)]
struct NoSource {
    name: RefName,
}

impl Classified for NoSource {
    fn class(&self) -> FaultClass {
        FaultClass::Finding
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// Takes notes of the steps as they are made.
#[derive(Clone)]
struct Notes {
    taken: Arc<Mutex<Taken>>,
    watch: Watcher,
}

#[derive(Default)]
struct Taken {
    steps: Vec<DoctorStep>,
    under_way: Option<(RoadStep, Instant)>,
}

impl Notes {
    fn begin(&self, step: RoadStep) {
        self.taken().under_way = Some((step, Instant::now()));
    }

    fn pass(&self, detail: String) {
        let mut taken = self.taken();
        if let Some((step, since)) = taken.under_way.take() {
            let ms = millis(since);
            taken.steps.push(DoctorStep { step, ok: true, ms, detail, fault: None });
        }
    }

    /// The steps, the failed one at their end. A fault behind the last passed step belongs to that step.
    fn finished(&self, fault: Option<Fault>) -> Vec<DoctorStep> {
        let mut taken = self.taken();
        let mut steps = std::mem::take(&mut taken.steps);
        let Some(fault) = fault else { return steps };
        match (taken.under_way.take(), steps.last_mut()) {
            (Some((step, since)), _) => {
                let detail = fault.message.clone();
                steps.push(DoctorStep { step, ok: false, ms: millis(since), detail, fault: Some(fault) });
            }
            (None, Some(last)) => {
                last.ok = false;
                last.detail = fault.message.clone();
                last.fault = Some(fault);
            }
            (None, None) => {}
        }
        steps
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        // Notes are plain data; a panic elsewhere leaves them as they were.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Steps for Notes {
    fn began(&mut self, step: Step) {
        self.begin(road_step(step));
        self.watch.event(Event::StepBegan(step));
    }

    fn passed(&mut self, step: Step, detail: String) {
        let took = self.taken().under_way.map_or_else(Default::default, |(_, since)| since.elapsed());
        self.pass(detail.clone());
        self.watch.event(Event::StepPassed { step, took, detail });
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn road_step(step: Step) -> RoadStep {
    match step {
        Step::Resolve => RoadStep::Resolve,
        Step::Tcp => RoadStep::Tcp,
        Step::Connect => RoadStep::Connect,
        Step::Banner => RoadStep::Banner,
        Step::HostKey => RoadStep::HostKey,
        Step::Login => RoadStep::Login,
        Step::Repository => RoadStep::Repository,
        Step::Refs => RoadStep::Refs,
    }
}
