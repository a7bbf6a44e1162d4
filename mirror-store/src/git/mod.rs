//! The `git` program, as a child of ours: found once, run with nothing of the surroundings, ended with all that it started.
//!
//! A [`GitProgram`] is found and its version checked when a server starts. It gives [`GitCommand`]s: no shell, no environment but the one built here,
//! settings that win over every configuration file, a process group of its own. A [`GitChild`] that is dropped is killed, and what it
//! started with it.
//!
//! Never used to sync, flush or show a status: those need no `git`. It decides nothing, and retries nothing.

mod caps;
mod child;
mod command;
mod error;
mod program;

pub use caps::PackCaps;
pub(crate) use child::gave_up;
pub use child::{Ended, GitChild};
pub use command::GitCommand;
pub use error::GitError;
pub use program::{GitProgram, GitVersion};

#[cfg(test)]
mod tests;
