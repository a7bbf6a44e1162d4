//! The steps of the road to upstream, told to whoever listens while they happen.

use std::fmt;

/// Names one step of the road to upstream, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Looking up the address of the proxy, or of the target where there is no proxy.
    Resolve,
    /// Opening the TCP connection.
    Tcp,
    /// Asking the proxy for the tunnel; left out where there is no proxy.
    Connect,
    /// Reading the SSH server's identification line.
    Banner,
    /// Exchanging keys and checking the server's host key.
    HostKey,
    /// Logging in.
    Login,
    /// Opening the repository on the server.
    Repository,
    /// Listing refs.
    Refs,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Resolve => "resolve",
            Step::Tcp => "tcp",
            Step::Connect => "connect",
            Step::Banner => "banner",
            Step::HostKey => "host key",
            Step::Login => "login",
            Step::Repository => "repository",
            Step::Refs => "refs",
        })
    }
}

/// Hears of each step as it begins and as it passes; a step that fails is told by the error of the call.
pub trait Steps: Send {
    /// Tells that a step has begun.
    fn began(&mut self, step: Step);
    /// Tells that a step has passed, with what was learned (an address, a fingerprint, a version).
    fn passed(&mut self, step: Step, detail: String);
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSteps;

impl Steps for NoSteps {
    fn began(&mut self, _step: Step) {}
    fn passed(&mut self, _step: Step, _detail: String) {}
}
