//! What happened on the host: connections, channels, programs, bytes each way.

use super::fault::Service;
use crate::watched::Watched;

/// Everything that happened since the host started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostRecord {
    /// The connections in their order.
    pub connections: Vec<ConnectionRecord>,
}

/// One TCP connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionRecord {
    /// Bytes of the TCP stream that were sent to the client.
    pub sent: u64,
    /// Bytes of the TCP stream that were received from the client.
    pub received: u64,
    /// Whether a key was accepted.
    pub logged_in: bool,
    /// The channels in their order.
    pub channels: Vec<ChannelRecord>,
    /// Whether the connection is over.
    pub ended: bool,
}

/// One channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelRecord {
    /// The command that the client asked for, as it wrote it.
    pub command: Option<String>,
    /// Which of git's services that is.
    pub service: Option<Service>,
    /// The value of `GIT_PROTOCOL` that the client sent and the host accepted.
    pub protocol: Option<String>,
    /// Bytes that were sent to the client.
    pub sent: u64,
    /// Bytes that were received from the client.
    pub received: u64,
    /// Bytes that had been sent to the client when its first byte was received.
    pub sent_unasked: u64,
    /// The exit status of git, once it ended.
    pub exit: Option<u32>,
}

impl HostRecord {
    /// Gives all channels of all connections.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelRecord> {
        self.connections.iter().flat_map(|connection| &connection.channels)
    }

    /// Counts the channels on which one of git's services was asked for.
    pub fn count(&self, service: Service) -> usize {
        self.channels().filter(|channel| channel.service == Some(service)).count()
    }

    /// Whether no program runs and no connection is open.
    pub fn is_quiet(&self) -> bool {
        self.connections.iter().all(|connection| connection.ended)
            && self.channels().all(|channel| channel.command.is_none() || channel.exit.is_some())
    }
}

/// The record, shared by the host's tasks and the test.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(Watched<HostRecord>);

impl Recorder {
    pub(super) fn watched(&self) -> &Watched<HostRecord> {
        &self.0
    }

    /// Begins a connection and gives its number, from 1.
    pub(super) fn connection(&self) -> u64 {
        self.0.write(|record| {
            record.connections.push(ConnectionRecord::default());
            record.connections.len() as u64
        })
    }

    pub(super) fn on_connection<T>(&self, number: u64, change: impl FnOnce(&mut ConnectionRecord) -> T) -> T {
        self.0.write(|record| change(&mut record.connections[number as usize - 1]))
    }

    pub(super) fn on_channel<T>(&self, at: (u64, usize), change: impl FnOnce(&mut ChannelRecord) -> T) -> T {
        self.on_connection(at.0, |connection| change(&mut connection.channels[at.1 - 1]))
    }
}
