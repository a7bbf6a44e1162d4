//! The labels of one metric, one to three, and how they are written.

use std::fmt::{Debug, Write as _};
use std::hash::Hash;

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};

use super::Label;

/// The labels of one metric.
pub(crate) trait Labels: Clone + Debug + Eq + Hash + Send + Sync + EncodeLabelSet + 'static {
    /// Each label's name and what values it takes.
    fn described() -> Vec<(&'static str, String)>;
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct By<A>(pub(crate) A);

/// Two labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct By2<A, B>(pub(crate) A, pub(crate) B);

/// Three labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct By3<A, B, C>(pub(crate) A, pub(crate) B, pub(crate) C);

fn encode<L: Label>(label: &L, to: &mut LabelSetEncoder<'_>) -> std::fmt::Result {
    let mut encoder = to.encode_label();
    let mut key = encoder.encode_label_key()?;
    key.write_str(L::NAME)?;
    let mut value = key.encode_label_value()?;
    label.write(&mut value)?;
    value.finish()
}

impl<A: Label> EncodeLabelSet for By<A> {
    fn encode(&self, to: &mut LabelSetEncoder<'_>) -> std::fmt::Result {
        encode(&self.0, to)
    }
}

impl<A: Label, B: Label> EncodeLabelSet for By2<A, B> {
    fn encode(&self, to: &mut LabelSetEncoder<'_>) -> std::fmt::Result {
        encode(&self.0, to)?;
        encode(&self.1, to)
    }
}

impl<A: Label, B: Label, C: Label> EncodeLabelSet for By3<A, B, C> {
    fn encode(&self, to: &mut LabelSetEncoder<'_>) -> std::fmt::Result {
        encode(&self.0, to)?;
        encode(&self.1, to)?;
        encode(&self.2, to)
    }
}

impl<A: Label> Labels for By<A> {
    fn described() -> Vec<(&'static str, String)> {
        vec![(A::NAME, A::values())]
    }
}

impl<A: Label, B: Label> Labels for By2<A, B> {
    fn described() -> Vec<(&'static str, String)> {
        vec![(A::NAME, A::values()), (B::NAME, B::values())]
    }
}

impl<A: Label, B: Label, C: Label> Labels for By3<A, B, C> {
    fn described() -> Vec<(&'static str, String)> {
        vec![(A::NAME, A::values()), (B::NAME, B::values()), (C::NAME, C::values())]
    }
}
