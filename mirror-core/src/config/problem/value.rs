//! Faults of single keys and values.

use std::fmt;

use miette::Diagnostic;

use crate::config::size::QuantityFault;

/// Why a key or value is not what belongs there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum ValueFault {
    /// A key that does not exist.
    #[error("unknown key `{key}`{}", within(path))]
    #[diagnostic(code(mirror::config::unknown_key), help("{}", known_keys(meant.as_deref(), known)))]
    UnknownKey {
        /// The key.
        key: String,
        /// The block it stands in.
        path: String,
        /// The key that was probably meant.
        meant: Option<String>,
        /// The keys that may stand there.
        known: Vec<&'static str>,
    },
    /// A key that has to be there.
    #[error("the key `{key}` is missing{}", within(path))]
    #[diagnostic(code(mirror::config::missing_key), help("add {example}"))]
    MissingKey {
        /// The key.
        key: &'static str,
        /// The block it belongs in.
        path: String,
        /// What it could look like.
        example: &'static str,
    },
    /// Another kind of value.
    #[error("{} is {found}, not {wanted}", named(path))]
    #[diagnostic(code(mirror::config::wrong_type), help("{}", wanted.example()))]
    WrongType {
        /// The path of the key.
        path: String,
        /// What stands there.
        found: &'static str,
        /// What belongs there.
        wanted: Wanted,
    },
    /// A text outside its set.
    #[error("`{path}` cannot be `{given}`")]
    #[diagnostic(code(mirror::config::choice), help("write {allowed}"))]
    Choice {
        /// The path of the key.
        path: String,
        /// What stands there.
        given: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// A duration that is none.
    #[error("`{path}` {fault}")]
    #[diagnostic(
        code(mirror::config::duration),
        help("write a duration as numbers with units, `d`, `h`, `m`, `s` or `ms`, such as `30s` or `1h30m`")
    )]
    Duration {
        /// The path of the key.
        path: String,
        /// What is wrong with it.
        fault: QuantityFault,
    },
    /// A duration of nothing.
    #[error("`{path}` is zero")]
    #[diagnostic(
        code(mirror::config::zero),
        help("write a duration above zero, such as `30s`; `git-mirror config show` has the defaults")
    )]
    Zero {
        /// The path of the key.
        path: String,
    },
    /// A size that is none.
    #[error("`{path}` {fault}")]
    #[diagnostic(
        code(mirror::config::size),
        help("write a size as a number and a unit, `B`, `KiB`, `MiB`, `GiB` or `TiB`, such as `2GiB`")
    )]
    Size {
        /// The path of the key.
        path: String,
        /// What is wrong with it.
        fault: QuantityFault,
    },
    /// A number outside its range.
    #[error("`{path}` is not a whole number from {least} to {most}")]
    #[diagnostic(code(mirror::config::number), help("write a number from {least} to {most}, without quotes"))]
    Number {
        /// The path of the key.
        path: String,
        /// The smallest that is allowed.
        least: u32,
        /// The largest that is allowed.
        most: u32,
    },
    /// A block that takes one of several forms, and has none or two of them.
    #[error("`{path}` is not written in exactly one of its forms")]
    #[diagnostic(code(mirror::config::one_of), help("write {rule}"))]
    OneOf {
        /// The path of the block.
        path: String,
        /// The forms.
        rule: &'static str,
    },
    /// A text with nothing in it.
    #[error("`{path}` is empty")]
    #[diagnostic(code(mirror::config::blank), help("write a value behind the key, or remove the key"))]
    Blank {
        /// The path of the key.
        path: String,
    },
    /// A passphrase for no file.
    #[error("`{path}` stands without `file`")]
    #[diagnostic(code(mirror::config::passphrase_alone), help("add `file: ~/.ssh/id_ed25519` beside it, or remove it"))]
    PassphraseAlone {
        /// The path of the key.
        path: String,
    },
    /// A text that is malformed.
    #[error("`{path}` is not {what}")]
    #[diagnostic(code(mirror::config::malformed), help("{rule}"))]
    Malformed {
        /// The path of the key.
        path: String,
        /// What it should be.
        what: &'static str,
        /// What that looks like.
        rule: &'static str,
    },
    /// A branch with its full name.
    #[error("`{path}` is a full ref name, not a branch name")]
    #[diagnostic(code(mirror::config::full_branch), help("write `{branch}`"))]
    FullBranch {
        /// The path of the key.
        path: String,
        /// The branch alone.
        branch: String,
    },
    /// An entry that stands twice in a list.
    #[error("`{entry}` stands twice in `{path}`")]
    #[diagnostic(code(mirror::config::repeated), help("remove one of the two"))]
    Repeated {
        /// The path of the list.
        path: String,
        /// The entry.
        entry: String,
    },
    /// A block that has to have an entry.
    #[error("`{path}` has no entry")]
    #[diagnostic(code(mirror::config::no_entry), help("add {example}"))]
    NoEntry {
        /// The path of the block.
        path: String,
        /// What could stand there.
        example: &'static str,
    },
}

/// The kinds of values that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Text or a number, taken as it is written.
    Text,
    /// A list.
    List,
    /// Keys and values.
    Block,
    /// `true` or `false`.
    Switch,
}

impl Wanted {
    fn example(self) -> &'static str {
        match self {
            Self::Text => "write one value behind the key",
            Self::List => "write a list, such as `[\"v*\"]`, even for one entry",
            Self::Block => "write keys and values, indented below the key",
            Self::Switch => "write `true` or `false`, without quotes",
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text",
            Self::List => "a list",
            Self::Block => "a block of keys",
            Self::Switch => "`true` or `false`",
        })
    }
}

fn named(path: &str) -> String {
    if path.is_empty() { "the configuration".to_owned() } else { format!("`{path}`") }
}

fn within(path: &str) -> String {
    if path.is_empty() { " at the top level".to_owned() } else { format!(" in `{path}`") }
}

fn known_keys(meant: Option<&str>, known: &[&str]) -> String {
    let list = known.join(", ");
    match meant {
        Some(meant) => format!("did you mean `{meant}`? The keys that may stand here: {list}"),
        None => format!("the keys that may stand here: {list}"),
    }
}
