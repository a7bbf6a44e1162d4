//! Advertisements as servers send them, and as none may.

use mirror_core::fault::{Classified, Fault};
use mirror_git::pkt::{PacketReader, encode};
use mirror_transport::push::{Advertised, Limits, PushError};

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";
const NULL: &str = "0000000000000000000000000000000000000000";

/// Lines as packets, then a flush.
fn packets(lines: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    lines.iter().for_each(|line| encode::data(line.as_bytes(), &mut bytes));
    encode::flush(&mut bytes);
    bytes
}

fn read(bytes: &[u8], limits: &Limits) -> Result<Advertised, PushError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(Advertised::read(&mut PacketReader::new(bytes), limits))
}

/// What the recorded advertisements come to: refs, further tips, and what a push would ask for.
#[test]
fn recorded_advertisements() {
    let git = packets(&[
        format!(
            "{ONE} refs/heads/main\0report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta object-format=sha1 agent=git/2.39.5\n"
        ),
        format!("{TWO} refs/tags/v1\n"),
        format!("{TWO} .have\n"),
    ]);
    let github = packets(&[
        format!(
            "{ONE} refs/heads/main\0report-status report-status-v2 delete-refs side-band-64k ofs-delta atomic object-format=sha1 quiet agent=github/spokes-receive-pack-1b67e68ad2 session-id=E2F0:1234 push-options\n"
        ),
        format!("{ONE} refs/heads/v0.3-gitops\n"),
    ]);
    let jgit = packets(&[
        format!("{ONE} HEAD\0side-band-64k delete-refs report-status quiet atomic ofs-delta agent=JGit/6\n"),
        format!("{ONE} refs/heads/master\n"),
        format!("{TWO} refs/tags/v1^{{}}\n"),
    ]);
    let empty = packets(&[format!("{NULL} capabilities^{{}}\0report-status delete-refs ofs-delta\n")]);
    let version_one = packets(&["version 1\n".to_owned(), format!("{ONE} refs/heads/main\0report-status\n")]);
    let latin = {
        let mut bytes = Vec::new();
        encode::data(format!("{ONE} refs/heads/main\0report-status").as_bytes(), &mut bytes);
        encode::data(&[TWO.as_bytes(), b" refs/heads/caf\xe9"].concat(), &mut bytes);
        encode::flush(&mut bytes);
        bytes
    };
    let shown: Vec<String> = [
        ("git", git),
        ("github", github),
        ("jgit", jgit),
        ("empty", empty),
        ("version 1", version_one),
        ("latin", latin),
    ]
    .into_iter()
    .map(|(name, bytes)| {
        let advertised = read(&bytes, &Limits::default()).unwrap();
        let refs: Vec<_> = advertised.refs().iter().map(|(name, id)| format!("  {} {name}", id.short())).collect();
        let boundaries = advertised.boundaries().count();
        let report = advertised.capabilities().status_report();
        format!("{name}: {boundaries} boundaries, {report:?}\n{}", refs.join("\n"))
    })
    .collect();
    insta::assert_snapshot!("advertisements", shown.join("\n"));
}

/// Each violation has its own error; the texts are what an operator reads.
#[test]
fn refused_advertisements() {
    let bounded = Limits { refs: 2, ref_name: 40, capabilities: 30, ..Limits::default() };
    let first = |rest: &str| format!("{ONE} refs/heads/main\0{rest}");
    let many: Vec<_> = (0..3).map(|n| format!("{ONE} refs/heads/b{n}")).collect();
    let cut = packets(&[first("report-status")]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("not git", b"HTTP/1.1 403 Forbidden\r\n".to_vec()),
        ("refused", packets(&["ERR access denied or repository not exported: /x\n".to_owned()])),
        ("cut", cut[..cut.len() - 6].to_vec()),
        ("no flush", cut[..cut.len() - 4].to_vec()),
        ("delimiter", b"0001".to_vec()),
        ("version 2", packets(&["version 2\n".to_owned()])),
        ("sha256", packets(&[format!("{ONE}{} refs/heads/main\0object-format=sha256", &TWO[..24])])),
        ("shallow", packets(&[first(""), format!("shallow {ONE}")])),
        ("no id", packets(&["hello refs/heads/main".to_owned()])),
        ("null id", packets(&[format!("{NULL} refs/heads/main")])),
        ("capitals", packets(&[format!("{} refs/heads/main", "A".repeat(40))])),
        ("late capabilities^{}", packets(&[first(""), format!("{NULL} capabilities^{{}}")])),
        ("bad name", packets(&[first(""), format!("{ONE} refs/heads/../../etc/passwd")])),
        ("no refs/", packets(&[first(""), format!("{ONE} main")])),
        ("control", packets(&[first(""), format!("{ONE} refs/heads/\x1b[31m")])),
        ("doubled", packets(&[first(""), format!("{TWO} refs/heads/main")])),
        ("too many", packets(&many)),
        ("long name", packets(&[first(""), format!("{ONE} refs/heads/{}", "x".repeat(50))])),
        ("long capabilities", packets(&[first(&"x".repeat(50))])),
    ];
    let shown: Vec<String> = cases
        .iter()
        .map(|(name, bytes)| {
            let error = read(bytes, &bounded).expect_err(name);
            let fault = Fault::of(&error);
            format!("{name}: {fault} [{}, {:?}]", fault.code, error.retry())
        })
        .collect();
    insta::assert_snapshot!("refused_advertisements", shown.join("\n"));
}
