//! HTTP itself: sockets, TLS, connections and their deadlines, routes, bodies in and out.
//!
//! Never knows what a ref or a pack is; hands a request whose place is known to [`read`](crate::read), [`write`](crate::write) or
//! [`observe`](crate::observe).

pub(crate) mod answer;
