//! The SSH session against real OpenSSH, and against servers that misbehave.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod flights;
mod openssh;
mod rig;
