//! What a push asks for: that a ref goes from one value to the next.

use mirror_core::name::{CommitId, RefName};

use super::capabilities::{Capabilities, StatusReport};
use mirror_git::pkt::encode;

/// Asks that a ref which has the expected value gets a new one. There is no deletion: a new value cannot be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushCommand {
    /// The ref, upstream.
    pub name: RefName,
    /// The value it must have for the command to be carried out; absent where it must not exist.
    pub expected: Option<CommitId>,
    /// The value it gets.
    pub new: CommitId,
}

/// Builds the request of a push: all commands, the capabilities behind the first, a flush.
///
/// # Source
///
/// `gitprotocol-pack(5)`, "Reference Update Request and Packfile Transfer".
pub(super) fn encode_request(commands: &[PushCommand], capabilities: &Capabilities, report: StatusReport) -> Vec<u8> {
    let mut request = Vec::new();
    for (at, command) in commands.iter().enumerate() {
        let old = command.expected.map_or_else(|| "0".repeat(40), |id| id.to_string());
        let mut line = format!("{old} {} {}", command.new, command.name);
        if at == 0 {
            line.push('\0');
            line.push_str(&capabilities.for_push(report, commands.len()));
        }
        encode::data(line.as_bytes(), &mut request);
    }
    encode::flush(&mut request);
    request
}
