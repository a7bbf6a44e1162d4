//! The text of every report in its notable states, one file a report. What they share is here.

mod doctor;
mod flush;
mod history;
mod maintain;
mod resolve;
mod snapshots;
mod status;
mod sync;
mod token;

use mirror_core::fault::{Fault, FaultClass, Retry};
use mirror_core::name::{BranchName, CommitId, LaneName, NodeName, RefName, RefPrefix, RepositoryName};
use mirror_core::operation::Mode;
use mirror_core::report::Report;
use mirror_core::report::status::{TransportMode, TransportView};
use mirror_core::snapshot::SnapshotName;

use super::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_760_000_000).unwrap()
}

fn before(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 - seconds).unwrap()
}

fn commit(digit: char) -> CommitId {
    CommitId::from_hex(&digit.to_string().repeat(40)).unwrap()
}

fn branch_name(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

fn lane_name(name: &str) -> LaneName {
    LaneName::parse(name).unwrap()
}

fn repository() -> RepositoryName {
    RepositoryName::parse("hwlab").unwrap()
}

fn node() -> NodeName {
    NodeName::parse("D601").unwrap()
}

fn snapshot_name(branch: &str, digit: char) -> SnapshotName {
    let name = format!("refs/unidesk/snapshots/hwlab-node-runtime/{branch}/{}", commit(digit));
    SnapshotName::parse(&RefPrefix::parse("refs/unidesk/snapshots").unwrap(), &RefName::parse(&name).unwrap()).unwrap()
}

fn road() -> TransportView {
    TransportView {
        mode: TransportMode::Ssh,
        endpoint: "ssh://git@ssh.github.com:443".to_owned(),
        proxy: Some("http://172.26.0.1:10808".to_owned()),
    }
}

fn fault() -> Fault {
    Fault {
        code: "mirror::tunnel::proxy_auth".to_owned(),
        message: "proxy 172.26.0.1:10808 refused the tunnel to ssh.github.com:443: 407".to_owned(),
        causes: vec!["Proxy Authentication Required\u{1b}[31m".to_owned()],
        location: None,
        help: Some("set githubTransport.proxyCredentials for node D601".to_owned()),
        class: FaultClass::Upstream,
        retry: Retry::Never,
    }
}

/// The text as it stands in a file: brief, then with `-v`.
fn texts<R: Shown>(report: &R) -> String {
    let text = |detail| render(report, Look::PLAIN, &View { detail, now: now() });
    let (brief, full) = (text(Detail::Brief), text(Detail::Full));
    if brief == full { brief } else { format!("{brief}\n---- with -v ----\n{full}") }
}
