//! Faults keep what an error says, once.

use miette::{NamedSource, SourceSpan};

use super::*;

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("the stream was cut")]
#[diagnostic(code(mirror::test::cut), help("try again"))]
struct Cut(#[source] std::io::Error);

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Outer {
    #[error("cannot look at upstream")]
    Look(
        #[source]
        #[diagnostic_source]
        Cut,
    ),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Through(Cut),
    #[error("unknown key")]
    #[diagnostic(code(mirror::test::key))]
    Key {
        #[source_code]
        text: NamedSource<String>,
        #[label]
        span: SourceSpan,
    },
    #[error("plain")]
    Plain,
}

impl Classified for Outer {
    fn class(&self) -> FaultClass {
        match self {
            Self::Look(_) | Self::Through(_) => FaultClass::Upstream,
            Self::Key { .. } => FaultClass::Usage,
            Self::Plain => FaultClass::Failed,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Look(_) | Self::Through(_) => Retry::Backoff,
            Self::Key { .. } | Self::Plain => Retry::Never,
        }
    }
}

fn cut() -> Cut {
    Cut(std::io::Error::other("peer closed"))
}

#[test]
fn the_chain_is_walked_and_the_nearest_code_and_help_are_taken() {
    let fault = Fault::of(&Outer::Look(cut()));
    assert_eq!(fault.code, "mirror::test::cut");
    assert_eq!(fault.help.as_deref(), Some("try again"));
    assert_eq!(fault.message, "cannot look at upstream");
    assert_eq!(fault.causes, ["the stream was cut", "peer closed"]);
    assert_eq!((fault.class, fault.retry), (FaultClass::Upstream, Retry::Backoff));
    assert_eq!(fault.to_string(), "cannot look at upstream: the stream was cut: peer closed");
}

#[test]
fn a_transparent_layer_says_nothing_twice() {
    let fault = Fault::of(&Outer::Through(cut()));
    assert_eq!(fault.message, "the stream was cut");
    assert_eq!(fault.causes, ["peer closed"]);
}

#[test]
fn a_label_becomes_a_place() {
    let text = "a: 1\nbranhc: x\n";
    let error = Outer::Key { text: NamedSource::new("git-mirror.yaml", text.to_owned()), span: (5, 6).into() };
    assert_eq!(Fault::of(&error).location.as_deref(), Some("git-mirror.yaml:2:1"));
}

#[test]
fn an_error_without_a_code_is_still_a_fault() {
    let fault = Fault::of(&Outer::Plain);
    assert_eq!(fault.code, "mirror::unclassified");
    assert_eq!((fault.help, fault.location), (None, None));
}

#[test]
fn a_fault_is_an_error_again_and_loses_nothing() {
    let fault = Fault::of(&Outer::Look(cut()));
    let again = Fault::of(&fault);
    assert_eq!(
        (&again.code, &again.help, again.class, again.retry),
        (&fault.code, &fault.help, fault.class, fault.retry)
    );
    let json = serde_json::to_string(&fault).unwrap();
    assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault);
}

#[test]
fn a_fault_is_small_enough_to_be_the_error_of_a_result() {
    assert!(size_of::<Fault>() < 128, "clippy calls larger ones too large: {}", size_of::<Fault>());
}
