//! The published schemas of all reports.

use std::collections::BTreeMap;

use schemars::{Schema, schema_for};
use serde_json::Value;

use super::{
    ErrorReport, config_check, doctor, flush, history, init, maintain, resolve, serve, snapshots, status, sync, token,
};
use crate::operation::Verb;

/// The schema of an error that ended a verb before it had a report of its own.
pub const ERROR_SCHEMA: &str = "git-mirror/error/v1";

/// The schema a report of a verb names: `git-mirror/<verb>/v1`.
#[must_use]
pub fn schema_id(verb: Verb) -> String {
    format!("git-mirror/{verb}/v1")
}

/// Gives the JSON Schema of every report, by its id.
///
/// # Source
/// JSON Schema, draft 2020-12.
#[must_use]
pub fn schemas() -> BTreeMap<String, Value> {
    let of_verbs = Verb::ALL.into_iter().filter_map(|verb| Some(titled(schema_id(verb), schema_of(verb)?)));
    of_verbs.chain([titled(ERROR_SCHEMA.to_owned(), schema_for!(ErrorReport))]).collect()
}

/// The schema of a verb's report. A push has none: Git's own protocol answers it.
fn schema_of(verb: Verb) -> Option<Schema> {
    Some(match verb {
        Verb::Status => schema_for!(status::StatusReport),
        Verb::Sync => schema_for!(sync::SyncReport),
        Verb::Flush => schema_for!(flush::FlushReport),
        Verb::LaneResolve => schema_for!(resolve::ResolveReport),
        Verb::SnapshotsList => schema_for!(snapshots::SnapshotsReport),
        Verb::SnapshotsPrune => schema_for!(snapshots::PruneReport),
        Verb::History => schema_for!(history::HistoryReport),
        Verb::Maintain => schema_for!(maintain::MaintainReport),
        Verb::Doctor => schema_for!(doctor::DoctorReport),
        Verb::Init => schema_for!(init::InitReport),
        Verb::ConfigCheck => schema_for!(config_check::ConfigCheckReport),
        Verb::Serve => schema_for!(serve::ServeReport),
        Verb::TokenNew => schema_for!(token::TokenNewReport),
        Verb::TokenList => schema_for!(token::TokenListReport),
        Verb::TokenRevoke => schema_for!(token::TokenRevokeReport),
        Verb::Push => return None,
    })
}

fn titled(id: String, schema: Schema) -> (String, Value) {
    let mut schema = schema.to_value();
    schema["title"] = Value::from(id.clone());
    schema["properties"]["schema"]["const"] = Value::from(id.clone());
    (id, schema)
}
