//! A configuration for one repository: composed from options, checked, and written whole or not at all.
//!
//! It never reads an existing configuration, and touches neither cache nor network.

mod compose;
mod error;
mod upstream;
mod write;

pub use compose::{compose, is_github};
pub use error::InitError;
pub use upstream::understand;
pub use write::{Standing, write};
