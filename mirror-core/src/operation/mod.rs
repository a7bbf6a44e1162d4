//! The vocabulary of operations: which verb, showing or doing, how long to wait and for what, who holds a cache.
//!
//! Every crate that names, runs, asks for or reports an operation does it in these types. Owns their words on the command line, in
//! journals, locks, metrics and schemas, so that a verb is written down once. Never runs anything.

mod holder;
mod mode;
mod verb;
mod wait;

pub use holder::Holder;
pub use mode::Mode;
pub use verb::{RecordedVerb, Verb};
pub use wait::{WaitForEnd, WaitForTurn};
