//! The SSH session against real OpenSSH, and against servers that misbehave.

mod faults;
mod flights;
mod openssh;
mod rig;
