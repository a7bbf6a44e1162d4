//! Conversations as git's own `upload-pack` once held them: what is understood, what is said, and what happens when they are cut or damaged.

use std::path::Path;

use mirror_git::pack::receive::{ReceiveError, ReceivedPack};
use mirror_transport::fetch::{FetchError, Limits, RefPattern, RemoteRef, Sent, UploadPack};

use crate::rig::{
    Player, Repository, Sandbox, branch, files, playing, readable, recorded_tip, recording, request, tags,
};

/// Looks and fetches, as the recordings expect it.
async fn converse(
    player: Player,
    into: &Path,
    cache: &Repository,
) -> Result<(Vec<RemoteRef>, ReceivedPack, String), FetchError> {
    let patterns: [RefPattern; 2] = [branch("main"), tags("v*")];
    let mut channel = UploadPack::open(player.read, player.write, Sent::Nothing, Limits::default()).await?;
    let refs = channel.ls_refs(&patterns).await?;
    let received = channel.fetch(request(&[recorded_tip()], &[], into), cache.odb()).await?;
    drop(channel);
    Ok((refs, received.expect("something was wanted"), readable(&player.heard.await.unwrap())))
}

const V0: &str = "
want 618f73df23394f522fe462ff8def15146099e734 multi_ack_detailed side-band-64k thin-pack no-progress ofs-delta agent=git-mirror/0.1.0
(flush)
done
";

const V2: &str = "
command=ls-refs
agent=git-mirror/0.1.0
(delimiter)
peel
ref-prefix refs/heads/main
ref-prefix refs/tags/v
(flush)
command=fetch
agent=git-mirror/0.1.0
(delimiter)
thin-pack
no-progress
ofs-delta
want 618f73df23394f522fe462ff8def15146099e734
done
(flush)
";

const RECORDINGS: [(&str, &str); 3] = [("v0-first.wire", V0), ("v1-first.wire", V0), ("v2-first.wire", V2)];

#[tokio::test]
async fn recorded_conversations_are_understood_and_answered_as_git_would() {
    let sandbox = Sandbox::new();
    for (name, said) in RECORDINGS {
        let cache = sandbox.bare(&format!("cache-{name}"));
        let into = sandbox.folder(name);
        let (refs, received, heard) = converse(playing(recording(name)), &into, &cache).await.unwrap();
        let refs: Vec<_> = refs.iter().map(|remote| (remote.name.as_str(), remote.peeled.is_some())).collect();
        assert_eq!(refs, [("refs/heads/main", false), ("refs/tags/v1", true)], "{name}");
        assert_eq!((received.objects, received.bases, received.outside.len()), (9, 0, 0), "{name}");
        assert_eq!(heard, said.trim_start().replace("0.1.0", env!("CARGO_PKG_VERSION")), "{name}");
        cache.install(&into);
        cache.git(&["fsck", "--strict", &recorded_tip().to_string()]);
    }
}

#[tokio::test]
async fn a_conversation_cut_anywhere_ends_in_an_error_and_leaves_nothing_outside_its_folder() {
    let sandbox = Sandbox::new();
    let cache = sandbox.bare("cache");
    // Version 1 differs from version 0 by its first line alone.
    for name in ["v0-first.wire", "v2-first.wire"] {
        let whole = recording(name);
        let before = files(&sandbox.path("cache/objects/pack"));
        let all = files(&sandbox.path(""));
        for cut in 0..whole.len() {
            let into = sandbox.folder("in");
            let failed = converse(playing(whole[..cut].to_vec()), &into, &cache).await.expect_err("it was cut");
            assert!(
                matches!(failed, FetchError::HungUp { .. } | FetchError::Pack(ReceiveError::Cut { .. })),
                "{name} cut at {cut}: {failed:?}"
            );
            let left = files(&into);
            assert!(left.is_empty() || left == ["incoming.pack"], "{name} cut at {cut} leaves {left:?}");
            std::fs::remove_dir_all(&into).unwrap();
        }
        assert_eq!(files(&sandbox.path("cache/objects/pack")), before);
        assert_eq!(files(&sandbox.path("")), all);
    }
}

#[tokio::test]
async fn one_wrong_bit_anywhere_in_the_pack_is_noticed() {
    let sandbox = Sandbox::new();
    let cache = sandbox.bare("cache");
    let whole = recording("v2-first.wire");
    // The small pack stands in one packet of the side band, the last before the flush.
    let start = whole.windows(5).position(|window| window == b"\x01PACK").unwrap() + 1;
    let length = usize::from_str_radix(std::str::from_utf8(&whole[start - 5..start - 1]).unwrap(), 16).unwrap() - 5;
    for place in start..start + length {
        let mut damaged = whole.clone();
        damaged[place] ^= 1 << (place % 8);
        let into = sandbox.folder("in");
        let failed = converse(playing(damaged), &into, &cache).await.expect_err("a bit is wrong");
        let named = matches!(
            failed,
            FetchError::Pack(
                ReceiveError::Header { .. }
                    | ReceiveError::TooManyObjects { .. }
                    | ReceiveError::Corrupt { .. }
                    | ReceiveError::Checksum { .. }
                    | ReceiveError::Cut { .. }
                    | ReceiveError::ObjectSize { .. }
                    | ReceiveError::MalformedObject { .. }
            )
        );
        assert!(named, "bit at {place}: {failed:?}");
        std::fs::remove_dir_all(&into).unwrap();
    }
}
