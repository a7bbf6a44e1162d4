//! Servers that mean ill, or are broken: each of their ways has its own error, in bounded memory, and nothing is kept.

use miette::Diagnostic;
use mirror_core::fault::{Classified, FaultClass, Retry};
use mirror_git::pack::receive;
use mirror_transport::fetch::{FetchError, Limits, Sent, UploadPack};
use proptest::prelude::*;

use crate::rig::{Sandbox, branch, files, pkt, playing, recorded_tip, recording, request, tags};

const A: &str = "1111111111111111111111111111111111111111";
const B: &str = "2222222222222222222222222222222222222222";

/// What it says first in version 2.
fn v2() -> Vec<u8> {
    [pkt("version 2\n"), pkt("agent=git/2.39.5\n"), pkt("ls-refs=unborn\n"), pkt("fetch=shallow\n"), b"0000".to_vec()]
        .concat()
}

/// Small bounds, so that a test need not send much.
fn limits() -> Limits {
    Limits {
        advertisement_bytes: 4000,
        refs: 5,
        ref_name_bytes: 100,
        message_bytes: 100,
        pack: receive::Limits { objects: 10, object_bytes: 1000 },
    }
}

/// Looks and fetches, and gives the code of the error in which that ends.
async fn ending(bytes: Vec<u8>) -> String {
    let sandbox = Sandbox::new();
    let empty = gix_odb::at(sandbox.folder("objects"), gix_hash::Kind::Sha1).unwrap().into_arc().unwrap();
    let into = sandbox.folder("in");
    let player = playing(bytes);
    let conversation = async {
        let mut channel = UploadPack::open(player.read, player.write, Sent::Nothing, limits()).await?;
        channel.ls_refs(&[branch("main"), tags("v*")]).await?;
        channel.fetch(request(&[recorded_tip()], &[], &into), empty).await
    };
    let ended = conversation.await;
    let left = files(&into);
    assert!(left.is_empty() || left == ["incoming.pack"], "{left:?}");
    match ended {
        Ok(_) => "nothing wrong".to_owned(),
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() < 1000 && !text.contains(char::is_control), "fit for a report: {text:?}");
            assert!(error.help().is_some(), "{text}");
            error.code().unwrap().to_string().trim_start_matches("mirror::fetch::").to_owned()
        }
    }
}

async fn check(what: &str, bytes: &[u8], expect: &str) {
    assert_eq!(ending(bytes.to_vec()).await, expect, "{what}");
}

/// Answers `ls-refs` with these lines.
async fn check_refs(what: &str, lines: &[String], expect: &str) {
    let answer: Vec<u8> = lines.iter().flat_map(pkt).collect();
    check(what, &[v2(), answer, b"0000".to_vec()].concat(), expect).await;
}

#[tokio::test]
async fn hostile_openings_have_errors_of_their_own() {
    check("nothing", b"", "hung_up").await;
    check("a shell's greeting", b"Welcome to the jungle\n", "not_git").await;
    check("no repository", &pkt("ERR access denied or repository not exported: /x\n"), "refused").await;
    check("control characters", &pkt("ERR \x1b[31mred\x07\n"), "refused").await;
    check("a future version", &pkt("version 3\n"), "version").await;
    check("a length beyond the format", b"fff1", "pkt_line").await;
    check("a length below the format", b"0003", "pkt_line").await;
    check("a delimiter", b"0001", "protocol").await;
    check("a line that is no ref", &pkt("hello\n"), "protocol").await;
    check("a short id", &pkt("1234 refs/heads/main\n"), "protocol").await;
    let sha256 =
        [pkt("version 2\n"), pkt("ls-refs\n"), pkt("fetch\n"), pkt("object-format=sha256\n"), b"0000".to_vec()];
    check("sha256", &sha256.concat(), "object_format").await;
    check("no fetch", &[pkt("version 2\n"), pkt("ls-refs\n"), b"0000".to_vec()].concat(), "capability").await;
    let endless: Vec<u8> = (0..1000).flat_map(|line| pkt(format!("cap{line}=x\n"))).collect();
    check("endless capabilities", &[pkt("version 2\n"), endless].concat(), "advertisement_size").await;
}

#[tokio::test]
async fn hostile_advertisements_of_version_0_have_errors_of_their_own() {
    let first = |name: &str| pkt(format!("{A} {name}\0multi_ack_detailed side-band-64k\n"));
    let many: Vec<u8> = (0..9).flat_map(|ref_| pkt(format!("{A} refs/heads/{ref_}\n"))).collect();
    check("too many refs", &[first("HEAD"), many].concat(), "ref_count").await;
    check("a long name", &first(&format!("refs/heads/{}", "x".repeat(200))), "ref_name_size").await;
    check("a bad name", &first("refs/heads/a..b"), "ref_name").await;
    check("a way out", &first("refs/heads/../../config"), "ref_name").await;
    let twice = [first("refs/heads/main"), pkt(format!("{B} refs/heads/main\n"))];
    check("a name twice", &twice.concat(), "doubled_ref").await;
    check("shallow", &[first("HEAD"), pkt(format!("shallow {A}"))].concat(), "shallow").await;
    let old = pkt(format!("{A} refs/heads/main\0multi_ack side-band\n"));
    check("a server from 2008", &[old, b"0000".to_vec()].concat(), "capability").await;
    let hung = [first("refs/heads/main"), b"0000".to_vec()];
    check("no answer to wants", &hung.concat(), "hung_up").await;
    let opened = hung.concat();
    check("an unknown status", &[&opened[..], &pkt(format!("ACK {A} sometimes\n"))].concat(), "protocol").await;
    check("an ACK of nothing we have", &[&opened[..], &pkt(format!("ACK {A} common\n"))].concat(), "protocol").await;
    check("shallow answer", &[&opened[..], &pkt(format!("shallow {A}\n"))].concat(), "shallow").await;
}

#[tokio::test]
async fn hostile_lists_of_refs_have_errors_of_their_own() {
    let line = |name: &str| format!("{A} {name}\n");
    check_refs("a ref that was not asked for", &[line("refs/heads/other")], "unasked_ref").await;
    check_refs("HEAD, which was not asked for", &[line("HEAD")], "unasked_ref").await;
    check_refs("a bad name under an asked prefix", &[line("refs/tags/v..1")], "ref_name").await;
    check_refs("a control character", &[line("refs/tags/v\x071")], "ref_name").await;
    check_refs("a long name", &[line(&format!("refs/tags/v{}", "1".repeat(200)))], "ref_name_size").await;
    check_refs("a name twice", &[line("refs/heads/main"), line("refs/heads/main")], "doubled_ref").await;
    let terminal = line("refs/tags/v\u{9b}1m");
    check_refs("a name twice that is a terminal's command", &[terminal.clone(), terminal], "doubled_ref").await;
    check_refs("too many", &(0..6).map(|n| line(&format!("refs/tags/v{n}"))).collect::<Vec<_>>(), "ref_count").await;
    check_refs("the null id", &[format!("{} refs/heads/main\n", "0".repeat(40))], "protocol").await;
    check_refs("no id", &["refs/heads/main\n".to_owned()], "protocol").await;
    check_refs("an unborn ref", &["unborn HEAD\n".to_owned()], "protocol").await;
    check_refs("a bad peeled id", &[format!("{A} refs/tags/v1 peeled:x\n")], "protocol").await;
    check_refs("not text", &[format!("{A} "), String::new()], "unasked_ref").await;
    check_refs("an error", &["ERR upload-pack: not our ref\n".to_owned()], "upstream_failed").await;
    check_refs("a huge line", &[line(&"x".repeat(65_000))], "advertisement_size").await;
    check_refs("a ref that only shares the prefix is no offence", &[line("refs/heads/mainline")], "hung_up").await;
}

/// Sends this packet behind the announcement of a pack.
async fn check_pack(what: &str, packets: &[&[u8]], expect: &str) {
    let start = [v2(), b"0000".to_vec(), pkt("packfile\n")].concat();
    check(what, &[&start[..], &packets.concat(), b"0000"].concat(), expect).await;
}

#[tokio::test]
async fn hostile_answers_to_a_fetch_have_errors_of_their_own() {
    let answer = |line: &str| [v2(), b"0000".to_vec(), pkt(line)].concat();
    check("an unknown section", &answer("packfile-uris\n"), "protocol").await;
    check("shallow", &answer("shallow-info\n"), "shallow").await;
    check("no section", &[v2(), b"0000".to_vec(), b"0000".to_vec()].concat(), "protocol").await;
    check("an error", &answer("ERR upload-pack: not our ref\n"), "upstream_failed").await;
    let acks = [answer("acknowledgments\n"), pkt(format!("ACK {A}\n"))].concat();
    check("an ACK of nothing we have", &acks, "protocol").await;
    let on = [answer("acknowledgments\n"), pkt("NAK\n"), b"0000".to_vec()].concat();
    check("more haves wanted after done", &on, "protocol").await;

    check_pack("an empty pack", &[], "pack_cut").await;
    check_pack("a page", &[&pkt("\x01<html>not a pack</html>")], "pack_header").await;
    check_pack("a future version", &[&pkt(b"\x01PACK\0\0\0\x03\0\0\0\x01")], "pack_header").await;
    check_pack("too many objects", &[&pkt(b"\x01PACK\0\0\0\x02\xff\0\0\0")], "pack_objects").await;
    check_pack(
        "an endless size",
        &[&pkt(b"\x01PACK\0\0\0\x02\0\0\0\x01\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")],
        "pack_corrupt",
    )
    .await;
    check_pack("a large object", &[&pkt(b"\x01PACK\0\0\0\x02\0\0\0\x01\xbf\xff\x7f")], "object_size").await;
    check_pack("an unknown type", &[&pkt(b"\x01PACK\0\0\0\x02\0\0\0\x01\x51")], "pack_corrupt").await;
    check_pack("a delta on nothing", &[&pkt(b"\x01PACK\0\0\0\x02\0\0\0\x01\x61\x01")], "pack_corrupt").await;
    check_pack("not deflated", &[&pkt(b"\x01PACK\0\0\0\x02\0\0\0\x01\x31hello")], "pack_corrupt").await;
    check_pack("no band", &[b"0004"], "pkt_line").await;
    check_pack("a fourth band", &[&pkt("\x04x")], "pkt_line").await;
    check_pack("the server dies", &[&pkt("\x03aborting due to possible repository corruption")], "upstream_failed")
        .await;
    check_pack(
        "endless talk",
        &[&pkt(format!("\x02{}\n", "x".repeat(60))), &pkt(format!("\x02{}\n", "x".repeat(60)))],
        "message_size",
    )
    .await;
    check_pack("a delimiter in the pack", &[b"0001"], "protocol").await;
}

#[test]
fn only_what_may_pass_is_tried_again() {
    let hung_up = FetchError::HungUp { at: mirror_transport::fetch::Stage::Pack };
    assert_eq!((hung_up.class(), hung_up.retry()), (FaultClass::Upstream, Retry::Backoff));
    let refused = FetchError::Refused { words: "no".to_owned() };
    assert_eq!((refused.class(), refused.retry()), (FaultClass::Upstream, Retry::Never));
    assert_eq!(FetchError::ChannelSpent.retry(), Retry::Now);
}

/// Bytes that are often enough what the protocol expects.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just(b"0000".to_vec()),
        Just(b"0001".to_vec()),
        Just(b"0002".to_vec()),
        Just(v2()),
        Just(pkt("version 1\n")),
        Just(pkt(format!("{A} refs/heads/main\0multi_ack_detailed side-band-64k\n"))),
        Just(pkt(format!("{A} refs/heads/main\n"))),
        Just(pkt(format!("{B} refs/tags/v1 peeled:{A}\n"))),
        Just(pkt(format!("{A} refs/tags/v1^{{}}\n"))),
        Just(pkt("acknowledgments\n")),
        Just(pkt("packfile\n")),
        Just(pkt("ready\n")),
        Just(pkt("NAK\n")),
        Just(pkt(format!("ACK {A} common\n"))),
        Just(pkt(b"\x01PACK\0\0\0\x02\0\0\0\x02")),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| pkt([b"\x01", &bytes[..]].concat())),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(pkt),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

fn in_a_runtime(bytes: Vec<u8>) -> String {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(ending(bytes))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_servers_neither_panic_nor_succeed(bytes in plausible()) {
        prop_assert_ne!(in_a_runtime(bytes), "nothing wrong");
    }

    #[test]
    fn damaged_recordings_never_panic(name in prop_oneof![Just("v0-first.wire"), Just("v2-first.wire")], place: prop::sample::Index, with: Vec<u8>, skip in 0usize..40) {
        let whole = recording(name);
        let place = place.index(whole.len());
        let damaged = [&whole[..place], &with, &whole[(place + skip).min(whole.len())..]].concat();
        in_a_runtime(damaged);
    }
}
