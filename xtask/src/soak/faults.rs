//! Faults around the server, one at a time.

use std::time::Duration;

use mirror_tests::load::Clients;
use mirror_tests::procfs::{self, Process};
use mirror_tests::proxy::embedded::{Direction, ProxyFault, Stop, Tunnels};
use mirror_tests::rng::Rng;
use mirror_tests::server::Served;

use crate::run::Outcome;

/// How long clients may still see the effect of a kill.
const AFTER_EFFECT: Duration = Duration::from_secs(5);

/// Which processes may be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KillScope {
    /// The server and its children.
    Server,
    /// The server's children only.
    Children,
}

/// One fault, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No fault.
    None,
    /// The server is killed and started again.
    Killed,
    /// The server is asked to end and started again.
    Restarted,
    /// A child of the server is killed.
    ChildKilled,
    /// Upstream's sessions are cut.
    SessionsCut,
    /// The proxy opens no tunnel.
    ProxyRefuses,
    /// The proxy never answers.
    ProxySilent,
    /// Tunnels end in the middle.
    TunnelsCut,
    /// Tunnels stall.
    TunnelsStall,
}

impl Fault {
    const OF_UPSTREAM: [Self; 7] = [
        Self::None,
        Self::ChildKilled,
        Self::SessionsCut,
        Self::ProxyRefuses,
        Self::ProxySilent,
        Self::TunnelsCut,
        Self::TunnelsStall,
    ];

    /// Draws one.
    pub(super) fn draw(rng: &mut Rng, scope: KillScope) -> Self {
        if scope == KillScope::Server && rng.below(3) == 0 {
            return if rng.below(2) == 0 { Self::Killed } else { Self::Restarted };
        }
        Self::OF_UPSTREAM[rng.below(Self::OF_UPSTREAM.len() as u64) as usize]
    }

    /// Injects it, and restores everything afterwards.
    ///
    /// # Errors
    /// Where the server did something that it may not.
    pub(super) fn inject(self, served: &mut Served, clients: &Clients, rng: &mut Rng) -> Outcome {
        match self {
            Self::None => drop(clients.pause(Duration::from_secs(1 + rng.below(5)))),
            Self::Killed => {
                replace(served, clients, |served| {
                    served.server.kill();
                    Ok(())
                })?;
            }
            Self::Restarted => {
                replace(served, clients, |served| {
                    let status = served.server.terminate();
                    if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
                })?;
            }
            Self::ChildKilled => {
                let _disturbed = clients.disturb();
                kill_one(&served.children(), rng);
                clients.pause(AFTER_EFFECT);
                if !served.server.runs() {
                    return Err("the server ended with its child".to_owned());
                }
            }
            Self::SessionsCut => {
                let ours = procfs::descendants(std::process::id());
                for session in ours.iter().filter(|process| process.command_line.contains("sshd")) {
                    session.kill();
                }
            }
            Self::ProxyRefuses | Self::ProxySilent | Self::TunnelsCut | Self::TunnelsStall => {
                let proxy = served.world.proxy();
                proxy.inject(Tunnels::Every, self.of_proxy(rng));
                // An open session of the pool would not notice.
                Self::SessionsCut.inject(served, clients, rng)?;
                clients.pause(Duration::from_secs(2 + rng.below(15)));
                served.world.proxy().clear_faults();
            }
        }
        Ok(())
    }

    fn of_proxy(self, rng: &mut Rng) -> ProxyFault {
        let direction = if rng.below(2) == 0 { Direction::ToClient } else { Direction::ToTarget };
        let after = rng.below(8000);
        match self {
            Self::ProxyRefuses => ProxyFault::Refuse(503),
            Self::ProxySilent => ProxyFault::Silence,
            Self::TunnelsCut => ProxyFault::Stop { direction, after, then: Stop::Cut },
            _ => ProxyFault::Stop { direction, after, then: Stop::Stall },
        }
    }
}

/// Ends the server and starts it again.
fn replace(served: &mut Served, clients: &Clients, end: impl FnOnce(&mut Served) -> Outcome) -> Outcome {
    let _disturbed = clients.disturb();
    clients.set_down();
    let ended = end(served);
    served.start_again();
    clients.set_up();
    clients.assert_retained(&served.world.cache());
    clients.pause(AFTER_EFFECT);
    ended
}

fn kill_one(processes: &[Process], rng: &mut Rng) {
    if let Some(chosen) = processes.get(rng.below(processes.len().max(1) as u64) as usize) {
        // One that has ended by itself meanwhile is fine.
        chosen.kill();
    }
}
