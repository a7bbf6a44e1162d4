//! Faults of the file as YAML.

use miette::Diagnostic;

/// Why a file is not the YAML that is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum FormFault {
    /// Nothing stands in it.
    #[error("the configuration is empty")]
    #[diagnostic(code(mirror::config::empty), help("`git-mirror init` writes one for a repository"))]
    Empty,
    /// It is not text.
    #[error("the configuration is not a text file: line {line} has the byte 0x{byte:02x} in it (offset {at})")]
    #[diagnostic(code(mirror::config::binary), help("name the YAML file with `-f FILE`, and save it as UTF-8"))]
    Binary {
        /// Where the byte stands.
        at: usize,
        /// The line it stands on.
        line: usize,
        /// The byte, or the control character.
        byte: u32,
    },
    /// It is longer than any configuration.
    #[error("the configuration is longer than {limit} bytes")]
    #[diagnostic(
        code(mirror::config::too_long),
        help("name the configuration with `-f FILE`; this is another kind of file")
    )]
    TooLong {
        /// The longest that is read.
        limit: usize,
    },
    /// The parser gave up.
    #[error("this is not YAML: {words}")]
    #[diagnostic(
        code(mirror::config::syntax),
        help(
            "indent with spaces, and put quotes round a value with `: ` or ` #` in it or a special character at its beginning"
        )
    )]
    Syntax {
        /// What the parser says.
        words: String,
    },
    /// There are several documents in it.
    #[error("the file has more than one document")]
    #[diagnostic(
        code(mirror::config::documents),
        help("write the whole configuration into one document: one file is the only truth")
    )]
    Documents,
    /// Nested without measure.
    #[error("the values are nested more than {limit} levels deep")]
    #[diagnostic(code(mirror::config::too_deep), help("`git-mirror config schema` shows what may stand where"))]
    TooDeep {
        /// The deepest nesting that is read.
        limit: usize,
    },
    /// More values than any configuration has, by aliases or otherwise.
    #[error("the file has more than {limit} values, aliases written out")]
    #[diagnostic(code(mirror::config::too_many), help("write values out instead of multiplying them by aliases"))]
    TooMany {
        /// The most that are read.
        limit: usize,
    },
    /// An anchor that contains its own alias.
    #[error("an alias stands inside what it refers to")]
    #[diagnostic(code(mirror::config::alias), help("write the value out"))]
    AliasOfItself,
    /// A type tag.
    #[error("a YAML tag stands in front of a value")]
    #[diagnostic(
        code(mirror::config::tag),
        help("remove the tag: every key has one type, which `git-mirror config schema` shows")
    )]
    Tag,
    /// A merge key.
    #[error("merge keys are not read")]
    #[diagnostic(
        code(mirror::config::merge_key),
        help("write the keys out; what all nodes share belongs under `githubTransport`")
    )]
    MergeKey,
    /// A key that is no text.
    #[error("a key is not a plain text")]
    #[diagnostic(code(mirror::config::key_form), help("write `key: value`"))]
    KeyForm,
    /// A key that stands twice in a block.
    #[error("the key `{key}` stands twice in one block")]
    #[diagnostic(code(mirror::config::duplicate_key), help("remove one of the two: which one counts would be a guess"))]
    DuplicateKey {
        /// The key.
        key: String,
    },
}
