//! Requests as clients write them, requests as nobody should, and properties of the canonical form.

use proptest::prelude::*;

use super::*;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "cccccccccccccccccccccccccccccccccccccccc";

/// Packets from words: `0000` and `0001` stand for themselves, `A`, `B` and `C` for ids.
fn packets(lines: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        match *line {
            "0000" | "0001" => bytes.extend_from_slice(line.as_bytes()),
            line => {
                let line = line.replace("$A", A).replace("$B", B).replace("$C", C);
                mirror_git::pkt::encode::data(format!("{line}\n").as_bytes(), &mut bytes);
            }
        }
    }
    bytes
}

fn read(wire: Wire, lines: &[&str]) -> Result<FetchRequest, RequestError> {
    FetchRequest::parse(wire, &packets(lines))
}

#[track_caller]
fn check_same(wire: Wire, one: &[&str], other: &[&str]) {
    assert_eq!(read(wire, one).unwrap().encode(), read(wire, other).unwrap().encode());
}

#[track_caller]
fn check_differs(wire: Wire, one: &[&str], other: &[&str]) {
    assert_ne!(read(wire, one).unwrap().encode(), read(wire, other).unwrap().encode());
}

#[track_caller]
fn check_refused(wire: Wire, lines: &[&str], expect: &str) {
    assert_eq!(read(wire, lines).map_err(|error| error.to_string()), Err(expect.to_owned()));
}

#[track_caller]
fn check_sharing(wire: Wire, lines: &[&str], expect: Sharing) {
    assert_eq!(read(wire, lines).unwrap().sharing(), expect);
}

#[test]
fn a_v2_clone_has_one_form_whoever_makes_it() {
    let git = [
        "command=fetch",
        "agent=git/2.39.5",
        "object-format=sha1",
        "0001",
        "thin-pack",
        "no-progress",
        "include-tag",
        "ofs-delta",
        "deepen 1",
        "want $A",
        "want $B",
        "want $A",
        "done",
        "0000",
    ];
    let other = [
        "command=fetch",
        "session-id=7f",
        "agent=JGit/7",
        "server-option=x",
        "0001",
        "ofs-delta",
        "include-tag",
        "no-progress",
        "want $B",
        "want $A",
        "deepen 1",
        "0000",
    ];
    check_same(Wire::V2, &git, &other);
    let canonical = packets(&[
        "command=fetch",
        "object-format=sha1",
        "0001",
        "ofs-delta",
        "no-progress",
        "include-tag",
        "want $A",
        "want $B",
        "deepen 1",
        "done",
        "0000",
    ]);
    assert_eq!(read(Wire::V2, &git).unwrap().encode(), canonical);
}

#[test]
fn a_v0_clone_has_one_form_whoever_makes_it() {
    let git = [
        "want $A multi_ack_detailed no-done side-band-64k thin-pack include-tag ofs-delta deepen-since deepen-not agent=git/2.39.5",
        "want $B",
        "0000",
        "done",
    ];
    let go_git =
        ["want $B ofs-delta side-band-64k agent=go-git/5.x", "want $A include-tag side-band", "0000", "done", "0000"];
    check_same(Wire::V0, &git, &go_git);
    let canonical = packets(&["want $A side-band-64k ofs-delta include-tag", "want $B", "0000", "done"]);
    assert_eq!(read(Wire::V0, &git).unwrap().encode(), canonical);
}

#[test]
fn what_changes_the_answer_changes_the_form() {
    let plain = ["command=fetch", "0001", "want $A", "done", "0000"];
    for more in [
        "want $B",
        "deepen 1",
        "deepen-since 5",
        "filter blob:none",
        "no-progress",
        "ofs-delta",
        "include-tag",
        "have $B",
        "shallow $B",
    ] {
        check_differs(Wire::V2, &plain, &["command=fetch", "0001", "want $A", more, "done", "0000"]);
    }
    // Between rounds of negotiation the acknowledgements follow the order of haves; with the pack there are none.
    let open = |first, second| ["command=fetch", "0001", "want $A", first, second, "0000"];
    check_differs(Wire::V2, &open("have $B", "have $C"), &open("have $C", "have $B"));
    let done = |first, second| ["command=fetch", "0001", "want $A", first, second, "done", "0000"];
    check_same(Wire::V2, &done("have $B", "have $C"), &done("have $C", "have $B"));
    check_differs(Wire::V2, &open("have $B", "have $C"), &done("have $B", "have $C"));
    check_differs(Wire::V0, &["want $A", "0000", "done"], &["want $A side-band", "0000", "done"]);
    check_differs(Wire::V0, &["want $A", "0000", "have $B", "done"], &["want $A", "0000", "have $B", "0000"]);
}

#[test]
fn a_stateless_server_reads_no_further_than_the_first_flush_behind_haves() {
    check_same(
        Wire::V0,
        &["want $A multi_ack", "0000", "have $B", "0000", "have $C", "done"],
        &["want $A multi_ack", "0000", "have $B"],
    );
}

#[test]
fn a_question_for_the_ends_of_the_history_stays_one() {
    // A flush behind it would be answered with an acknowledgement that no client reads.
    let asked = ["want $A side-band-64k", "deepen 1", "0000"];
    assert_eq!(read(Wire::V0, &asked).unwrap().encode(), packets(&asked));
    check_differs(Wire::V0, &asked, &["want $A side-band-64k", "deepen 1", "0000", "0000"]);
}

#[test]
fn what_can_be_shared_is_told_from_the_request() {
    let v2 = |line| ["command=fetch", "0001", "want $A", line, "done", "0000"];
    for line in
        ["deepen 1", "deepen-since 100", "filter blob:none", "filter combine:tree:1+blob:limit=1k", "include-tag"]
    {
        check_sharing(Wire::V2, &v2(line), Sharing::Shared);
    }
    check_sharing(Wire::V2, &v2("have $B"), Sharing::SharedWhereKnown);
    check_sharing(Wire::V2, &v2("shallow $B"), Sharing::SharedWhereKnown);
    check_sharing(Wire::V2, &v2("deepen-not refs/heads/main"), Sharing::Own(Alone::NamesRef));
    check_sharing(Wire::V2, &v2("deepen-relative"), Sharing::Shared);
    let deepened = ["command=fetch", "0001", "want $A", "shallow $B", "deepen 4", "deepen-relative", "done", "0000"];
    check_sharing(Wire::V2, &deepened, Sharing::Own(Alone::AsksRefs));
    check_sharing(
        Wire::V2,
        &["command=fetch", "0001", "have $B", "wait-for-done", "0000"],
        Sharing::Own(Alone::NothingWanted),
    );
    check_sharing(Wire::V0, &["want $A", "deepen 1", "0000"], Sharing::Shared);
    check_sharing(Wire::V0, &["want $A", "0000", "have $B", "0000"], Sharing::SharedWhereKnown);

    let mut many = vec!["command=fetch".to_owned(), "0001".to_owned(), "want $A".to_owned()];
    many.extend((1..=257).map(|at| format!("have {at:040x}")));
    many.push("0000".to_owned());
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    check_sharing(Wire::V2, &many, Sharing::Own(Alone::ManyHaves));
}

#[test]
fn idle_requests_are_known() {
    assert!(read(Wire::V0, &["0000"]).unwrap().is_idle());
    assert!(read(Wire::V2, &["command=fetch", "0001", "done", "0000"]).unwrap().is_idle());
    assert!(!read(Wire::V2, &["command=fetch", "0001", "have $A", "0000"]).unwrap().is_idle());
}

#[track_caller]
fn v2(argument: &str, expect: &str) {
    check_refused(Wire::V2, &["command=fetch", "0001", argument, "0000"], expect);
}

#[test]
fn wrong_requests_are_refused_in_words() {
    check_refused(Wire::V2, &["command=push", "0000"], "invalid command 'push'");
    check_refused(Wire::V2, &["agent=x", "0001", "0000"], "invalid command ''");
    check_refused(Wire::V2, &["command=fetch", "fast", "0000"], "unknown capability 'fast'");
    check_refused(
        Wire::V2,
        &["command=fetch", "object-format=sha256", "0000"],
        "mismatched object format: server sha1; client sha256",
    );
    check_refused(
        Wire::V0,
        &["want $A object-format=sha256", "0000"],
        "mismatched object format: server sha1; client sha256",
    );
    v2("want x", "expected an object's id, got 'x'");
    v2("want $A ofs-delta", &format!("expected an object's id, got '{A} ofs-delta'"));
    v2(
        "want 0000000000000000000000000000000000000000",
        "upload-pack: not our ref 0000000000000000000000000000000000000000",
    );
    v2("want-ref refs/heads/main", "unexpected line: 'want-ref refs/heads/main'");
    v2("deepen 0", "invalid deepen 0");
    v2("deepen -1", "invalid deepen -1");
    v2("deepen-since never", "invalid deepen-since never");
    for spec in ["blob", "sparse:path=x", "sparse:oid=main:spec", "combine:tree:1+%73parse:oid=main:spec"] {
        let known =
            "blob:none, blob:limit=<n>, tree:<depth>, object:type=<commit|tree|blob|tag>, and combine: of these";
        v2(&format!("filter {spec}"), &format!("invalid filter-spec '{spec}': this server knows {known}"));
    }
    v2("a\u{1b}[31mb", "unexpected line: 'a?[31mb'");
    check_refused(
        Wire::V2,
        &["command=fetch", "0001", "deepen 1", "deepen-since 7", "0000"],
        "deepen and deepen-since (or deepen-not) cannot be used together",
    );
    check_refused(Wire::V0, &["want $A", "filter blob:none", "0000"], "filtering capability not negotiated");
    check_refused(Wire::V0, &["want $Axofs-delta", "0000"], "expected an object's id, got 'xofs-delta'");
    check_refused(Wire::V0, &["want $A", "0000", "done?"], "unexpected line: 'done?'");
}

#[test]
fn what_no_git_sends_is_no_matter_for_git() {
    let refused = |wire, body: &[u8]| {
        let error = FetchRequest::parse(wire, body).unwrap_err();
        assert!(!error.is_for_git(), "{error}");
        error.to_string()
    };
    assert_eq!(refused(Wire::V0, b""), "the request has no body");
    assert_eq!(
        refused(Wire::V0, b"<html>"),
        "the request is not a Git request: the length of a pkt-line is \"<htm\", which is not hexadecimal"
    );
    let whole = packets(&["command=fetch", "0001", "want $A", "done", "0000"]);
    for end in 1..whole.len() {
        assert_eq!(refused(Wire::V2, &whole[..end]), "the request ends before its end", "cut at {end}");
    }
}

#[test]
fn ten_thousand_wants_are_read_and_a_hundred_thousand_refused() {
    let wants = |count: u32| {
        let lines: Vec<String> =
            (1..=count).map(|at| format!("want {at:040x}")).chain(["0000".to_owned(), "done".to_owned()]).collect();
        read(Wire::V0, &lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(wants(10_000).unwrap().wants.len(), 10_000);
    assert_eq!(wants(100_000).unwrap_err().to_string(), "too many wants: at most 20000 in one request");
}

fn any_line() -> impl Strategy<Value = String> {
    let id = prop_oneof![Just(A.to_owned()), Just(B.to_owned()), Just(C.to_owned())];
    prop_oneof![
        id.clone().prop_map(|id| format!("want {id}")),
        id.clone().prop_map(|id| format!("have {id}")),
        id.prop_map(|id| format!("shallow {id}")),
        (1..5u32).prop_map(|depth| format!("deepen {depth}")),
        prop::sample::select(vec![
            "thin-pack",
            "ofs-delta",
            "no-progress",
            "include-tag",
            "deepen-relative",
            "wait-for-done",
            "done",
            "filter tree:0"
        ])
        .prop_map(ToOwned::to_owned),
    ]
}

proptest! {
    #[test]
    fn the_canonical_form_is_read_as_itself(lines in prop::collection::vec(any_line(), 0..12), is_v2: bool) {
        let mut text = vec!["command=fetch".to_owned(), "0001".to_owned()];
        text.extend(lines.clone());
        text.push("0000".to_owned());
        if !is_v2 {
            let of = |word: &str| lines.iter().filter(|line| line.starts_with(word)).cloned().collect::<Vec<_>>();
            text = vec![format!("want {A} multi_ack side-band filter thin-pack no-done")];
            for word in ["want ", "shallow ", "deepen ", "filter "] {
                text.extend(of(word));
            }
            text.push("0000".to_owned());
            text.extend(of("have "));
            text.extend(of("done"));
        }
        let wire = if is_v2 { Wire::V2 } else { Wire::V0 };
        // A second filter is refused, which is no matter here.
        if let Ok(request) = read(wire, &text.iter().map(String::as_str).collect::<Vec<_>>()) {
            let form = request.encode();
            if !(wire == Wire::V0 && request.wants.is_empty()) {
                let again = FetchRequest::parse(wire, &form).unwrap();
                prop_assert_eq!(again.encode(), form);
                prop_assert_eq!(again, request);
            }
        }
    }

    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..300), is_v2: bool) {
        let _ = FetchRequest::parse(if is_v2 { Wire::V2 } else { Wire::V0 }, &bytes);
    }

    #[test]
    fn no_lines_are_too_much(lines in prop::collection::vec("\\PC{0,60}|want [a-f0-9]{38,42}.{0,9}|deepen[- a-z]{0,8}[0-9]{0,30}", 0..8), is_v2: bool) {
        let mut text = if is_v2 { vec!["command=fetch", "0001"] } else { Vec::new() };
        text.extend(lines.iter().map(String::as_str));
        text.push("0000");
        let _ = read(if is_v2 { Wire::V2 } else { Wire::V0 }, &text);
    }
}
