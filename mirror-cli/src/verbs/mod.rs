//! One file a verb: reads the options, calls the engine, hands the report to [`output`](crate::output).
//!
//! No verb decides what should happen to a ref, and none prints by itself.

mod config;
mod context;
mod doctor;
mod flush;
mod history;
mod init;
mod lane;
mod maintain;
mod pages;
mod remote;
mod serve;
mod snapshots;
mod status;
mod sync;
mod token;

pub use context::Scene;

use mirror_core::report::ExitCode;

use crate::args::{LaneVerb, SnapshotsVerb, Verb};
use crate::error::CliError;

/// Runs one verb and tells the exit code that follows from its report.
///
/// # Errors
/// [`CliError`] where the verb ended before it had a report.
pub fn run(verb: &Verb, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Init(args) => init::run(args, scene),
        Verb::Status(args) => status::run(args, scene),
        Verb::Sync(args) => sync::run(args, scene),
        Verb::Flush(args) => flush::run(args, scene),
        Verb::Serve(args) => serve::run(args, scene),
        Verb::Token(verb) => token::run(verb, scene),
        Verb::Maintain(args) => maintain::run(args, scene),
        Verb::Snapshots(SnapshotsVerb::List(args)) => snapshots::list(args, scene),
        Verb::Snapshots(SnapshotsVerb::Prune(args)) => snapshots::prune(args, scene),
        Verb::Lane(LaneVerb::Resolve(args)) => lane::resolve(args, scene),
        Verb::History(args) => history::run(args, scene),
        Verb::Doctor(target) => doctor::run(target, scene),
        Verb::Config(verb) => config::run(verb, scene),
        Verb::Completions { shell } => Ok(pages::completions(*shell, scene)),
        Verb::Man => Ok(pages::man(scene)),
        Verb::Apply(args) => {
            args.confirm.mode()?;
            Err(CliError::VerbNotYet { verb: "apply".to_owned() })
        }
        Verb::ControlPlane(args) => {
            let verb = args.words.first().filter(|word| !word.starts_with('-'));
            Err(CliError::VerbNotYet {
                verb: verb.map_or("control-plane".to_owned(), |verb| format!("control-plane {verb}")),
            })
        }
    }
}
