//! The seed's grammar, rewritten to the product's in this one place.
//!
//! `hwlab <node> git-mirror <verb> …`, `hwlab nodes git-mirror <verb> …` and `hwlab nodes control-plane <verb> …` become
//! `git-mirror <verb> … --node <node>` and `git-mirror control-plane <verb> …`. It is pure: words in, words out. Whether the node
//! exists is decided where every other node name is.

mod hwlab;

pub use hwlab::{GrammarError, rewrite};

#[cfg(test)]
mod tests;
