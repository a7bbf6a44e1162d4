//! Faults: what went wrong, as a value that a report can carry and a machine can decide by.
//!
//! Every error type of the workspace says two things about itself: its [`FaultClass`], from which the exit code follows, and
//! whether trying again can help ([`Retry`]). [`Fault`] is the form an error takes in a report: plain text and data, cut loose
//! from the error's type. This module never decides what to do about a fault.

use std::fmt;

use miette::{Diagnostic, SourceCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Says whose fault an error is; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultClass {
    /// Something of this side broke, or upstream refused for good: a disk, a damaged store, a declined push.
    Failed,
    /// The command line or the configuration is wrong; nothing was tried.
    Usage,
    /// Nothing broke, but the state is not as wanted: diverged, behind, gone upstream.
    Finding,
    /// The cache is busy, or a deadline passed.
    Busy,
    /// The road to upstream: tunnel, host key, login or transfer.
    Upstream,
    /// The cluster: its API, a permission, a missing kind.
    Cluster,
}

/// Says whether the same call, made again, can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// At once: the answer was outdated rather than wrong.
    Now,
    /// After a pause: the fault is transient.
    Backoff,
    /// Not at all: somebody has to change something first. Host keys and logins are of this kind.
    Never,
}

/// An error that knows its [`FaultClass`] and its [`Retry`].
///
/// Implementations match without a wildcard arm, so that a new variant has to say both.
pub trait Classified: Diagnostic {
    /// Says whose fault it is.
    fn class(&self) -> FaultClass;
    /// Says whether trying again can help.
    fn retry(&self) -> Retry;
}

/// An error in the form that reports carry.
///
/// ```
/// use mirror_core::fault::{Classified, Fault, FaultClass, Retry};
///
/// #[derive(Debug, thiserror::Error, miette::Diagnostic)]
/// #[error("proxy {proxy} refused the tunnel")]
/// #[diagnostic(code(mirror::tunnel::refused), help("ask the owner of {proxy} to allow CONNECT"))]
/// struct Refused {
///     proxy: &'static str,
/// }
///
/// impl Classified for Refused {
///     fn class(&self) -> FaultClass { FaultClass::Upstream }
///     fn retry(&self) -> Retry { Retry::Never }
/// }
///
/// let fault = Fault::of(&Refused { proxy: "10.0.0.1:3128" });
/// assert_eq!(fault.code, "mirror::tunnel::refused");
/// assert_eq!(fault.message, "proxy 10.0.0.1:3128 refused the tunnel");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// The stable code of the error, such as `mirror::tunnel::proxy_auth`; `docs/operations.md` explains each.
    pub code: String,
    /// What went wrong, as a lower-case fragment that does not repeat its causes.
    pub message: String,
    /// Why, outermost cause first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// Where in a file, as `file:line:column`, for errors that point into one.
    #[serde(default, rename = "place", skip_serializing_if = "Option::is_none")]
    pub location: Option<Box<str>>,
    /// What repairs it: a command or a setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Whose fault it is.
    pub class: FaultClass,
    /// Whether trying again can help.
    pub retry: Retry,
}

/// The code of an error that names none.
const NO_CODE: &str = "mirror::unclassified";

impl Fault {
    /// Takes the code, help, message, location and causes of a classified error.
    #[must_use]
    pub fn of(error: &dyn Classified) -> Self {
        Self::of_diagnostic(error, error.class(), error.retry())
    }

    /// Takes each of the further findings that an error names beside itself, such as every wrong key of a configuration. They point
    /// into the same source as the error where they bring none of their own.
    #[must_use]
    pub fn related_of(error: &dyn Classified) -> Vec<Self> {
        let related = error.related().into_iter().flatten();
        let taken = related.map(|other| {
            let mut fault = Self::of_diagnostic(other, error.class(), error.retry());
            fault.location = fault.location.or_else(|| location_in(other, error.source_code()?));
            fault
        });
        taken.collect()
    }

    /// Takes what [`Fault::of`] takes from a diagnostic that cannot classify itself.
    #[must_use]
    pub fn of_diagnostic(error: &dyn Diagnostic, class: FaultClass, retry: Retry) -> Self {
        let message = error.to_string();
        Self {
            code: first_said(error, |layer| layer.code().map(|code| code.to_string()))
                .unwrap_or_else(|| NO_CODE.to_owned()),
            help: first_said(error, |layer| layer.help().map(|help| help.to_string())),
            location: error.source_code().and_then(|source| location_in(error, source)),
            causes: causes_of(error, &message),
            message,
            class,
            retry,
        }
    }

    /// The fault of an operation that was asked to stop (Ctrl-C, or the program that embeds it).
    #[must_use]
    pub fn interrupted() -> Self {
        Self {
            code: "mirror::interrupted".to_owned(),
            message: "interrupted before the operation had ended".to_owned(),
            causes: Vec::new(),
            location: None,
            help: Some("run the same command again; every verb continues from any state".to_owned()),
            class: FaultClass::Failed,
            retry: Retry::Never,
        }
    }

    /// The fault of an operation whose deadline passed before it could end by itself.
    #[must_use]
    pub fn deadline(allowed: std::time::Duration) -> Self {
        Self {
            code: "mirror::deadline".to_owned(),
            message: format!("the deadline of {} s passed", allowed.as_secs_f64()),
            causes: Vec::new(),
            location: None,
            help: Some("run the same command again; raise `githubTransport.timeouts.total` where upstream is slow or the first mirror is large".to_owned()),
            class: FaultClass::Busy,
            retry: Retry::Backoff,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

impl Diagnostic for Fault {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
}

impl Classified for Fault {
    fn class(&self) -> FaultClass {
        self.class
    }

    fn retry(&self) -> Retry {
        self.retry
    }
}

/// What the outermost layer of a chain of diagnostics says, where any says it.
fn first_said(error: &dyn Diagnostic, say: impl Fn(&dyn Diagnostic) -> Option<String>) -> Option<String> {
    let mut layer = Some(error);
    while let Some(current) = layer {
        if let Some(said) = say(current) {
            return Some(said);
        }
        layer = current.diagnostic_source();
    }
    None
}

/// The texts of the error's causes; a layer that only repeats the one above it adds nothing and is left out.
fn causes_of(error: &dyn Diagnostic, message: &str) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(current) = source {
        let text = current.to_string();
        if causes.last().map_or(message, String::as_str) != text {
            causes.push(text);
        }
        source = current.source();
    }
    causes
}

/// Where the first label of the error points.
fn location_in(error: &dyn Diagnostic, source: &dyn SourceCode) -> Option<Box<str>> {
    let label = error.labels()?.next()?;
    let contents = source.read_span(label.inner(), 0, 0).ok()?;
    let (line, column) = (contents.line() + 1, contents.column() + 1);
    let location = match contents.name() {
        Some(name) => format!("{name}:{line}:{column}"),
        None => format!("{line}:{column}"),
    };
    Some(location.into())
}

#[cfg(test)]
mod tests;
