//! Answering `ls-refs`: from what is rendered already, or with snapshots as they are read.
//!
//! However many snapshots there are, one piece of their list is in memory, and no thread waits for a slow client.

use bytes::Bytes;
use mirror_store::{Below, Cache, RefError};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::answers::result;
use super::ls_refs::Listing;
use super::refs_cache::{RefsCache, RefsUnavailable};
use crate::http::answer::{Answer, AnswerBody, Piece};

/// How long a piece of a list is before it is sent.
const PIECE: usize = 256 << 10;

/// Answers a question for refs.
pub(super) async fn answer(refs: &RefsCache, listing: Listing) -> Result<Answer, RefsUnavailable> {
    let view = refs.view().await?;
    let served = refs.repository();
    if listing.snapshots().is_empty() {
        return Ok(result(view.list(&listing)));
    }
    // The view is older than the list of snapshots, so every tip in it has its snapshot there.
    let (before, behind) = listing.render_around(&view, &served.snapshots);
    let cache = served.cache()?.clone();
    let run = Run { cache, left: listing.snapshots().to_vec().into_iter(), below: None, listing, piece: before };
    let (mut run, mut piece) = more(run).await?;
    if run.is_over() {
        piece.extend_from_slice(&behind);
        return Ok(result(piece.into()));
    }
    let (sender, receiver) = mpsc::channel(1);
    let name = served.name.clone();
    tokio::spawn(async move {
        // A sender that ends without saying so cuts the answer off, and one whose receiver is dropped ends.
        while sender.send(Piece::Data(Bytes::from(piece))).await.is_ok() {
            if run.is_over() {
                let _ = sender.send(Piece::Data(behind.into())).await;
                let _ = sender.send(Piece::End).await;
                return;
            }
            (run, piece) = match more(run).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(repository = %name, error = &error as &dyn std::error::Error, "snapshots cannot be listed");
                    return;
                }
            };
        }
    });
    let mut answer = result(Bytes::new());
    *answer.body_mut() = AnswerBody::Pieces(receiver);
    Ok(answer)
}

/// The snapshots that are still to be listed.
struct Run {
    cache: Cache,
    left: std::vec::IntoIter<String>,
    below: Option<Below>,
    listing: Listing,
    piece: Vec<u8>,
}

impl Run {
    fn is_over(&self) -> bool {
        self.below.is_none() && self.left.len() == 0
    }

    /// Fills one piece.
    fn fill(&mut self) -> Result<(), RefError> {
        while self.piece.len() < PIECE {
            let below = match &mut self.below {
                Some(below) => below,
                none => match self.left.next() {
                    Some(prefix) => none.insert(self.cache.below(&prefix)?),
                    None => return Ok(()),
                },
            };
            match below.next() {
                Some(seen) => self.listing.add_asked(&seen?, &mut self.piece),
                None => self.below = None,
            }
        }
        Ok(())
    }
}

async fn more(mut run: Run) -> Result<(Run, Vec<u8>), RefsUnavailable> {
    let filled = spawn_blocking(move || run.fill().map(|()| run)).await;
    let mut run = filled.map_err(|_| RefsUnavailable::Abandoned)??;
    let piece = std::mem::take(&mut run.piece);
    Ok((run, piece))
}
