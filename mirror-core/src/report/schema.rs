//! The published schemas of all reports.

use std::collections::BTreeMap;

use schemars::{JsonSchema, schema_for};
use serde_json::Value;

use super::{
    ErrorReport, config_check, doctor, flush, history, init, maintain, resolve, serve, snapshots, status, sync, token,
};

/// The schema a report of a verb names: `git-mirror/<verb>/v1`.
#[must_use]
pub fn schema_id(verb: &str) -> String {
    format!("git-mirror/{verb}/v1")
}

/// Gives the JSON Schema of every report, by its id.
///
/// # Source
/// JSON Schema, draft 2020-12.
#[must_use]
pub fn schemas() -> BTreeMap<String, Value> {
    BTreeMap::from([
        schema_of::<status::StatusReport>("status"),
        schema_of::<sync::SyncReport>("sync"),
        schema_of::<flush::FlushReport>("flush"),
        schema_of::<resolve::ResolveReport>("lane-resolve"),
        schema_of::<snapshots::SnapshotsReport>("snapshots-list"),
        schema_of::<snapshots::PruneReport>("snapshots-prune"),
        schema_of::<history::HistoryReport>("history"),
        schema_of::<maintain::MaintainReport>("maintain"),
        schema_of::<doctor::DoctorReport>("doctor"),
        schema_of::<init::InitReport>("init"),
        schema_of::<config_check::ConfigCheckReport>("config-check"),
        schema_of::<serve::ServeReport>("serve"),
        schema_of::<token::TokenNewReport>("token-new"),
        schema_of::<token::TokenListReport>("token-list"),
        schema_of::<token::TokenRevokeReport>("token-revoke"),
        schema_of::<ErrorReport>("error"),
    ])
}

fn schema_of<T: JsonSchema>(verb: &str) -> (String, Value) {
    let id = schema_id(verb);
    let mut schema = schema_for!(T).to_value();
    schema["title"] = Value::from(id.clone());
    schema["properties"]["schema"]["const"] = Value::from(id.clone());
    (id, schema)
}
