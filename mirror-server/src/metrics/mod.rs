//! The metrics of a server, in one table that registers and documents each.
//!
//! Other layers call the typed methods; how a metric is stored is private. Labels are types with few values, or names of the
//! configuration: nothing that a client sends ever becomes a label.

mod catalogue;
pub(crate) mod label;
mod record;
mod table;

#[cfg(test)]
mod tests;

pub use catalogue::reference;
pub(crate) use table::Metrics;
