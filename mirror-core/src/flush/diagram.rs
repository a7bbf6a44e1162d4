//! Draws the transition table, for the documentation.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Event, FlushOutcome, Next, Stage, transition};

/// Draws the machine as a Mermaid state diagram, straight from [`transition`].
#[must_use]
pub fn diagram() -> String {
    let mut text = String::from("stateDiagram-v2\n    [*] --> Observe\n");
    let mut ends = Vec::new();
    for stage in Stage::ALL {
        let mut arrows: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for event in Event::ALL {
            let Some(next) = transition(stage, event) else { continue };
            if let Next::Done(outcome) = next
                && !ends.contains(&outcome)
            {
                ends.push(outcome);
            }
            arrows.entry(target(stage, next)).or_default().push(event.as_str());
        }
        for (to, events) in arrows {
            line(&mut text, &format!("{} --> {to}: {}", stage.as_str(), events.join(" / ")));
        }
    }
    for outcome in FlushOutcome::ALL.into_iter().filter(|outcome| ends.contains(outcome)) {
        line(&mut text, &format!("{} --> [*]", state_of(outcome)));
    }
    text
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "    {content}").expect("because writing to a string cannot fail");
}

fn target(from: Stage, next: Next) -> String {
    match next {
        Next::Enter(stage) => stage.as_str().to_owned(),
        Next::Again => from.as_str().to_owned(),
        Next::Done(outcome) => state_of(outcome),
    }
}

/// Mermaid state names hold no dash.
fn state_of(outcome: FlushOutcome) -> String {
    format!("done_{}", outcome.as_str().replace('-', "_"))
}
