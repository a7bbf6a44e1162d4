//! What went through the proxy.

/// Everything since the proxy started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyRecord {
    /// Connections of clients, whatever became of them.
    pub connections: u64,
    /// The requests of clients in their order, as far as they were read.
    pub requests: Vec<String>,
    /// The tunnels that were opened.
    pub tunnels: Vec<TunnelRecord>,
}

/// One tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TunnelRecord {
    /// The target as the client wrote it: host and port.
    pub target: String,
    /// Bytes that went to the client, the answer to CONNECT not among them.
    pub to_client: u64,
    /// Bytes that went to the target.
    pub to_target: u64,
    /// Whether it is over.
    pub ended: bool,
}
