//! Git without this machine's configuration: a temporary folder, a git that never prompts, keys that are generated.
//!
//! [`GitSandbox`] owns the folder, [`Git`] runs the program, [`Repository`] names one repository and what suites ask of it.
//! Never: reads of the user's or the system's git configuration, prompts, or the clock in a commit.

mod commit;
mod folder;
mod git;
mod keys;
mod repository;

pub use commit::CommitBuilder;
pub use folder::GitSandbox;
pub use git::{Answer, Git};
pub use keys::{KeyKind, private_key};
pub use repository::Repository;
pub(crate) use repository::commit_id;
