//! The repositories that are mirrored.

use std::collections::BTreeMap;

use super::across::Declared;
use super::block::{At, Field, Found};
use crate::config::problem::{AcrossFault, ValueFault};
use crate::config::types::Repository;
use crate::config::url::UpstreamUrl;
use crate::name::{BranchName, RepositoryName, TagPattern};

pub(super) fn read_repositories(
    field: &Field<'_>,
    declared: &mut Declared,
    found: &mut Found,
) -> BTreeMap<RepositoryName, Repository> {
    let mut repositories = BTreeMap::new();
    let Some(block) = field.block(found) else { return repositories };
    for (name, field) in block.named() {
        declared.repository_names.push(At { value: name.value.to_owned(), span: name.span.clone() });
        let parsed = super::file::parse_key(&name, RepositoryName::parse, found);
        let read = parsed.and_then(|name| read_repository(&field, name, declared, found));
        if let Some(repository) = read {
            repositories.insert(repository.name.clone(), repository);
        }
    }
    repositories
}

fn read_repository(
    field: &Field<'_>,
    name: RepositoryName,
    declared: &mut Declared,
    found: &mut Found,
) -> Option<Repository> {
    let mut block = field.block(found)?;
    let upstream = block
        .need("upstream", "`upstream: ssh://git@ssh.github.com:443/OWNER/REPOSITORY.git`")
        .and_then(|field| field.parsed(found, UpstreamUrl::parse));
    let tags = entries(block.take("tags"), found, |field, found| field.parsed(found, TagPattern::parse));
    let branches = entries(block.take("branches"), found, read_branch);
    block.finish(found);
    declared.tags.insert(name.clone(), tags.clone());
    declared.branches.insert(name.clone(), branches.clone());
    Some(Repository {
        name,
        upstream: upstream?.value,
        tags: tags.into_iter().map(|at| at.value).collect(),
        branches: branches.into_iter().map(|at| at.value).collect(),
    })
}

/// Reads a list in which nothing may stand twice.
fn entries<T: PartialEq + std::fmt::Display>(
    field: Option<Field<'_>>,
    found: &mut Found,
    read: impl Fn(&Field<'_>, &mut Found) -> Option<At<T>>,
) -> Vec<At<T>> {
    let mut entries: Vec<At<T>> = Vec::new();
    let Some(list) = field else { return entries };
    for field in list.list(found) {
        let Some(entry) = read(&field, found) else { continue };
        if entries.iter().any(|other| other.value == entry.value) {
            let fault = ValueFault::Repeated { path: list.path.clone(), entry: entry.value.to_string() };
            field.report(found, fault, "again here");
        } else {
            entries.push(entry);
        }
    }
    entries
}

/// Takes a branch by its short name.
pub(super) fn read_branch(field: &Field<'_>, found: &mut Found) -> Option<At<BranchName>> {
    let text = field.text(found)?;
    if let Some(branch) = text.value.strip_prefix("refs/heads/") {
        let fault = ValueFault::FullBranch { path: field.path.clone(), branch: branch.to_owned() };
        field.report(found, fault, "a full name");
        return None;
    }
    let branch = field.parsed(found, BranchName::parse)?;
    if branch.value.ends_like_a_commit() {
        field.report(found, AcrossFault::CommitLike { branch: branch.value.to_string() }, "reads as a commit");
        return None;
    }
    Some(branch)
}
