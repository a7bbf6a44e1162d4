//! What a server is made from. Holds it; decides nothing.

use std::net::{SocketAddr, TcpListener as InheritedListener};
use std::sync::Arc;

use mirror_core::config::Serve;
use mirror_engine::node::LocalNode;

/// What a server is made from.
#[derive(Debug)]
pub struct ServePlan {
    /// The node whose repositories are served.
    pub node: Arc<LocalNode>,
    /// How they are served, with whole paths; see [`LocalNode::serve`].
    pub serve: Serve,
    /// Another address than the settings say.
    pub listen: Option<SocketAddr>,
    /// Sockets that are listening already, as a service manager hands them down; with any, no address is bound.
    pub inherited: Vec<InheritedListener>,
}
