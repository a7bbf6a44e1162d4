//! HTTP itself: sockets, TLS, connections and their deadlines, routes, bodies in and out.
//!
//! Never knows what a ref or a pack is; hands a request whose place is known to [`read`](crate::read), [`write`](crate::write) or
//! [`observe`](crate::observe).

mod account;
mod activity;
pub(crate) mod answer;
pub(crate) mod body;
mod certificates;
mod connection;
mod dispatch;
mod door;
mod gate;
mod identity;
mod outbound;
mod paced;
mod route;
mod turned;
pub(crate) mod wire;

pub(crate) use certificates::Certificates;
pub use certificates::CertificatesError;
pub(crate) use gate::Gate;
