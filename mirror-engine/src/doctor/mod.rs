//! `doctor`: walks the road to upstream step by step, times each, and stops at the one that fails.
//!
//! It changes nothing, here or upstream.

mod walk;

pub use walk::walk;
