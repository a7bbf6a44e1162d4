//! Which refs are asked for, and which of the named ones were meant.
//!
//! Owns the reading of a pattern as `ref-prefix` (what the server filters by) and as a match (what is kept). Never: refs themselves.

use mirror_core::name::{RefName, TagPattern};

/// A set of refs to ask upstream for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefPattern {
    /// This ref alone.
    Exact(RefName),
    /// The tags whose name behind `refs/tags/` the pattern matches.
    Tags(TagPattern),
}

impl RefPattern {
    /// Says what every ref of the set begins with: the argument of `ref-prefix`.
    ///
    /// # Source
    /// gitprotocol-v2, `ls-refs`: a server may send refs that merely share the prefix, and may ignore it altogether.
    #[must_use]
    pub fn prefix(&self) -> String {
        match self {
            Self::Exact(name) => name.as_str().to_owned(),
            Self::Tags(pattern) => pattern.ref_prefix(),
        }
    }

    /// Says whether `name` is one of the set.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact.as_str() == name,
            Self::Tags(pattern) => name.strip_prefix(TAGS).is_some_and(|tag| pattern.matches(tag)),
        }
    }

    /// Says whether a server that filters by [`Self::prefix`] would send `name`.
    fn covers(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name.starts_with(exact.as_str()),
            Self::Tags(pattern) => name.strip_prefix(TAGS).is_some_and(|tag| tag.starts_with(literal(pattern))),
        }
    }
}

/// What stands before the star.
fn literal(pattern: &TagPattern) -> &str {
    pattern.as_str().split('*').next().unwrap_or_default()
}

/// How a ref that upstream named relates to the refs that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It was asked for.
    Meant,
    /// It only begins like one that was asked for. Servers filter by prefix, so this is no offence.
    SharesPrefix,
    /// Nobody asked for it.
    Unasked,
}

/// Relates a ref that upstream named to the refs that were asked for.
pub(super) fn asked(patterns: &[RefPattern], name: &str) -> Asked {
    let mut relation = Asked::Unasked;
    for pattern in patterns {
        if pattern.matches(name) {
            return Asked::Meant;
        }
        if pattern.covers(name) {
            relation = Asked::SharesPrefix;
        }
    }
    relation
}

const TAGS: &str = "refs/tags/";

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(name: &str) -> RefPattern {
        RefPattern::Exact(RefName::parse(name).expect("the test names a good ref"))
    }

    fn tags(pattern: &str) -> RefPattern {
        RefPattern::Tags(TagPattern::parse(pattern).expect("the test names a good pattern"))
    }

    #[test]
    fn a_name_is_meant_or_shares_the_prefix_or_is_unasked() {
        let patterns = [exact("refs/heads/main"), tags("v*")];
        for (name, expect) in [
            ("refs/heads/main", Asked::Meant),
            ("refs/heads/main2", Asked::SharesPrefix),
            ("refs/heads/main/x", Asked::SharesPrefix),
            ("refs/heads/mai", Asked::Unasked),
            ("refs/heads/other", Asked::Unasked),
            ("refs/tags/v1", Asked::Meant),
            ("refs/tags/w1", Asked::Unasked),
            ("HEAD", Asked::Unasked),
        ] {
            assert_eq!(asked(&patterns, name), expect, "{name}");
        }
    }

    #[test]
    fn the_prefix_of_a_pattern_ends_at_its_star() {
        assert_eq!(tags("v*").prefix(), "refs/tags/v");
        assert_eq!(tags("*-rc").prefix(), "refs/tags/");
        assert_eq!(exact("refs/heads/main").prefix(), "refs/heads/main");
    }
}
