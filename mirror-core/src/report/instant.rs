//! The schema of a point in time.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Stands for a point in time in the schema of a report: an RFC 3339 string in UTC.
///
/// # Source
/// RFC 3339, section 5.6, `date-time`.
#[derive(Debug, Clone, Copy)]
pub struct Instant;

impl JsonSchema for Instant {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Instant")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}
