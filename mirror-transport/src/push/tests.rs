//! Reports and advertisements of arbitrary bytes: no panic, no verdict that they do not hold.

use mirror_core::fault::Fault;
use mirror_core::flush::PushEnding;
use mirror_core::name::{CommitId, RefName};
use proptest::prelude::*;

use super::report::{Report, ReportError, ReportReader};
use super::*;
use mirror_git::pkt::{PacketReader, encode};

const MAIN: &str = "refs/heads/main";

fn command() -> PushCommand {
    let new = CommitId::from_bytes([2; 20]);
    PushCommand { name: RefName::parse(MAIN).unwrap(), expected: None, new }
}

/// Lines that a report may be made of, most of them where they do not belong.
fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => Just(b"unpack ok\n".to_vec()),
        4 => Just(b"ok refs/heads/main\n".to_vec()),
        1 => Just(b"ng refs/heads/main hook declined\n".to_vec()),
        1 => Just(b"option forced-update\n".to_vec()),
        1 => Just(b"unpack eof before pack header\n".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

fn read(pieces: &[&[u8]]) -> Result<Option<Report>, ReportError> {
    let mut reader = ReportReader::bounded(1000);
    for piece in pieces {
        if let Some(report) = reader.bytes(piece)? {
            return Ok(Some(report));
        }
    }
    Ok(None)
}

#[test]
fn no_word_of_a_server_reaches_a_terminal_as_a_command() {
    let advertisement = |lines: &[&str]| {
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| encode::data(line.as_bytes(), &mut bytes));
        encode::flush(&mut bytes);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(Advertised::read(&mut PacketReader::new(bytes.as_slice()), &Limits::default()));
        Fault::of(&read.unwrap_err()).to_string()
    };
    let report = |lines: &[&str]| {
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| encode::data(line.as_bytes(), &mut bytes));
        encode::flush(&mut bytes);
        match read(&[&bytes]) {
            Ok(report) => match &report.unwrap().endings(&[command()])[&command().name] {
                PushEnding::Unknown(fault) => fault.to_string(),
                other => panic!("{other:?}"),
            },
            Err(error) => error.to_string(),
        }
    };
    let twice = "1111111111111111111111111111111111111111 refs/heads/\u{9b}1m";
    let ok = format!("ok {MAIN}");
    for text in [
        advertisement(&[&format!("{twice}\0object-format=\x1b[1m")]),
        advertisement(&[twice, twice]),
        report(&["unpack ok", &ok, "ok refs/heads/\x1b[1m"]),
        report(&["unpack ok", &ok, "option refname \x1b[1m"]),
        report(&["unpack ok", "ok \x1b[1m", "ok \x1b[1m"]),
    ] {
        assert!(text.contains("1m") && !text.contains(char::is_control), "{text:?}");
    }
}

proptest! {
    #[test]
    fn only_a_whole_report_with_the_right_lines_accepts(lines in proptest::collection::vec(line(), 0..5), piece in 1usize..30) {
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| encode::data(line, &mut bytes));
        encode::flush(&mut bytes);
        for cut in [bytes.len(), bytes.len() - 1] {
            let accepted = match read(&bytes[..cut].chunks(piece).collect::<Vec<_>>()) {
                Ok(Some(report)) => report.endings(&[command()])[&command().name] == PushEnding::Accepted,
                Ok(None) | Err(_) => false,
            };
            let count = |wanted: &[u8]| lines.iter().filter(|line| *line == wanted).count();
            let options = count(b"option forced-update\n");
            let right = lines.first().is_some_and(|line| line == b"unpack ok\n")
                && count(b"unpack ok\n") == 1
                && count(b"ok refs/heads/main\n") == 1
                && lines.len() == 2 + options
                && lines[1] == b"ok refs/heads/main\n";
            prop_assert_eq!(accepted, right && cut == bytes.len());
        }
    }

    #[test]
    fn arbitrary_bytes_are_never_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..500), piece in 1usize..30) {
        if let Ok(Some(report)) = read(&bytes.chunks(piece).collect::<Vec<_>>()) {
            prop_assert!(matches!(report.endings(&[command()])[&command().name], PushEnding::Unknown(_)));
        }
    }

    #[test]
    fn arbitrary_advertisements_end_within_their_bounds(
        lines in proptest::collection::vec(prop_oneof![
            "[0-9a-f]{38,42} refs/heads/[a-c~/.]{0,8}".prop_map(String::into_bytes),
            "[0-9a-f]{40} (\\.have|HEAD|capabilities\\^\\{\\})\0[a-z= -]{0,20}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..60),
        ], 0..8),
    ) {
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| encode::data(line, &mut bytes));
        encode::flush(&mut bytes);
        let limits = Limits { refs: 4, ..Limits::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if let Ok(advertised) = runtime.block_on(Advertised::read(&mut PacketReader::new(bytes.as_slice()), &limits)) {
            prop_assert!(advertised.boundaries().count() <= 4);
        }
    }
}
