//! What a refused name answers: the kind of name, the text as given, and the rule it breaks.

use std::fmt;

use crate::fault::{Classified, FaultClass, Retry};

/// A text that is not the name it was given for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{kind} `{}` {fault}", shown(text))]
#[diagnostic(code(mirror::name::malformed), help("{}", kind.rule()))]
pub struct NameError {
    /// What the text should have been.
    pub kind: NameKind,
    /// The text as it was given.
    pub text: String,
    /// The rule that it breaks.
    pub fault: NameFault,
}

impl Classified for NameError {
    fn class(&self) -> FaultClass {
        FaultClass::Usage
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// The kinds of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    /// A full ref name, `refs/…`.
    Ref,
    /// A branch name without `refs/heads/`.
    Branch,
    /// The part of a snapshot ref between prefix and branch.
    Group,
    /// The beginning of ref names, `refs/…`.
    Prefix,
    /// A glob over tag names.
    TagPattern,
    /// A commit id.
    Commit,
    /// A node of the configuration.
    Node,
    /// A lane of a node.
    Lane,
    /// A repository of the configuration.
    Repository,
}

impl NameKind {
    /// Says in one sentence what a name of this kind looks like.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Ref | Self::Prefix => {
                "write a full name such as `refs/mirror/snapshots`; `git check-ref-format` has the rules"
            }
            Self::Branch => {
                "write the branch without `refs/heads/`, such as `main`; `git check-ref-format --branch` has the rules"
            }
            Self::Group => "write one part of a ref name, without `/`, such as `app`",
            Self::TagPattern => "write a tag name with at most one `*`, such as `v*`",
            Self::Commit => "write the 40 lower-case hex digits that `git rev-parse` prints",
            Self::Node | Self::Lane | Self::Repository => {
                "use at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends"
            }
        }
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ref => "ref name",
            Self::Branch => "branch name",
            Self::Group => "group name",
            Self::Prefix => "ref prefix",
            Self::TagPattern => "tag pattern",
            Self::Commit => "commit id",
            Self::Node => "node name",
            Self::Lane => "lane name",
            Self::Repository => "repository name",
        })
    }
}

/// The rules that a name can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Nothing was written.
    #[error("is empty")]
    Empty,
    /// The bytes are not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// A full ref name stands under `refs/`.
    #[error("does not begin with `refs/`")]
    NotUnderRefs,
    /// A leading dash would be read as an option by programs that are given the name.
    #[error("begins with a dash")]
    LeadingDash,
    /// `HEAD` is not a branch.
    #[error("is the name of a symbolic ref, not of a branch")]
    Head,
    /// A lone `@` stands for `HEAD`.
    #[error("is only an `@`")]
    LoneAt,
    /// Two slashes in a row, or one at either end.
    #[error("has an empty part between slashes")]
    EmptyPart,
    /// A slash where only one part is wanted.
    #[error("has a slash in it")]
    Slash,
    /// A part begins with a dot.
    #[error("has a part that begins with a dot")]
    LeadingDot,
    /// The whole ends with a dot.
    #[error("ends with a dot")]
    TrailingDot,
    /// `..` is the syntax of a range.
    #[error("has two dots in a row")]
    DoubleDot,
    /// `@{` is the syntax of the reflog.
    #[error("has `@{{` in it")]
    AtBrace,
    /// Git keeps its locks under this ending.
    #[error("has a part that ends with `.lock`")]
    LockSuffix,
    /// A character that no such name may have.
    #[error("has the character {0:?}, which may not stand there")]
    Character(char),
    /// A letter or digit belongs at both ends.
    #[error("does not begin and end with a letter or digit")]
    Ends,
    /// `.git` is put behind a repository's name by the cache.
    #[error("ends with `.git`, which the cache adds itself")]
    GitSuffix,
    /// More characters than the rule allows.
    #[error("has more than {limit} characters")]
    TooLong {
        /// The most that is allowed.
        limit: usize,
    },
    /// More than one `*`.
    #[error("has more than one `*`")]
    Stars,
    /// The null id stands for "no value" on the wire.
    #[error("is the null id, which names no commit")]
    Null,
    /// A commit id of another length.
    #[error("has {found} characters, not 40")]
    HexLength {
        /// The length that was found.
        found: usize,
    },
}

/// Cuts what would not fit on a line and escapes what would disturb a terminal.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 120;
    let mut shown: String = text.chars().take(MOST).flat_map(escaped).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

/// Escapes a character that would disturb a terminal.
pub(crate) fn escaped(c: char) -> impl Iterator<Item = char> {
    let plain = !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let (keep, escape) = if plain { (Some(c), None) } else { (None, Some(c.escape_unicode())) };
    keep.into_iter().chain(escape.into_iter().flatten())
}
