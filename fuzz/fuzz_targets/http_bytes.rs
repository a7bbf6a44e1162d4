//! Arbitrary bytes as a connection to the server: it answers in HTTP or closes, gives nobody what there is not, and goes on.

#![no_main]

use std::sync::atomic::{AtomicU64, Ordering};

use git_mirror_fuzz::http::{asks_for_something, replies};
use git_mirror_fuzz::served::{Closing, Served};
use libfuzzer_sys::fuzz_target;

/// No answer is longer; the cache is small.
const LONGEST: usize = 1 << 20;
/// After so many connections the server is asked whether it is well.
const EVERY: u64 = 64;

static COUNT: AtomicU64 = AtomicU64::new(0);

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let served = Served::get();
    let closing = if first % 2 == 0 { Closing::WhenQuiet } else { Closing::AtOnce };
    let came = served.exchange(bytes, closing);
    let replies = replies(&came);
    let asked = bytes.windows(7).filter(|seven| seven == b"HTTP/1.").count();
    let good = replies.iter().filter(|reply| (200..300).contains(&reply.status)).count();
    assert!(good <= asked, "{good} requests were granted, and {asked} can be made out");
    let ended = replies.iter().filter(|reply| reply.status >= 200).count();
    assert!(ended <= asked + 1, "{ended} answers, and {asked} requests can be made out");
    for reply in &replies {
        reply.assert_presentable();
        assert!(reply.body.len() <= LONGEST, "{} bytes in one answer", reply.body.len());
        assert!(!matches!(reply.status, 500..600), "a fault of the server: {reply:?}");
        let kind = reply.header("content-type").unwrap_or_default();
        assert!(!kind.contains("receive-pack"), "nobody here has a token: {reply:?}");
    }
    let first = replies.iter().find(|reply| reply.status >= 200);
    if first.is_some_and(|reply| (200..300).contains(&reply.status)) {
        let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
        assert!(asks_for_something(line), "granted: {:?}", line.escape_ascii().to_string());
    }
    if COUNT.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY) {
        served.assert_healthy();
    }
});
