//! A CONNECT proxy that delays, counts, and has every fault that a proxy can have.
//!
//! The delay makes round trips countable: the slope of a command's wall time over [`EmbeddedProxy::set_round_trip`] is the number of
//! round trips it costs, a figure that does not depend on how fast or how noisy the machine is. Opening a tunnel costs one.
//!
//! Never: anything but CONNECT, and never another target than the client named.

mod fault;
mod head;
mod listen;
mod pump;
mod record;

pub use fault::{Direction, ProxyFault, Stop, Tunnels};
pub use listen::{Credentials, EmbeddedProxy};
pub use record::{ProxyRecord, TunnelRecord};
