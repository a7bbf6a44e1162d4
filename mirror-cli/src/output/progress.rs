//! What a person sees while an operation runs: one line on a terminal's stderr, after a quarter of a second.
//!
//! It listens to the engine's events and never takes part in the report.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{sync::Arc, thread};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mirror_engine::watch::{Event, Phase, Watch};

use super::humanize;
use super::sanitize::clean;
use super::stderr::Talk;
use super::style::{Look, Mark, Tone};

/// An operation that ends sooner shows no progress at all.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often the line is drawn again while nothing is told.
const TICK: Duration = Duration::from_millis(120);

/// How much an operation says while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chatter {
    /// A line that is drawn again and again, on a terminal.
    Drawn,
    /// Lines for what takes long: waiting for a turn, waiting out a fault.
    Lines,
    /// Nothing.
    Silent,
}

/// What becomes of the steps of the road to upstream once they are passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steps {
    /// They make way for the next one.
    Pass,
    /// They stay above it with their timings, until the report says the same.
    Stay,
}

/// Listens to an operation and shows how far it is.
pub struct Progress {
    talk: Talk,
    look: Look,
    chatter: Chatter,
    steps: Steps,
    state: Mutex<State>,
    bar: ProgressBar,
    ended: Arc<(Mutex<bool>, Condvar)>,
}

/// What is known of the phase in hand.
#[derive(Debug, Clone)]
struct State {
    label: String,
    step: Option<String>,
    began: Instant,
    bytes: u64,
    objects: Option<(u64, Option<u64>)>,
    passed: Vec<String>,
}

impl Progress {
    /// Begins to listen.
    #[must_use]
    pub fn begin(talk: Talk, look: Look, chatter: Chatter, steps: Steps) -> Arc<Self> {
        let bar = ProgressBar::hidden();
        let ended = Arc::new((Mutex::new(false), Condvar::new()));
        let bar = if chatter == Chatter::Drawn {
            let bar = talk.bars().add(bar);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            reveal_later(talk.clone(), bar.clone(), Arc::clone(&ended));
            bar
        } else {
            bar
        };
        let state = State {
            label: "upstream".to_owned(),
            step: None,
            began: Instant::now(),
            bytes: 0,
            objects: None,
            passed: Vec::new(),
        };
        Arc::new(Self { talk, look, chatter, steps, state: Mutex::new(state), bar, ended })
    }

    /// Takes the line away; what follows on the terminal begins where it stood.
    pub fn end(&self) {
        let (ended, told) = &*self.ended;
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        told.notify_all();
        self.bar.finish_and_clear();
    }

    fn enter(&self, label: String) {
        tracing::info!("{label}");
        self.update(|state| {
            let passed = std::mem::take(&mut state.passed);
            *state = State { label, step: None, began: Instant::now(), bytes: 0, objects: None, passed };
        });
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        if self.chatter == Chatter::Drawn {
            let line = state.line(state.began.elapsed());
            let lines = state.passed.iter().chain(std::iter::once(&line));
            let fit = |line: &String| line.chars().take(self.look.width.saturating_sub(4)).collect::<String>();
            self.bar.set_message(lines.map(fit).collect::<Vec<_>>().join("\n"));
        }
    }

    fn say(&self, line: &str) {
        if self.chatter != Chatter::Silent {
            self.talk.line(&self.look.paint(Tone::Dim, line));
        }
    }
}

impl Watch for Progress {
    fn event(&self, event: Event) {
        match event {
            Event::Phase(phase) => self.enter(label(phase).to_owned()),
            Event::Bytes(bytes) => self.update(|state| state.bytes = bytes),
            Event::Objects { done, of } => self.update(|state| state.objects = Some((done, of))),
            Event::ServerMessage(words) => tracing::debug!("upstream says: {}", clean(&words)),
            Event::StepBegan(step) => {
                tracing::debug!("{step}");
                self.update(|state| state.step = Some(step.to_string()));
            }
            Event::StepPassed { step, took, detail } => {
                let (took, detail) = (humanize::took(took), clean(&detail));
                tracing::debug!("{step} passed in {took}: {detail}");
                let sign = Mark::Good.sign(self.look.marks);
                self.update(|state| {
                    state.step = None;
                    if self.steps == Steps::Stay {
                        state.passed.push(format!("{sign} {step}  {took}  {detail}"));
                    }
                });
            }
            Event::Waiting { holder } => {
                let line = format!("waiting for a turn: {}", clean(&holder));
                if self.chatter == Chatter::Lines {
                    self.say(&line);
                }
                self.enter(line);
            }
            Event::Retrying { fault, after } => {
                self.say(&format!("trying again in {}: {}", humanize::took(after), clean(&fault)));
            }
            other => tracing::debug!("{other:?}"),
        }
    }
}

impl State {
    /// The line as it is drawn: phase, bytes with their speed, objects.
    fn line(&self, elapsed: Duration) -> String {
        let mut line = self.label.clone();
        if let Some(step) = &self.step {
            line.push_str(&format!(": {step}"));
        }
        if self.bytes > 0 {
            line.push_str(&format!("  {}", humanize::size(self.bytes)));
            let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            if millis >= 500 {
                let speed = self.bytes.saturating_mul(1000) / millis;
                line.push_str(&format!(" at {}/s", humanize::size(speed)));
            }
        }
        match self.objects {
            Some((done, Some(of))) if of > 0 => {
                let percent = u128::from(done) * 100 / u128::from(of);
                line.push_str(&format!("  {done}/{of} objects, {percent} %"));
            }
            Some((done, _)) => line.push_str(&format!("  {done} objects")),
            None => {}
        }
        line
    }
}

fn label(phase: Phase) -> &'static str {
    match phase {
        Phase::Observe => "looking at upstream",
        Phase::Fetch => "receiving objects",
        Phase::Check => "checking what was received",
        Phase::Commit => "moving refs",
        Phase::Push => "sending objects",
        Phase::Prove => "looking at upstream again",
    }
}

/// Lets the line appear once the operation has lasted long enough.
fn reveal_later(talk: Talk, bar: ProgressBar, ended: Arc<(Mutex<bool>, Condvar)>) {
    let watcher = thread::Builder::new().name("progress".to_owned()).spawn(move || {
        let (ended, told) = &*ended;
        let guard = ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = told.wait_timeout_while(guard, PATIENCE, |ended| !*ended);
        let (guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !*guard {
            talk.bars().set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
        }
    });
    // Without a thread there is no progress line, and nothing else is missing.
    drop(watcher);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_phase_bytes_speed_and_objects() {
        let state = |bytes, objects| State {
            label: label(Phase::Fetch).to_owned(),
            step: None,
            began: Instant::now(),
            bytes,
            objects,
            passed: Vec::new(),
        };
        let after = Duration::from_secs(2);
        assert_eq!(state(0, None).line(after), "receiving objects");
        let connecting = State { step: Some("login".to_owned()), ..state(0, None) };
        assert_eq!(connecting.line(after), "receiving objects: login");
        assert_eq!(state(3 << 20, None).line(after), "receiving objects  3.0 MiB at 1.5 MiB/s");
        assert_eq!(state(512, None).line(Duration::from_millis(20)), "receiving objects  512 B");
        assert_eq!(state(0, Some((50, Some(200)))).line(after), "receiving objects  50/200 objects, 25 %");
        assert_eq!(state(0, Some((50, None))).line(after), "receiving objects  50 objects");
    }
}
