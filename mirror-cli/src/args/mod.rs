//! The words of the command line as types: the verbs, their options, and what an option means.
//!
//! It never reads a file, never looks at a configuration, and never prints. Names of nodes and lanes stay text here; whether they
//! exist is decided in [`select`](crate::select).

mod operation;
mod root;
mod server;
mod target;
mod verb;

pub use operation::{ConfirmArgs, DEFAULT_TIMEOUT, OperationArgs, UsageError, parse_duration};
pub use root::{Cli, Format, Globals, command};
pub use server::{NodeArgs, ServeArgs, ServerArgs, TokenNewArgs, TokenRevokeArgs, TokenVerb, parse_end, parse_writer};
pub use target::TargetArgs;
pub use verb::{
    ConfigVerb, ControlPlaneArgs, HistoryArgs, InitArgs, LaneVerb, ListArgs, ResolveArgs, Shell, SnapshotsVerb,
    StatusArgs, Verb,
};

#[cfg(test)]
mod tests;
