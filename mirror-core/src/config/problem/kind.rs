//! All kinds of problems under one type.

use miette::Diagnostic;

use super::{AcrossFault, FormFault, RefusedFault, ValueFault};
use crate::config::lookup::LookupError;
use crate::config::url::{ProxyUrlError, UpstreamUrlError};
use crate::name::NameError;

/// What can be wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum Problem {
    /// It is not the YAML that is read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Form(#[from] FormFault),
    /// A key or value is not what belongs there.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Value(#[from] ValueFault),
    /// It asks for what is refused by design.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] RefusedFault),
    /// Two of its parts do not go together.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Across(#[from] AcrossFault),
    /// A name is malformed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameError),
    /// A name stands for nothing.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lookup(#[from] LookupError),
    /// An upstream's address is malformed or refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Upstream(#[from] UpstreamUrlError),
    /// A proxy's address is malformed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Proxy(#[from] ProxyUrlError),
}
