//! An SSH host on the server side of russh with real git behind it, and with every fault a test can ask for.
//!
//! [`EmbeddedHost`] listens, [`Misdeed`]s say what it does wrong and on which connection, the [`Ledger`] says what happened. Faults
//! are exact to the byte: those of the TCP stream count ciphertext, those of a channel count what git and its client said.
//!
//! Never: a decision by time. A test that waits, waits for a state of the ledger.

mod exec;
mod fault;
mod host;
mod identification;
mod record;
mod script;
mod session;
mod wire;

pub use fault::{Channels, Connections, Ending, Greeting, Meddling, Misdeed, Phase, Point, Service};
pub use host::{EmbeddedHost, EmbeddedSettings, Moment};
pub use record::{ChannelRecord, ConnectionRecord, Ledger};
pub use script::{Line, Script};
