//! An SSH host on the server side of russh with real git behind it, and with injected faults.
//!
//! [`EmbeddedHost`] listens, [`HostFault`]s are injected for chosen connections, and the [`HostRecord`] holds what happened. Faults
//! are exact to the byte: those of the TCP stream count ciphertext, those of a channel count the bytes of git and its client.
//!
//! Never: a decision by time. A test that waits, waits for a state of the record.

mod exec;
mod fault;
mod host;
mod identification;
mod record;
mod script;
mod session;
mod wire;

pub use fault::{ChannelFault, Channels, Connections, Ending, HostFault, IdentificationFault, Phase, Point, Service};
pub use host::{EmbeddedHost, EmbeddedSettings, HookPoint};
pub use record::{ChannelRecord, ConnectionRecord, HostRecord};
pub use script::{Line, Script};
