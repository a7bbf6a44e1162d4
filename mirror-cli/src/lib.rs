//! The command line of git-mirror: words in, words out.
//!
//! A verb is read ([`args`], and [`grammar`] for the seed's), aimed ([`mod@file`], [`select`]), run by `mirror-engine` or `mirror-server`, and its report
//! shown ([`output`]). Nothing a library user would miss is decided here, and only [`output`] prints.
//!
//! [`run()`] is the whole program with its surroundings as arguments; [`mod@reference`] makes the pages that are generated from it.

pub mod args;
pub mod environment;
pub mod error;
pub mod file;
pub mod grammar;
pub mod init;
pub mod output;
pub mod reference;
pub mod remote;
mod run;
mod runtime;
pub mod select;

pub mod verbs;

pub use run::run;
