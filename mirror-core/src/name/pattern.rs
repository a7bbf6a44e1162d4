//! Globs over tag names, for the tags that a repository mirrors.

use super::error::{NameFault, NameKind};
use super::format::verify_ref_format;
use super::refs::RefName;
use super::text::text_name;

text_name! {
    /// A tag name with at most one `*`, which stands for any run of characters, slashes included.
    TagPattern, NameKind::TagPattern, verify_pattern, r"^[^-/*][^*]*(\*[^*]*)?$|^\*[^*]*$"
}

impl TagPattern {
    /// Says whether a tag's own name, without `refs/tags/`, matches.
    pub fn matches(&self, tag: &str) -> bool {
        match self.as_str().split_once('*') {
            None => self.as_str() == tag,
            Some((head, tail)) => tag.len() >= head.len() + tail.len() && tag.starts_with(head) && tag.ends_with(tail),
        }
    }

    /// Gives what every matching ref name begins with, for the `ref-prefix` argument of `ls-refs`.
    ///
    /// # Source
    /// <https://git-scm.com/docs/protocol-v2#_ls_refs>
    pub fn ref_prefix(&self) -> String {
        let head = self.as_str().split_once('*').map_or(self.as_str(), |(head, _)| head);
        format!("refs/tags/{head}")
    }

    /// Gives the one ref that the pattern names, where it has no `*`.
    pub fn exact(&self) -> Option<RefName> {
        if self.as_str().contains('*') { None } else { RefName::parse(&self.ref_prefix()).ok() }
    }
}

fn verify_pattern(pattern: &str) -> Result<(), NameFault> {
    if pattern.is_empty() {
        return Err(NameFault::Empty);
    }
    if pattern.starts_with('-') {
        return Err(NameFault::LeadingDash);
    }
    if pattern.matches('*').count() > 1 {
        return Err(NameFault::Stars);
    }
    // A star stands for text that may take any harmless form, so a letter in its place decides.
    verify_ref_format(&format!("refs/tags/{}", pattern.replacen('*', "x", 1)))
}
