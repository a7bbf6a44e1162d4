//! An arbitrary answer to a push: it is accepted, or rejected, only where a report says so by a reading of its own.

#![no_main]

use git_mirror_fuzz::error::assert_presentable;
use git_mirror_fuzz::peer::{Peer, run};
use git_mirror_fuzz::store::Store;
use libfuzzer_sys::fuzz_target;
use mirror_core::flush::PushEnding;
use mirror_core::name::RefName;
use mirror_git::pkt::encode;
use mirror_transport::push::{Limits, PushAnswer, PushCommand, ReceivePack};

const MAIN: &str = "refs/heads/main";
const LIMITS: Limits = Limits { refs: 4, ref_name: 60, capabilities: 200, report: 400, messages: 100 };

fuzz_target!(|bytes: &[u8]| {
    let Some((banded, answer)) = bytes.split_first() else { return };
    let banded = banded % 2 == 1;
    let pushed = run(push(answer, banded));
    assert!(pushed.messages.lines().all(|line| !line.contains(char::is_control)), "{:?}", pushed.messages);
    assert!(pushed.messages.lines().map(str::len).sum::<usize>() <= LIMITS.messages);
    assert_eq!(pushed.endings.len(), 1);
    for ending in pushed.endings.values() {
        match ending {
            PushEnding::Accepted => {
                let lines = report(answer, banded);
                assert_eq!(lines.first().map(String::as_str), Some("unpack ok"), "{lines:?}");
                let verdicts: Vec<&String> = lines.iter().filter(|line| !line.starts_with("option ")).skip(1).collect();
                assert_eq!(verdicts, [&format!("ok {MAIN}")]);
            }
            PushEnding::Rejected { words, .. } => {
                assert!(!words.contains(char::is_control), "{words:?}");
                let lines = report(answer, banded);
                assert!(lines.iter().any(|line| line.starts_with(&format!("ng {MAIN}"))), "{lines:?}");
            }
            PushEnding::NotSent(fault) | PushEnding::Unknown(fault) => assert_presentable(fault),
        }
    }
});

async fn push(answer: &[u8], banded: bool) -> PushAnswer {
    let store = Store::get();
    let name = RefName::parse(MAIN).expect("because it is a good name");
    let mut said = Vec::new();
    let capabilities = if banded { "report-status-v2 side-band-64k ofs-delta" } else { "report-status" };
    encode::data(format!("{} {name}\0{capabilities}\n", store.base).as_bytes(), &mut said);
    encode::flush(&mut said);
    said.extend_from_slice(answer);
    let conversation = ReceivePack::open(Peer::saying(said), Peer::saying([]), LIMITS).await;
    let command = PushCommand { name, expected: Some(store.base), new: store.tip };
    conversation.expect("because the advertisement is good").push(&[command], store.open(), &|_| {}).await
}

/// Reads the lines of the report up to its flush, or as far as there is one.
fn report(answer: &[u8], banded: bool) -> Vec<String> {
    let mut data = Vec::new();
    if banded {
        for payload in payloads(answer) {
            if let [1, rest @ ..] = payload {
                data.extend_from_slice(rest);
            }
        }
    } else {
        data.extend_from_slice(answer);
    }
    let line = |payload: &[u8]| String::from_utf8_lossy(payload.strip_suffix(b"\n").unwrap_or(payload)).into_owned();
    payloads(&data).map(line).collect()
}

/// The payloads of the packets up to a flush, or up to what is no packet.
fn payloads(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let digits = std::str::from_utf8(bytes.get(..4)?).ok()?;
        let length = usize::from_str_radix(digits, 16).ok().filter(|length| *length >= 4)?;
        let payload = bytes.get(4..length)?;
        bytes = &bytes[length..];
        Some(payload)
    })
}
