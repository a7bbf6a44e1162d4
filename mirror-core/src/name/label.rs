//! Names from the configuration itself: nodes, lanes, repositories. They stand in file names, ref names and labels of
//! Kubernetes objects, and keep to what all of these accept.

use super::error::{NameFault, NameKind};
use super::text::text_name;

/// The length that a label value in Kubernetes may have.
const LIMIT: usize = 63;
const PATTERN: &str = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$";

text_name! {
    /// A node of the configuration, such as `D601`.
    NodeName, NameKind::Node, verify_label, PATTERN
}

text_name! {
    /// A lane of a node, such as `v03`. It is also one part of a rescue ref.
    LaneName, NameKind::Lane, verify_label, PATTERN
}

text_name! {
    /// A repository of the configuration. The cache keeps it as `<name>.git`.
    RepositoryName, NameKind::Repository, verify_repository, PATTERN
}

/// Checks a label.
///
/// # Source
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>
fn verify_label(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if let Some(c) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.')) {
        return Err(NameFault::Character(c));
    }
    if name.len() > LIMIT {
        return Err(NameFault::TooLong { limit: LIMIT });
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(NameFault::Ends);
    }
    // As one part of a ref name it may not have these either.
    if name.contains("..") {
        return Err(NameFault::DoubleDot);
    }
    if name.ends_with(".lock") {
        return Err(NameFault::LockSuffix);
    }
    Ok(())
}

fn verify_repository(name: &str) -> Result<(), NameFault> {
    verify_label(name)?;
    if name.len() >= 4 && name.as_bytes()[name.len() - 4..].eq_ignore_ascii_case(b".git") {
        return Err(NameFault::GitSuffix);
    }
    Ok(())
}
