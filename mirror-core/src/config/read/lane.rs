//! A lane of a node: what is built, what is deployed, and by what.

use std::collections::BTreeMap;
use std::time::Duration;

use super::across::LaneSeen;
use super::block::{At, Field, Found};
use super::judge::Judge;
use super::kubernetes::{label_name, object_name};
use super::repository::read_branch;
use crate::config::problem::AcrossFault;
use crate::config::types::{Argo, Lane, NodeKind, Pipeline, Source};
use crate::name::{BranchName, GroupName, LaneName, RepositoryName};

/// The name of a lane, and its place among the lanes of its node.
pub(super) struct LaneKey {
    pub(super) name: LaneName,
    pub(super) position: usize,
}

/// Reads one lane, with the places that checks across lanes have to show.
pub(super) fn read_lane(field: &Field<'_>, key: LaneKey, judge: &Judge<'_>, found: &mut Found) -> Option<LaneSeen> {
    let mut block = field.block(found)?;
    let repository = block
        .need("repository", "`repository: NAME`, one of those under `repositories`")
        .and_then(|field| field.parsed(found, RepositoryName::parse));
    let source = block
        .need("source", "`source: { branch: main, snapshotGroup: app }`")
        .and_then(|field| read_source(&field, found));
    let gitops = block.take("gitops").map(|field| read_gitops(&field, found));
    let manifests = block.take("manifests");
    let pipeline = block.take("pipeline");
    let argo = block.take("argo");
    block.finish(found);
    if judge.kind == NodeKind::Local {
        for field in [&manifests, &pipeline, &argo].into_iter().flatten() {
            let fault = AcrossFault::OtherKind {
                path: field.path.clone(),
                node: judge.node.to_owned(),
                belongs: "cluster",
                is: "local",
            };
            found.push(crate::config::finding::Finding::new(fault, field.key.clone(), "only in a cluster"));
        }
        return seen(key, repository, source, gitops, Vec::new(), None, None);
    }
    let manifests = manifests.map(|field| read_manifests(&field, found)).unwrap_or_default();
    let pipeline = pipeline.and_then(|field| read_pipeline(&field, found));
    let argo = argo.and_then(|field| read_argo(&field, found));
    seen(key, repository, source, gitops, manifests, pipeline, argo)
}

type SourceSeen = (At<BranchName>, GroupName);

fn seen(
    LaneKey { name, position }: LaneKey,
    repository: Option<At<RepositoryName>>,
    source: Option<SourceSeen>,
    gitops: Option<Option<At<BranchName>>>,
    manifests: Vec<String>,
    pipeline: Option<Pipeline>,
    argo: Option<Argo>,
) -> Option<LaneSeen> {
    let (repository, (source, snapshot_group)) = (repository?, source?);
    // One that is there and could not be read spoils the lane: nothing may be taken for a lane that only builds.
    let gitops = match gitops {
        None => None,
        Some(gitops) => Some(gitops?),
    };
    Some(LaneSeen {
        repository: repository.span,
        source: source.span,
        gitops: gitops.as_ref().map(|at| at.span.clone()),
        lane: Lane {
            name,
            position,
            repository: repository.value,
            source: Source { branch: source.value, snapshot_group },
            gitops: gitops.map(|at| at.value),
            manifests,
            pipeline,
            argo,
        },
    })
}

fn read_gitops(field: &Field<'_>, found: &mut Found) -> Option<At<BranchName>> {
    let mut block = field.block(found)?;
    let branch = block.need("branch", "`branch: gitops`").and_then(|field| read_branch(&field, found));
    block.finish(found);
    branch
}

fn read_source(field: &Field<'_>, found: &mut Found) -> Option<SourceSeen> {
    let mut block = field.block(found)?;
    let branch = block.need("branch", "`branch: main`").and_then(|field| read_branch(&field, found));
    let group = block
        .need("snapshotGroup", "`snapshotGroup: app`, the part of a snapshot ref in front of the branch")
        .and_then(|field| field.parsed(found, GroupName::parse));
    block.finish(found);
    Some((branch?, group?.value))
}

fn read_manifests(field: &Field<'_>, found: &mut Found) -> Vec<String> {
    field.list(found).iter().filter_map(|field| field.file_path(found)).collect()
}

fn read_pipeline(field: &Field<'_>, found: &mut Found) -> Option<Pipeline> {
    let mut block = field.block(found)?;
    let namespace = block.need("namespace", "`namespace: hwlab-ci`").and_then(|field| label_name(&field, found));
    let name = block.need("name", "`name: hwlab-v03`, the Pipeline").and_then(|field| object_name(&field, found));
    let service_account_name = block.take("serviceAccountName").and_then(|field| object_name(&field, found));
    let timeout = block.take("timeout").and_then(|field| field.duration_above_zero(found));
    let params = block.take("params").map(|field| read_params(&field, found)).unwrap_or_default();
    let mut param = |key: &'static str, default: &str, found: &mut Found| {
        block.take(key).and_then(|field| param_name(&field, found)).unwrap_or_else(|| default.to_owned())
    };
    let commit_param = param("commitParam", "revision", found);
    let snapshot_param = param("snapshotParam", "snapshot-ref", found);
    let repository_param = param("repositoryParam", "git-url", found);
    let gitops_commit_result = param("gitopsCommitResult", "gitops-commit", found);
    block.finish(found);
    Some(Pipeline {
        namespace: namespace?,
        name: name?,
        service_account_name,
        timeout: timeout.unwrap_or(Duration::from_secs(60 * 60)),
        params,
        commit_param,
        snapshot_param,
        repository_param,
        gitops_commit_result,
    })
}

fn read_params(field: &Field<'_>, found: &mut Found) -> BTreeMap<String, String> {
    let mut params = BTreeMap::new();
    for (name, field) in field.block(found).into_iter().flat_map(|block| block.named()) {
        if let Some(value) = field.text(found) {
            params.insert(name.value.to_owned(), value.value.to_owned());
        }
    }
    params
}

/// Takes the name of a param or result.
///
/// # Source
/// <https://tekton.dev/docs/pipelines/pipelines/#specifying-parameters>
fn param_name(field: &Field<'_>, found: &mut Found) -> Option<String> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    field.checked(
        found,
        |text| text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(harmless),
        "a name that Tekton takes here",
        "use letters, digits, `-`, `_` and `.`, with a letter or `_` in front",
    )
}

fn read_argo(field: &Field<'_>, found: &mut Found) -> Option<Argo> {
    let mut block = field.block(found)?;
    let namespace = block.need("namespace", "`namespace: argocd`").and_then(|field| label_name(&field, found));
    let application =
        block.need("application", "`application: hwlab-v03`").and_then(|field| object_name(&field, found));
    let path = block.take("path").and_then(|field| field.file_path(found));
    block.finish(found);
    Some(Argo { namespace: namespace?, application: application?, path })
}
