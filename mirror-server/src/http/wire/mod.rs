//! From an answer to the socket: files go there without passing through this process, where the connection allows it.
//!
//! On a plain HTTP/1 connection the body hands hyper slices of a placeholder that is never read, and queues the parts of files that they
//! stand for. [`Stream`] recognises these slices when hyper wants them written, and has the kernel send the parts of files instead. So the
//! framing stays hyper's (lengths, chunks, keep-alive, pipelining), and the bytes stay the kernel's. On TLS and HTTP/2 the body reads
//! the files.
//!
//! This holds as long as hyper queues body slices instead of copying them: the connection must be built with `writev(true)` and without
//! `pipeline_flush`. A copied placeholder would be zeros on the wire; the tests here compare every byte.
//!
//! It never looks into what it sends.

mod body;
mod placeholder;
mod stream;

pub(crate) use body::WireBody;
pub(crate) use placeholder::Queue;
pub(crate) use stream::Stream;

#[cfg(test)]
mod tests;
