//! Rewrites one command line.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use mirror_core::fault::{Classified, FaultClass, Retry};

/// The name under which the program takes the seed's grammar.
const NAME: &str = "hwlab";
/// The global options of the product that take a value, which may stand before `hwlab`.
const WITH_VALUE: [&str; 4] = ["-f", "--file", "-o", "--output"];

/// Why words behind `hwlab` could not be rewritten.
#[derive(Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum GrammarError {
    /// No target stands behind `hwlab`, or no area behind the target.
    #[error("`hwlab {}` is not a whole command", given.join(" "))]
    #[diagnostic(
        code(mirror::usage::hwlab_incomplete),
        help(
            "write `hwlab <node> git-mirror <verb> …` or `hwlab nodes git-mirror <verb> --node <node> …`; `git-mirror --help` lists the verbs"
        )
    )]
    Incomplete {
        /// The words behind `hwlab`.
        given: Vec<String>,
    },
    /// The word that should say `git-mirror` or `control-plane` says something else.
    #[error("`hwlab {target}` has no `{found}`")]
    #[diagnostic(
        code(mirror::usage::hwlab_area),
        help(
            "behind `hwlab {target}` stands `git-mirror` or `control-plane`, as in `hwlab {target} git-mirror status`"
        )
    )]
    Area {
        /// The node, or `nodes`.
        target: String,
        /// What was found.
        found: String,
    },
    /// Two different nodes in one command line.
    #[error("two nodes are named: `{behind_hwlab}` behind hwlab, and `--node {option}`")]
    #[diagnostic(
        code(mirror::usage::hwlab_two_nodes),
        help("name the node once; with `--node` the form is `hwlab nodes git-mirror <verb> --node {option}`")
    )]
    TwoNodes {
        /// The node behind `hwlab`.
        behind_hwlab: String,
        /// The node behind `--node`.
        option: String,
    },
}

impl Classified for GrammarError {
    fn class(&self) -> FaultClass {
        FaultClass::Usage
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// Rewrites a whole command line, program name first, to the product's grammar. One that is in it already comes back as it was.
///
/// # Errors
/// [`GrammarError`] where the words behind `hwlab` are in neither grammar.
pub fn rewrite(argv: Vec<OsString>) -> Result<Vec<OsString>, GrammarError> {
    let program = argv.first().cloned().unwrap_or_else(|| OsString::from("git-mirror"));
    let words = argv.get(1..).unwrap_or_default();
    let (globals, rest) = words.split_at(leading_globals(words));
    let seed = if is_called_hwlab(&program) {
        match rest.split_first() {
            Some((first, behind)) if first == NAME => behind,
            _ => rest,
        }
    } else if let Some((first, behind)) = rest.split_first()
        && first == NAME
    {
        behind
    } else {
        return Ok(argv);
    };
    let mut out = vec![program];
    out.extend_from_slice(globals);
    if seed.is_empty() && !globals.is_empty() {
        return Ok(out);
    }
    out.extend(rewrite_words(seed)?);
    Ok(out)
}

fn is_called_hwlab(program: &OsStr) -> bool {
    Path::new(program).file_stem().is_some_and(|stem| stem == NAME)
}

/// Counts the words at the start that are options of the program itself.
fn leading_globals(words: &[OsString]) -> usize {
    let mut count = 0;
    while let Some(word) = words.get(count) {
        if !word.as_encoded_bytes().starts_with(b"-") || word == "--" {
            break;
        }
        count += if WITH_VALUE.iter().any(|option| word == option) { 2 } else { 1 };
    }
    count.min(words.len())
}

fn rewrite_words(seed: &[OsString]) -> Result<Vec<OsString>, GrammarError> {
    let spelt = |word: &OsString| word.to_string_lossy().into_owned();
    let (target, area, rest) = match seed {
        [] => return Ok(vec![OsString::from("--help")]),
        [only] if ["help", "--help", "-h"].iter().any(|word| only == word) => {
            return Ok(vec![OsString::from("--help")]);
        }
        [target, area, rest @ ..] => (target, area, rest),
        [_] => return Err(GrammarError::Incomplete { given: seed.iter().map(spelt).collect() }),
    };
    let mut out: Vec<OsString> = if area == "git-mirror" {
        if rest.is_empty() {
            return Err(GrammarError::Incomplete { given: seed.iter().map(spelt).collect() });
        }
        Vec::new()
    } else if area == "control-plane" {
        vec![OsString::from("control-plane")]
    } else {
        return Err(GrammarError::Area { target: spelt(target), found: spelt(area) });
    };
    out.extend_from_slice(rest);
    if target == "nodes" {
        return Ok(out);
    }
    match named_node(rest) {
        Some(option) if option.eq_ignore_ascii_case(&spelt(target)) => {}
        Some(option) => return Err(GrammarError::TwoNodes { behind_hwlab: spelt(target), option }),
        None => out.extend([OsString::from("--node"), target.clone()]),
    }
    Ok(out)
}

/// Finds the value of `--node` among the words of a verb.
fn named_node(words: &[OsString]) -> Option<String> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let word = word.to_string_lossy();
        if word == "--node" {
            return words.next().map(|value| value.to_string_lossy().into_owned());
        }
        if let Some(value) = word.strip_prefix("--node=") {
            return Some(value.to_owned());
        }
    }
    None
}
