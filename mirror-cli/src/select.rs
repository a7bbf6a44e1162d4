//! Chooses the node and the lanes that the command line names, out of the configuration.
//!
//! Names match without regard to case. A name that is not there is answered with the ones that are.

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
        Some(given) => config.node(given.trim())?,
        None => config.only_node()?,
    };
    let named = target.lanes.iter().map(|given| node.lane(given.trim()).map(|lane| &lane.name));
    let named: Vec<&LaneName> = named.collect::<Result<_, _>>()?;
    let lanes = node.lanes.keys().filter(|name| named.is_empty() || named.contains(name)).cloned().collect();
    Ok(Selection { node, lanes })
}
