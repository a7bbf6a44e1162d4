//! The rules of `git check-ref-format`, and nothing else.

use super::error::NameFault;

/// Checks the parts of a ref name as git does for a name of one or more parts.
///
/// # Source
/// <https://git-scm.com/docs/git-check-ref-format>
pub(super) fn verify_ref_format(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name == "@" {
        return Err(NameFault::LoneAt);
    }
    name.split('/').try_for_each(verify_part)?;
    if name.ends_with('.') {
        return Err(NameFault::TrailingDot);
    }
    Ok(())
}

/// Checks one part between slashes. A dot at its end is legal, unless the whole name ends there.
pub(super) fn verify_part(part: &str) -> Result<(), NameFault> {
    if part.is_empty() {
        return Err(NameFault::EmptyPart);
    }
    if let Some(c) = part.chars().find(|c| is_forbidden(*c)) {
        return Err(NameFault::Character(c));
    }
    if part.starts_with('.') {
        return Err(NameFault::LeadingDot);
    }
    if part.contains("..") {
        return Err(NameFault::DoubleDot);
    }
    if part.contains("@{") {
        return Err(NameFault::AtBrace);
    }
    if part.ends_with(".lock") {
        return Err(NameFault::LockSuffix);
    }
    Ok(())
}

fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..=' ' | '\x7f' | '~' | '^' | ':' | '?' | '*' | '[' | '\\')
}
