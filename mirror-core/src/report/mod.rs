//! Reports: what a verb tells, as typed values of a published, versioned schema.
//!
//! One file a verb. Text output is made from the same values, so a person and a program are told the same. A report never decides
//! anything new: whether it is good, which exit code it has and which commands come next follow from what its lanes hold, and
//! what a lane claims of upstream follows from an observation it carries.
//!
//! ```
//! use mirror_core::fault::Fault;
//! use mirror_core::name::{LaneName, NodeName, RepositoryName};
//! use mirror_core::operation::Mode;
//! use mirror_core::report::sync::{LaneSync, SyncReport};
//! use mirror_core::report::{ExitCode, Reported};
//!
//! let (lane, repository) = (LaneName::parse("main")?, RepositoryName::parse("hwlab")?);
//! let lanes = vec![LaneSync::failed(&lane, &repository, Fault::interrupted())];
//! let report = SyncReport::of(NodeName::parse("local")?, lanes).in_mode(Mode::Confirm);
//! assert!(!report.ok());
//! assert_eq!(report.exit(), ExitCode::Failed);
//! assert_eq!(report.next()[0].to_string(), "git-mirror sync --node local --lane main --confirm --wait");
//! # Ok::<(), mirror_core::name::NameError>(())
//! ```

pub mod config_check;
pub mod doctor;
mod envelope;
mod error;
mod exit;
mod finding;
pub mod flush;
pub mod history;
pub mod init;
mod instant;
pub mod maintain;
pub mod next;
pub mod resolve;
mod schema;
pub mod serve;
pub mod snapshots;
pub mod status;
pub mod sync;
pub mod token;

pub use envelope::{LaneReport, Report, Reported};
pub use error::ErrorReport;
pub use exit::ExitCode;
pub use finding::Finding;
pub use instant::Instant;
pub use next::{NextCommand, NextVerb};
pub use schema::{ERROR_SCHEMA, schema_id, schemas};
