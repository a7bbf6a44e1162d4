//! The road to upstream, open and blocked.

use mirror_core::report::doctor::{DoctorStep, LaneDoctor, RoadStep};

use super::*;

#[test]
fn doctor_open_and_blocked() {
    let step = |step, ms, detail: &str| DoctorStep { step, ok: true, ms, detail: detail.to_owned(), fault: None };
    let good = vec![
        step(RoadStep::Cache, 1, "mirror-cache/hwlab.git"),
        step(RoadStep::Resolve, 3, "172.26.0.1"),
        step(RoadStep::Tcp, 12, "172.26.0.1:10808"),
        step(RoadStep::Connect, 1840, "ssh.github.com:443"),
    ];
    let mut bad = good[..3].to_vec();
    bad.push(DoctorStep { step: RoadStep::Connect, ok: false, ms: 31, detail: String::new(), fault: Some(fault()) });
    let lane = |name: &str, steps| LaneDoctor::walked(&lane_name(name), &repository(), road(), steps);
    let open = texts(&Report::of(node(), vec![lane("v02", good.clone()), lane("v03", good)]));
    let unwalked = LaneDoctor::failed(&lane_name("v04"), &repository(), road(), fault());
    let blocked = texts(&Report::of(node(), vec![lane("v03", bad), unwalked]));
    insta::assert_snapshot!(format!("{open}\n==== blocked ====\n{blocked}"));
}
