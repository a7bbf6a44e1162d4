//! Arbitrary configurations: what is read shows itself as a text that reads the same, and what is refused is refused with places in the file.

#![no_main]

use git_mirror_fuzz::error::assert_presentable;
use libfuzzer_sys::fuzz_target;
use miette::Diagnostic;
use mirror_core::config;
use mirror_core::fault::Fault;

fuzz_target!(|bytes: &[u8]| {
    match config::parse_bytes("git-mirror.yaml", bytes) {
        Ok(read) => {
            let shown = read.show();
            let again = config::parse("shown.yaml", &shown).expect("because what is shown is a configuration");
            assert_eq!(again, read, "{shown}");
            assert_eq!(again.show(), shown);
        }
        Err(refused) => {
            assert_presentable(&refused);
            assert!(!refused.findings().is_empty(), "refused without a finding");
            for fault in Fault::related_of(&refused) {
                assert!(
                    !fault.to_string().contains(char::is_control),
                    "a control character in {:?}",
                    fault.to_string()
                );
            }
            for finding in refused.findings() {
                let Some(source) = refused.source_code() else { continue };
                for label in finding.labels().into_iter().flatten() {
                    assert!(source.read_span(label.inner(), 1, 1).is_ok(), "{finding}: a place outside of the file");
                }
            }
        }
    }
});
