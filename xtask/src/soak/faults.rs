//! What goes wrong around the server, one thing at a time.

use std::time::Duration;

use mirror_tests::load::Crowd;
use mirror_tests::procfs::{self, Process};
use mirror_tests::proxy::embedded::{Direction, ProxyFault, Stop, Tunnels};
use mirror_tests::rng::Rng;
use mirror_tests::server::Served;

use crate::run::Outcome;

/// How long the clients of what was killed may still hear of it.
const ECHO: Duration = Duration::from_secs(5);

/// Who may be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mortal {
    /// The server, and what it runs.
    Everybody,
    /// What the server runs.
    Programs,
}

/// One thing that goes wrong, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    /// Nothing does.
    Fair,
    /// The server is killed and started again.
    Killed,
    /// The server is asked to end and started again.
    Restarted,
    /// A program that the server runs is killed.
    ProgramKilled,
    /// Upstream's sessions are cut.
    SessionsCut,
    /// The proxy opens no tunnel.
    ProxyRefuses,
    /// The proxy never answers.
    ProxySilent,
    /// Tunnels end in the middle.
    TunnelsCut,
    /// Tunnels pass nothing any more.
    TunnelsStall,
}

impl Weather {
    const OF_UPSTREAM: [Self; 7] = [
        Self::Fair,
        Self::ProgramKilled,
        Self::SessionsCut,
        Self::ProxyRefuses,
        Self::ProxySilent,
        Self::TunnelsCut,
        Self::TunnelsStall,
    ];

    /// Draws one.
    pub(super) fn draw(rng: &mut Rng, mortal: Mortal) -> Self {
        if mortal == Mortal::Everybody && rng.below(3) == 0 {
            return if rng.below(2) == 0 { Self::Killed } else { Self::Restarted };
        }
        Self::OF_UPSTREAM[rng.below(Self::OF_UPSTREAM.len() as u64) as usize]
    }

    /// Lets it pass over the site; afterwards everything is as it should be.
    ///
    /// # Errors
    /// Where the server did something that it may not.
    pub(super) fn pass(self, site: &mut Served, crowd: &Crowd, rng: &mut Rng) -> Outcome {
        match self {
            Self::Fair => drop(crowd.pause(Duration::from_secs(1 + rng.below(5)))),
            Self::Killed => {
                replace(site, crowd, |site| {
                    site.server.kill();
                    Ok(())
                })?;
            }
            Self::Restarted => {
                replace(site, crowd, |site| {
                    let status = site.server.terminate();
                    if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
                })?;
            }
            Self::ProgramKilled => {
                let _disturbed = crowd.disturb();
                kill_one(&site.children(), rng);
                crowd.pause(ECHO);
                if !site.server.runs() {
                    return Err("a program's death was the server's".to_owned());
                }
            }
            Self::SessionsCut => {
                let ours = procfs::descendants(std::process::id());
                for session in ours.iter().filter(|process| process.words.contains("sshd")) {
                    session.kill();
                }
            }
            Self::ProxyRefuses | Self::ProxySilent | Self::TunnelsCut | Self::TunnelsStall => {
                let proxy = site.world.proxy();
                proxy.misbehave(Tunnels::Every, self.of_proxy(rng));
                // The session that is kept warm would not notice.
                Self::SessionsCut.pass(site, crowd, rng)?;
                crowd.pause(Duration::from_secs(2 + rng.below(15)));
                site.world.proxy().behave();
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
fn replace(site: &mut Served, crowd: &Crowd, end: impl FnOnce(&mut Served) -> Outcome) -> Outcome {
    let _disturbed = crowd.disturb();
    crowd.set_down();
    let ended = end(site);
    site.start_again();
    crowd.set_up();
    crowd.prove_kept(&site.world.cache());
    crowd.pause(ECHO);
    ended
}

fn kill_one(processes: &[Process], rng: &mut Rng) {
    if let Some(chosen) = processes.get(rng.below(processes.len().max(1) as u64) as usize) {
        // One that has ended by itself meanwhile is as well.
        chosen.kill();
    }
}
