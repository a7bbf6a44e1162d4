//! The bytes of HTTP: bodies that come in, answers, and their way to the socket.
//!
//! Never listens, routes or decides who may ask; that is [`front`](crate::front), and what an answer says is known by
//! [`read`](crate::read), [`write`](crate::write) and [`observe`](crate::observe).

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod wire;
