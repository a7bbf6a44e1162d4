//! The form of the token file, read strictly, and what it knows of a presented token.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::str::FromStr;

use jiff::Timestamp;
use mirror_core::name::LaneName;
use serde::{Deserialize, Serialize};
use serde_yaml::Spanned;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::error::TokensError;
use super::token::{PREFIX, TokenHash};

const API_VERSION: &str = "git-mirror/v1";
const KIND: &str = "Tokens";
/// A file of some thousand tokens; anything larger is not one of ours.
const FILE_LIMIT: u64 = 1 << 20;
const NAME_LIMIT: usize = 64;

/// The name of a writer, as it stands in the journal, in logs and in refusals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterName(String);

/// A text that is no name of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a writer's name has 1 to {NAME_LIMIT} ASCII letters, digits, `.`, `_` and `-`, and begins with a letter or digit"
)]
pub struct WriterNameError;

impl WriterName {
    /// Gives the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WriterName {
    type Err = WriterNameError;

    fn from_str(text: &str) -> Result<Self, WriterNameError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_name = text.len() <= NAME_LIMIT
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(is_plain)
            // A token in the place of its name would be shown everywhere.
            && !text.starts_with(PREFIX);
        if is_name { Ok(Self(text.to_owned())) } else { Err(WriterNameError) }
    }
}

impl fmt::Display for WriterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One token of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// Whose it is.
    pub name: WriterName,
    /// What the token hashes to.
    pub hash: TokenHash,
    /// The lanes it is good for; without it, all.
    pub lanes: Option<BTreeSet<LaneName>>,
    /// From when on it is good for nothing; without it, never.
    pub expires: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
}

impl TokenEntry {
    /// Says whether the token is good for nothing any more.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// The tokens of a file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenFile {
    /// The tokens; names and hashes are there once each.
    pub tokens: Vec<TokenEntry>,
}

impl TokenFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TokensError::Missing`], what the system refused, and those of [`TokenFile::parse`].
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        let failed = |action, source: std::io::Error| match source.kind() {
            ErrorKind::NotFound => TokensError::Missing { path: path.to_owned() },
            _ => TokensError::Io { action, path: path.to_owned(), source },
        };
        let file = File::open(path).map_err(|source| failed("open", source))?;
        let mut text = Vec::new();
        file.take(FILE_LIMIT + 1).read_to_end(&mut text).map_err(|source| failed("read", source))?;
        let shown = path.display().to_string();
        let malformed = |fault: String, repair: &str| TokensError::Malformed {
            file: shown.clone(),
            line: 1,
            fault,
            repair: repair.to_owned(),
        };
        if text.len() as u64 > FILE_LIMIT {
            let fault = format!("the file has more than {FILE_LIMIT} bytes");
            return Err(malformed(fault, "point `serve.tokens` at a file that `git-mirror token new` wrote"));
        }
        match String::from_utf8(text) {
            Ok(text) => Self::parse(&shown, &text),
            Err(_) => Err(malformed(
                "the file is not text in UTF-8".to_owned(),
                "point `serve.tokens` at a file that `git-mirror token new` wrote",
            )),
        }
    }

    /// Reads the text of a file; `file` is the name that errors show.
    ///
    /// # Errors
    /// [`TokensError::Malformed`]: the first thing that is wrong, with its line and its repair.
    pub fn parse(file: &str, text: &str) -> Result<Self, TokensError> {
        let at = |line: u64, fault: String, repair: &str| TokensError::Malformed {
            file: file.to_owned(),
            line,
            fault: without_tokens(&fault),
            repair: repair.to_owned(),
        };
        let form: FileForm = serde_yaml::from_str(text).map_err(|error| {
            let line = error.location().map_or(1, |place| place.line().max(1));
            at(
                line,
                words(&error),
                "write the file as `git-mirror token new` does: apiVersion, kind, and a list `tokens`",
            )
        })?;
        for (found, expect, key) in [(&form.api_version, API_VERSION, "apiVersion"), (&form.kind, KIND, "kind")] {
            if found.value != expect {
                let fault = format!("{key} is `{}`", shortened(&found.value));
                return Err(at(line_of(found), fault, &format!("write `{key}: {expect}`")));
            }
        }
        let mut tokens = Vec::<TokenEntry>::with_capacity(form.tokens.len());
        let mut names = BTreeMap::new();
        for form in form.tokens {
            let line = line_of(&form.name);
            let entry = form.read().map_err(|(line, fault, repair)| at(line, fault, repair))?;
            if let Some(first) = names.insert(entry.name.clone(), line) {
                let fault = format!("{} stands here again, after line {first}", entry.name);
                return Err(at(line, fault, "give each token a name of its own"));
            }
            if let Some(same) = tokens.iter().find(|other| other.hash == entry.hash) {
                let fault = format!("{} has the same hash as {}", entry.name, same.name);
                return Err(at(line, fault, "make each writer a token of its own with `git-mirror token new`"));
            }
            tokens.push(entry);
        }
        Ok(Self { tokens })
    }

    /// Writes the text of the file.
    #[must_use]
    pub fn show(&self) -> String {
        let form = RefsCache {
            api_version: API_VERSION,
            kind: KIND,
            tokens: self.tokens.iter().map(ShownEntry::of).collect(),
        };
        let body = serde_yaml::to_string(&form).expect("because the form holds only texts and lists");
        format!(
            "# The writers of git-mirror. Hashes only: a token is shown once, by `git-mirror token new NAME`.\n{body}"
        )
    }

    /// Finds whose token was presented; `None` where it is nobody's, or has expired.
    #[must_use]
    pub fn verify(&self, presented: &str, now: Timestamp) -> Option<&TokenEntry> {
        self.find(presented).filter(|entry| !entry.has_expired(now))
    }

    /// Finds whose token was presented, expired or not. The time it takes does not depend on whose it is, nor on how much of a token is right.
    #[must_use]
    pub fn find(&self, presented: &str) -> Option<&TokenEntry> {
        let presented = TokenHash::of(presented);
        let mut found = u64::MAX;
        for (number, entry) in (0_u64..).zip(&self.tokens) {
            found.conditional_assign(&number, entry.hash.ct_eq(&presented));
        }
        self.tokens.get(usize::try_from(found).ok()?)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileForm {
    api_version: Spanned<String>,
    kind: Spanned<String>,
    #[serde(default)]
    tokens: Vec<EntryForm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EntryForm {
    name: Spanned<String>,
    hash: Spanned<String>,
    #[serde(default)]
    lanes: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    expires: Option<Spanned<String>>,
    created: Spanned<String>,
}

type Wrong = (u64, String, &'static str);

impl EntryForm {
    fn read(self) -> Result<TokenEntry, Wrong> {
        let name: WriterName = self.name.value.parse().map_err(|error: WriterNameError| {
            (
                line_of(&self.name),
                format!("`{}` is no name of a writer", shortened(&self.name.value)),
                name_repair(error),
            )
        })?;
        // What stands here may be the token itself; it is not repeated.
        let hash = TokenHash::parse(&self.hash.value).ok_or_else(|| {
            let fault = format!("the hash of {name} is not `sha256:` and 64 hexadecimal digits");
            (
                line_of(&self.hash),
                fault,
                "make a new token with `git-mirror token new`; a token itself never stands here",
            )
        })?;
        let lanes = match self.lanes {
            None => None,
            Some(lanes) if lanes.is_empty() => {
                let fault = format!("{name} has an empty list of lanes");
                return Err((
                    line_of(&self.name),
                    fault,
                    "name the lanes it is good for, or leave `lanes` out for all",
                ));
            }
            Some(lanes) => Some(lanes.iter().map(|lane| read_lane(&name, lane)).collect::<Result<_, _>>()?),
        };
        let expires = self.expires.as_ref().map(|time| read_time(&name, "expires", time)).transpose()?;
        let created = read_time(&name, "created", &self.created)?;
        Ok(TokenEntry { name, hash, lanes, expires, created })
    }
}

fn name_repair(WriterNameError: WriterNameError) -> &'static str {
    "use 1 to 64 letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
}

fn read_lane(name: &WriterName, lane: &Spanned<String>) -> Result<LaneName, Wrong> {
    LaneName::parse(&lane.value).map_err(|error| {
        (line_of(lane), format!("a lane of {name}: {error}"), "name a lane as it stands in the configuration")
    })
}

fn read_time(name: &WriterName, key: &str, time: &Spanned<String>) -> Result<Timestamp, Wrong> {
    time.value.parse().map_err(|_| {
        let fault = format!("`{key}` of {name} is `{}`, which is no time", shortened(&time.value));
        (line_of(time), fault, "write a time with its zone, such as 2030-01-31T12:00:00Z")
    })
}

fn line_of<T>(value: &Spanned<T>) -> u64 {
    value.referenced.line().max(1)
}

/// What the parser says, without the piece of the file that it would show.
fn words(error: &serde_yaml::Error) -> String {
    let text = error.without_snippet().to_string();
    text.lines().next().unwrap_or("not YAML").to_owned()
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// Hides what looks like a token, wherever somebody put it.
fn without_tokens(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(PREFIX) {
        let (before, token) = rest.split_at(at + PREFIX.len());
        shown.push_str(before);
        shown.push('…');
        rest = token.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    }
    shown.push_str(rest);
    shown
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefsCache<'a> {
    api_version: &'static str,
    kind: &'static str,
    tokens: Vec<ShownEntry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownEntry<'a> {
    name: &'a str,
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lanes: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    created: String,
}

impl<'a> ShownEntry<'a> {
    fn of(entry: &'a TokenEntry) -> Self {
        Self {
            name: entry.name.as_str(),
            hash: entry.hash.write(),
            lanes: entry.lanes.as_ref().map(|lanes| lanes.iter().map(LaneName::as_str).collect()),
            expires: entry.expires.map(|time| time.to_string()),
            created: entry.created.to_string(),
        }
    }
}
