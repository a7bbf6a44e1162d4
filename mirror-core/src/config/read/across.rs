//! What must hold between the parts of a configuration: between lanes, between refs, between names.

use std::collections::{BTreeMap, BTreeSet};

use super::block::{At, Found};
use crate::config::finding::Finding;
use crate::config::lookup::{LookupError, Scope, find_by};
use crate::config::problem::AcrossFault;
use crate::config::tree::Span;
use crate::config::types::Lane;
use crate::name::{BranchName, RefName, RepositoryName, TagPattern, conflicts};

/// What the file declares, with the places that a finding has to show.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) repository_names: Vec<At<String>>,
    pub(super) node_names: Vec<At<String>>,
    pub(super) tags: BTreeMap<RepositoryName, Vec<At<TagPattern>>>,
    pub(super) branches: BTreeMap<RepositoryName, Vec<At<BranchName>>>,
    /// The cache folder of each local node, in the order of the file.
    pub(super) caches: Vec<(String, At<String>)>,
    /// The lanes of each node, in the order of the file.
    pub(super) lanes: Vec<(String, Vec<LaneSeen>)>,
}

/// A lane, and where its parts stand.
#[derive(Debug)]
pub(super) struct LaneSeen {
    pub(super) lane: Lane,
    pub(super) repository: Span,
    pub(super) source: Span,
    pub(super) gitops: Option<Span>,
}

pub(super) fn verify_across(declared: &Declared, found: &mut Found) {
    refuse_case_only("repositories", &declared.repository_names, found);
    refuse_case_only("nodes", &declared.node_names, found);
    for (_, lanes) in &declared.lanes {
        refuse_shared_branches(lanes, found);
    }
    refuse_shared_caches(declared, found);
    refuse_ref_conflicts(declared, found);
}

/// Refuses that two nodes work on one repository's cache: what must hold between lanes is looked at node by node.
fn refuse_shared_caches(declared: &Declared, found: &mut Found) {
    let repositories = |node: &str| -> BTreeSet<&RepositoryName> {
        let lanes = declared.lanes.iter().filter(|(name, _)| name == node).flat_map(|(_, lanes)| lanes);
        lanes.map(|seen| &seen.lane.repository).collect()
    };
    for (at, (second, cache)) in declared.caches.iter().enumerate() {
        let same = |(_, other): &&(String, At<String>)| plain(&other.value) == plain(&cache.value);
        for (first, other) in declared.caches[..at].iter().filter(same) {
            let Some(repository) = repositories(first).intersection(&repositories(second)).next().copied() else {
                continue;
            };
            let fault = AcrossFault::SharedCache {
                cache: cache.value.as_str().into(),
                repository: repository.as_str().into(),
                first: first.as_str().into(),
                second: second.as_str().into(),
            };
            let finding = Finding::new(fault, cache.span.clone(), "the same folder");
            found.push(finding.also(other.span.clone(), "as here"));
        }
    }
}

/// A path without the parts that lead nowhere.
fn plain(path: &str) -> Vec<&str> {
    let parts = path.split('/').enumerate();
    parts.filter(|(at, part)| *part != "." && (*at == 0 || !part.is_empty())).map(|(_, part)| part).collect()
}

/// Refuses names that a file system or a person would take for the same.
pub(super) fn refuse_case_only(kind: &'static str, names: &[At<String>], found: &mut Found) {
    for (at, second) in names.iter().enumerate() {
        let same = |first: &&At<String>| first.value.eq_ignore_ascii_case(&second.value);
        if let Some(first) = names[..at].iter().find(same) {
            let fault = AcrossFault::CaseOnly { kind, first: first.value.clone(), second: second.value.clone() };
            found.push(Finding::new(fault, second.span.clone(), "this one").also(first.span.clone(), "and this one"));
        }
    }
}

/// Has each lane name its repository as the file does under `repositories`, and refuses lanes of repositories that are not there.
pub(super) fn resolve_repositories(lanes: &mut [LaneSeen], declared: &Declared, found: &mut Found) {
    // Where there is none at all, that is the fault.
    if declared.repository_names.is_empty() {
        return;
    }
    for seen in lanes {
        let given = seen.lane.repository.as_str();
        let names = &declared.repository_names;
        match find_by(given, names, |name| name.value.as_str(), &Scope::Configuration) {
            Ok(name) => {
                seen.lane.repository = RepositoryName::parse(&name.value).unwrap_or(seen.lane.repository.clone())
            }
            Err(unknown) => {
                let unknown = LookupError::Repository(unknown);
                found.push(Finding::new(unknown, seen.repository.clone(), "not under `repositories`"));
            }
        }
    }
}

fn refuse_shared_branches(lanes: &[LaneSeen], found: &mut Found) {
    for (at, writer) in lanes.iter().enumerate() {
        let (Some(branch), Some(written)) = (&writer.lane.gitops, &writer.gitops) else { continue };
        let of_same = |other: &&LaneSeen| other.lane.repository == writer.lane.repository;
        for reader in lanes.iter().filter(of_same).filter(|reader| reader.lane.source.branch == *branch) {
            let fault = AcrossFault::SourceIsGitops {
                branch: branch.to_string(),
                source_lane: reader.lane.name.to_string(),
                gitops_lane: writer.lane.name.to_string(),
            };
            let finding = Finding::new(fault, written.clone(), "written here");
            found.push(finding.also(reader.source.clone(), "read here"));
        }
        let same_branch = |other: &&LaneSeen| other.lane.gitops.as_ref() == Some(branch);
        for other in lanes[..at].iter().filter(of_same).filter(same_branch) {
            let Some(as_well) = &other.gitops else { continue };
            let fault = AcrossFault::SharedGitops {
                branch: branch.to_string(),
                first: other.lane.name.to_string(),
                second: writer.lane.name.to_string(),
            };
            let finding = Finding::new(fault, written.clone(), "written here");
            found.push(finding.also(as_well.clone(), "and here"));
        }
    }
}

/// Refuses refs of one cache, that is of one repository on one node, of which one would be a folder of another.
fn refuse_ref_conflicts(declared: &Declared, found: &mut Found) {
    let mut shown: BTreeSet<(usize, usize)> = BTreeSet::new();
    let repositories: BTreeSet<&RepositoryName> = declared.branches.keys().collect();
    for repository in repositories {
        let mut common: Vec<(RefName, Span)> = Vec::new();
        for branch in declared.branches.get(repository).into_iter().flatten() {
            common.push((branch.value.ref_name(), branch.span.clone()));
        }
        for tag in declared.tags.get(repository).into_iter().flatten() {
            common.extend(tag.value.exact().map(|name| (name, tag.span.clone())));
        }
        report_conflicts(&common, &mut shown, found);
        for (_, lanes) in &declared.lanes {
            let mut refs = common.clone();
            for seen in lanes.iter().filter(|seen| seen.lane.repository == *repository) {
                refs.push((seen.lane.source.branch.ref_name(), seen.source.clone()));
                let gitops = seen.lane.gitops.iter().zip(&seen.gitops);
                refs.extend(gitops.map(|(branch, span)| (branch.ref_name(), span.clone())));
            }
            report_conflicts(&refs, &mut shown, found);
        }
    }
}

fn report_conflicts(refs: &[(RefName, Span)], shown: &mut BTreeSet<(usize, usize)>, found: &mut Found) {
    let span_of = |name: &RefName| refs.iter().find(|(other, _)| other == name).map(|(_, span)| span.clone());
    for conflict in conflicts(refs.iter().map(|(name, _)| name.clone())) {
        let (Some(outer), Some(inner)) = (span_of(&conflict.outer), span_of(&conflict.inner)) else { continue };
        if shown.insert((outer.start, inner.start)) {
            let finding = Finding::new(AcrossFault::RefConflict(conflict), outer, "a ref here");
            found.push(finding.also(inner, "would need it as a folder"));
        }
    }
}
