//! Writing: who may push, what may be pushed, and receiving it.
//!
//! Only GitOps branches of lanes, fast-forward only; an acknowledged push is on disk. Never decides what upstream gets.
