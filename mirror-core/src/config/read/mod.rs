//! From a tree of values to a checked configuration: each file reads one part, and collects what is wrong instead of
//! stopping at the first fault.

mod across;
mod block;
mod file;
mod identity;
mod judge;
mod kubernetes;
mod lane;
mod node;
mod refuse;
mod repository;
mod serve;
mod transport;

pub(super) use file::{API_VERSION, KIND, read_config};
pub(super) use refuse::refuse_by_design;
