use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Frame;
use http_body_util::Full;
use proptest::prelude::*;
use tokio::sync::mpsc;

use super::*;

const LIMIT: u64 = 64 * 1024;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A body that comes in pieces of a size.
fn pieces(bytes: &[u8], size: usize) -> UnsyncBoxBody<Bytes, BodyError> {
    let frames: Vec<_> = bytes.chunks(size).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let (sender, mut frames_in) = mpsc::unbounded_channel();
    frames.into_iter().for_each(|frame| sender.send(frame).unwrap());
    drop(sender);
    Polled(move |context: &mut Context<'_>| frames_in.poll_recv(context)).boxed_unsync()
}

/// A body that is a function.
struct Polled<F>(F);

impl<F: FnMut(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> + Unpin> Body for Polled<F> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        (self.0)(context)
    }
}

async fn gathered(bytes: &[u8], size: usize, coding: Coding) -> Result<Bytes, BodyError> {
    RequestBody::from_source(pieces(bytes, size), coding, LIMIT, ReadTimeouts::default()).gather().await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

proptest! {
    #[test]
    fn what_was_packed_comes_out_however_it_is_cut(
        bytes in proptest::collection::vec(any::<u8>(), 0..4096), size in 1_usize..600,
    ) {
        let plain = block_on(gathered(&bytes, size, Coding::Identity)).unwrap();
        prop_assert_eq!(&plain[..], &bytes[..]);
        let unpacked = block_on(gathered(&gzip(&bytes), size, Coding::Gzip)).unwrap();
        prop_assert_eq!(&unpacked[..], &bytes[..]);
    }

    #[test]
    fn no_bytes_make_unpacking_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512), at in 0_usize..512) {
        let _ = block_on(gathered(&bytes, 7, Coding::Gzip));
        let mut bent = gzip(&bytes);
        let at = at % bent.len();
        bent[at] ^= 0x10;
        if let Ok(unpacked) = block_on(gathered(&bent, 7, Coding::Gzip)) {
            // Only the header's time, flags of no weight and the like may change and mean nothing.
            prop_assert_eq!(&unpacked[..], &bytes[..]);
        }
    }
}

#[tokio::test]
async fn the_bound_counts_bytes_after_unpacking() {
    let fits = vec![0; usize::try_from(LIMIT).unwrap()];
    let bomb = vec![0; 1000 * usize::try_from(LIMIT).unwrap()];
    let too_large = Err(BodyError::TooLarge { limit: LIMIT });
    assert_eq!(gathered(&fits, 1000, Coding::Identity).await.map(|bytes| bytes.len()), Ok(fits.len()));
    assert_eq!(gathered(&gzip(&fits), 1000, Coding::Gzip).await.map(|bytes| bytes.len()), Ok(fits.len()));
    assert_eq!(gathered(&[&fits[..], b"x"].concat(), 1000, Coding::Identity).await, too_large);
    assert_eq!(gathered(&gzip(&bomb), 1000, Coding::Gzip).await, too_large);
}

#[tokio::test]
async fn a_member_that_unpacks_to_nothing_for_ever_is_bounded_too() {
    // Stored blocks of no length, one after the other.
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let nothing = [0, 0, 0, 0xff, 0xff].repeat(40_000);
    let endless = [&header[..], &nothing].concat();
    assert_eq!(gathered(&endless, 4096, Coding::Gzip).await, Err(BodyError::TooLarge { limit: LIMIT }));
}

#[tokio::test]
async fn what_is_not_one_whole_member_is_refused() {
    let member = gzip(b"want and have and want");
    let mut wrong_sum = member.clone();
    let sum = member.len() - 8;
    wrong_sum[sum] ^= 1;
    let cases: [&[u8]; 5] =
        [b"", b"plain bytes", &member[..member.len() - 1], &[&member[..], b"x"].concat(), &wrong_sum];
    for bytes in cases {
        for size in [1, 1000] {
            assert_eq!(gathered(bytes, size, Coding::Gzip).await, Err(BodyError::BadEncoding), "{bytes:?}");
        }
    }
}

/// A body whose pieces come when the test sends them.
fn slow() -> (mpsc::UnboundedSender<Result<Frame<Bytes>, BodyError>>, RequestBody) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let source = Polled(move |context: &mut Context<'_>| receiver.poll_recv(context)).boxed_unsync();
    let read_timeouts = ReadTimeouts::new(Duration::from_secs(30), Duration::from_secs(120));
    (sender, RequestBody::from_source(source, Coding::Identity, 1024 * 1024, read_timeouts))
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_wait() {
    let (sender, inbound) = slow();
    let begun = tokio::time::Instant::now();
    sender.send(Ok(Frame::data(Bytes::from_static(b"some")))).unwrap();
    let stalled = inbound.gather().await;
    assert!(matches!(stalled, Err(BodyError::Stalled { .. })), "{stalled:?}");
    assert_eq!(begun.elapsed().as_secs(), 30);
    drop(sender);
}

#[tokio::test(start_paused = true)]
async fn drops_that_never_end_end_all_the_same() {
    let (sender, inbound) = slow();
    let begun = tokio::time::Instant::now();
    let dripping = tokio::spawn(async move {
        while sender.send(Ok(Frame::data(Bytes::from_static(b".")))).is_ok() {
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    });
    let stalled = inbound.gather().await;
    assert!(matches!(stalled, Err(BodyError::Stalled { .. })), "{stalled:?}");
    assert!((110..=130).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    dripping.abort();
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_that_keeps_on_is_waited_for_and_our_own_time_never_counts() {
    let (sender, mut inbound) = slow();
    let sending = tokio::spawn(async move {
        for _ in 0..128 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            sender.send(Ok(Frame::data(Bytes::from(vec![1; 8 * 1024])))).unwrap();
        }
    });
    let mut length = 0;
    let mut room = vec![0; 16 * 1024];
    loop {
        let read = inbound.read(&mut room).await.unwrap();
        if read == 0 {
            break;
        }
        length += read;
        // The reader is busy for longer than any client may be.
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    assert_eq!(length, 128 * 8 * 1024);
    sending.await.unwrap();
}

#[tokio::test]
async fn an_error_stays() {
    let (sender, mut inbound) = slow();
    sender.send(Err(BodyError::Gone)).unwrap();
    drop(sender);
    for _ in 0..2 {
        let error = inbound.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(BodyError::of(&error), Some(BodyError::Gone));
    }
}

#[tokio::test]
async fn whole_bytes_are_read_as_they_are() {
    let full = Full::new(Bytes::from_static(b"0000")).map_err(|never| match never {}).boxed_unsync();
    let inbound = RequestBody::from_source(full, Coding::Identity, 4, ReadTimeouts::default());
    assert_eq!(inbound.gather().await, Ok(Bytes::from_static(b"0000")));
    assert_eq!(RequestBody::whole("0000").gather().await, Ok(Bytes::from_static(b"0000")));
}
