//! Chooses the node and the lanes that the command line names, out of the configuration.
//!
//! How names are found is decided in [`mirror_core::config`].

use mirror_core::config::{LookupError, MirrorConfig, Node};
use mirror_core::name::LaneName;

use crate::args::TargetArgs;

/// The node and the lanes that a verb works on.
#[derive(Debug, Clone)]
pub struct Selection<'c> {
    /// The node.
    pub node: &'c Node,
    /// Its lanes that were named, in the order of the configuration; all where none was named.
    pub lanes: Vec<LaneName>,
}

/// Chooses what `target` names.
///
/// # Errors
/// [`LookupError`] where a name is unknown, or a node has to be named and is not.
pub fn select<'c>(config: &'c MirrorConfig, target: &TargetArgs) -> Result<Selection<'c>, LookupError> {
    let node = match &target.node {
        Some(given) => config.node(given)?,
        None => config.only_node()?,
    };
    let lanes = node.lanes_named(&target.lanes)?.into_iter().map(|lane| lane.name.clone()).collect();
    Ok(Selection { node, lanes })
}
