//! HTTP CONNECT proxies between git-mirror and its upstream.
//!
//! [`EmbeddedProxy`] delays, counts and injects faults. [`Tinyproxy`] is a real one. Both listen on a free port of 127.0.0.1
//! and end with their value.

pub mod embedded;
mod tinyproxy;

pub use embedded::EmbeddedProxy;
pub use tinyproxy::Tinyproxy;
