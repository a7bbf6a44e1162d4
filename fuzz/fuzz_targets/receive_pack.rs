//! An arbitrary server at the start of a push: what it advertises stays within bounds, and every name is one.

#![no_main]

use git_mirror_fuzz::error::assert_presentable;
use git_mirror_fuzz::peer::{Peer, run};
use libfuzzer_sys::fuzz_target;
use mirror_core::name::RefName;
use mirror_transport::push::{Limits, ReceivePack};

const LIMITS: Limits = Limits { refs: 4, ref_name: 60, capabilities: 200, report: 400, messages: 100 };

fuzz_target!(|bytes: &[u8]| {
    let opened = run(ReceivePack::open(Peer::saying(bytes), Peer::saying([]), LIMITS));
    match opened {
        Ok(conversation) => {
            let advertised = conversation.advertised();
            assert!(advertised.boundaries().count() <= LIMITS.refs);
            for (name, tip) in advertised.refs() {
                assert!(name.as_str().len() <= LIMITS.ref_name);
                assert_eq!(RefName::parse(name.as_str()).as_ref(), Ok(name));
                assert_eq!(conversation.tip(name), Some(*tip));
            }
            run(conversation.close());
        }
        Err(error) => assert_presentable(&error),
    }
});
