//! The file as a whole.

use super::across::{Declared, verify_across};
use super::block::{At, Block, Field, Found};
use super::node::read_nodes;
use super::repository::read_repositories;
use super::transport::{TransportLayer, read_transport};
use crate::config::finding::Finding;
use crate::config::problem::{AcrossFault, ValueFault};
use crate::config::tree::Tree;
use crate::config::types::{MirrorConfig, Snapshots};
use crate::name::{NameError, RESCUE, RefPrefix, STAGE};
use crate::snapshot::Retention;

/// The version of the format that this build reads.
pub(in crate::config) const API_VERSION: &str = "git-mirror/v1";
/// The one kind of document.
pub(in crate::config) const KIND: &str = "MirrorConfig";

/// Namespaces that snapshots would disturb, or be disturbed in. Git takes every ref under `refs/replace` for an order to replace an object.
const RESERVED: [&str; 6] = ["refs/heads", "refs/tags", STAGE, RESCUE, "refs/remotes", "refs/replace"];

/// Reads the document; nothing comes out unless nothing was found wrong.
pub(in crate::config) fn read_config(tree: &Tree, found: &mut Found) -> Option<MirrorConfig> {
    let mut block = Field::root(tree).block(found)?;
    read_header(&mut block, found);
    let snapshots = match block.take("snapshots") {
        Some(field) => read_snapshots(&field, found),
        None => Some(Snapshots { prefix: default_prefix()?, retention: Retention::default() }),
    };
    let mut declared = Declared::default();
    let repositories = block
        .need("repositories", "`repositories: { NAME: { upstream: ssh://… } }`")
        .map(|field| {
            non_empty(&field, "`NAME: { upstream: ssh://git@ssh.github.com:443/OWNER/REPOSITORY.git }`", found)
        })
        .map(|field| read_repositories(&field, &mut declared, found));
    let common = match block.take("githubTransport") {
        Some(field) => read_transport(&field, found),
        None => TransportLayer::default(),
    };
    let nodes = block
        .need("nodes", "`nodes: { local: { cache: ./mirror-cache, lanes: { … } } }`")
        .map(|field| non_empty(&field, "`local: { cache: ./mirror-cache, lanes: { … } }`", found))
        .map(|field| read_nodes(&field, &common, &mut declared, found));
    block.finish(found);
    verify_across(&declared, found);
    Some(MirrorConfig { snapshots: snapshots?, repositories: repositories?, nodes: nodes? })
}

fn read_header(block: &mut Block<'_>, found: &mut Found) {
    let header = [("apiVersion", "`apiVersion: git-mirror/v1`", API_VERSION), ("kind", "`kind: MirrorConfig`", KIND)];
    for (key, example, wanted) in header {
        if let Some(field) = block.need(key, example)
            && let Some(text) = field.text(found)
            && text.value != wanted
        {
            field.not_one_of(found, text.value, example);
        }
    }
}

fn read_snapshots(field: &Field<'_>, found: &mut Found) -> Option<Snapshots> {
    let mut block = field.block(found)?;
    let prefix = match block.take("prefix") {
        Some(field) => read_prefix(&field, found),
        None => default_prefix(),
    };
    let mut retention = Retention::default();
    if let Some(mut block) = block.take("retention").and_then(|field| field.block(found)) {
        if let Some(least) = block.take("keepAtLeast").and_then(|field| field.number(found, 1, 1_000_000)) {
            retention.keep_at_least = least;
        }
        if let Some(keep_for) = block.take("keepFor").and_then(|field| field.duration(found)) {
            retention.keep_for = keep_for;
        }
        block.finish(found);
    }
    block.finish(found);
    Some(Snapshots { prefix: prefix?, retention })
}

fn default_prefix() -> Option<RefPrefix> {
    RefPrefix::parse("refs/mirror/snapshots").ok()
}

fn read_prefix(field: &Field<'_>, found: &mut Found) -> Option<RefPrefix> {
    let prefix = field.parsed(found, RefPrefix::parse)?.value;
    if let Some(reserved) = RESERVED.into_iter().find(|reserved| prefix.is_within(reserved)) {
        field.report(found, AcrossFault::PrefixReserved { prefix, reserved }, "not for snapshots");
        return None;
    }
    Some(prefix)
}

/// Reports a block of names without any.
fn non_empty<'t>(field: &Field<'t>, example: &'static str, found: &mut Found) -> Field<'t> {
    if field.is_empty_block() {
        let fault = ValueFault::NoEntry { path: field.path.clone(), example };
        found.push(Finding::new(fault, field.key.clone(), "nothing in it"));
    }
    field.clone()
}

/// Takes a key of a block whose keys are names.
pub(super) fn parse_key<T>(
    key: &At<&str>,
    parse: impl FnOnce(&str) -> Result<T, NameError>,
    found: &mut Found,
) -> Option<T> {
    match parse(key.value) {
        Ok(name) => Some(name),
        Err(error) => {
            found.push(Finding::new(error, key.span.clone(), "this name"));
            None
        }
    }
}
