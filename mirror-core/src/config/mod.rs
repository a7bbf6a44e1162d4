//! The configuration.
mod lookup;
mod size;
mod types;
mod url;

pub use lookup::LookupError;
pub use size::{ByteSize, QuantityFault, duration_text, parse_duration};
pub use types::*;
pub use url::{HostFault, ProxyUrl, ProxyUrlError, UpstreamUrl, UpstreamUrlError};
