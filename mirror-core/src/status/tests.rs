//! States, derived.
