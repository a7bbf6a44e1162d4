//! Reading: advertisements, `ls-refs` and packs.
//!
//! Refs are answered in this process from one consistent view; packs come from `git upload-pack`, each made once and shared.
//! Never changes a repository, and never reaches upstream.

mod request;
