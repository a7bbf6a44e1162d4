//! How a divergence was resolved.

use mirror_core::report::resolve::{LaneResolve, Resolution, ResolveOutcome};

use super::*;

fn resolution(outcome: ResolveOutcome) -> Resolution {
    let rescue = format!("refs/mirror-rescue/v03/20251009T085320Z-{}", commit('1'));
    let adopted = outcome == ResolveOutcome::Adopted;
    Resolution {
        name: RefName::parse("refs/heads/v0.3-gitops").unwrap(),
        before: Some(commit('1')),
        upstream: (outcome != ResolveOutcome::NothingUpstream).then(|| commit('2')),
        after: Some(if adopted { commit('2') } else { commit('1') }),
        rescue: adopted.then(|| RefName::parse(&rescue).unwrap()),
        observed_at: before(1),
        outcome,
    }
}

#[test]
fn resolve_done_and_dry() {
    use ResolveOutcome::*;
    let lane = |name: &str, outcome| LaneResolve::resolved(&lane_name(name), &repository(), resolution(outcome));
    let lanes = || {
        vec![
            lane("adopted", Adopted),
            lane("fine", NothingToResolve),
            lane("gone", NothingUpstream),
            LaneResolve::failed(&lane_name("broken"), &repository(), fault()),
            LaneResolve::no_gitops(&lane_name("built"), &repository()),
        ]
    };
    let done = texts(&Report::of(node(), lanes()).in_mode(Mode::Confirm));
    let mut dry = lanes();
    dry.push(lane("unknown", NeedsObjects));
    let dry = texts(&Report::of(node(), dry).in_mode(Mode::DryRun));
    insta::assert_snapshot!(format!("{done}\n==== dry run ====\n{dry}"));
}
