//! The front of the server: it listens, speaks TLS and HTTP with a deadline for every wait, finds the route, and checks who asks.
//!
//! Never knows what a ref or a pack is; hands a request whose route is known to [`read`](crate::read), [`write`](crate::write) or
//! [`observe`](crate::observe). How bodies become bytes is known by [`http`](crate::http).

mod acceptor;
mod access_log;
mod authorize;
mod certificates;
mod connection;
mod dispatch;
mod handlers;
mod http1_required;
mod request_id;
mod response_body;
mod route;
mod stall;
mod write_timeout;

pub(crate) use acceptor::Acceptor;
pub(crate) use certificates::Certificates;
pub use certificates::CertificatesError;
pub(crate) use handlers::Handlers;
