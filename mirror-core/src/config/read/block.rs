//! Taking a block apart key by key: what was asked for, what is missing, and what nobody asked for.

use std::time::Duration;

use crate::config::duration::parse_duration;
use crate::config::finding::Finding;
use crate::config::mask::secret_key;
use crate::config::problem::{Problem, ValueFault, Wanted};
use crate::config::similar::closest;
use crate::config::size::ByteSize;
use crate::config::tree::{Key, Span, Tree, Value};

/// Everything found wrong so far.
pub(super) type Found = Vec<Finding>;

/// A value that was read, with its place.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// A value of the file under its key, or in a list.
#[derive(Debug, Clone)]
pub(super) struct Field<'t> {
    /// The path of the keys that lead to it.
    pub(super) path: String,
    /// Where its key stands; for an entry of a list, where the list's key stands.
    pub(super) key: Span,
    tree: &'t Tree,
}

/// A block whose keys are being taken out.
#[derive(Debug)]
pub(super) struct Block<'t> {
    path: String,
    key: Span,
    entries: &'t [(Key, Tree)],
    asked: Vec<&'static str>,
    foreign: Vec<&'static str>,
    missing: Vec<(&'static str, &'static str)>,
}

impl<'t> Field<'t> {
    /// Takes the whole document.
    pub(super) fn root(tree: &'t Tree) -> Self {
        Self { path: String::new(), key: tree.span.start..tree.span.start + 1, tree }
    }

    /// Where a fault in the value is shown: at the value, or at the key where that can be underlined better.
    pub(super) fn span(&self) -> Span {
        match &self.tree.value {
            Value::Scalar(_) if !self.tree.span.is_empty() => self.tree.span.clone(),
            Value::Scalar(_) | Value::Null | Value::List(_) | Value::Block(_) => self.key.clone(),
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.tree.value, Value::Null)
    }

    pub(super) fn is_block(&self) -> bool {
        matches!(self.tree.value, Value::Block(_))
    }

    pub(super) fn is_empty_block(&self) -> bool {
        matches!(&self.tree.value, Value::Block(entries) if entries.is_empty())
    }

    /// Reports something about this value.
    pub(super) fn report(&self, found: &mut Found, problem: impl Into<Problem>, label: impl Into<String>) {
        found.push(Finding::new(problem, self.span(), label));
    }

    fn wrong_type(&self, found: &mut Found, wanted: Wanted) {
        let what = match &self.tree.value {
            Value::Null => "empty",
            Value::Scalar(_) => "a text",
            Value::List(_) => "a list",
            Value::Block(_) => "a block of keys",
        };
        self.report(
            found,
            ValueFault::WrongType { path: self.path.clone(), found: what, wanted },
            format!("not {wanted}"),
        );
    }

    /// Takes any value that is written as one text; numbers are taken as they are written.
    pub(super) fn text(&self, found: &mut Found) -> Option<At<&'t str>> {
        match &self.tree.value {
            Value::Scalar(scalar) if !scalar.text.trim().is_empty() => {
                Some(At { value: &scalar.text, span: self.span() })
            }
            Value::Scalar(_) => {
                self.report(found, ValueFault::Blank { path: self.path.clone() }, "nothing here");
                None
            }
            Value::Null | Value::List(_) | Value::Block(_) => {
                self.wrong_type(found, Wanted::Text);
                None
            }
        }
    }

    /// Takes a text that `parse` accepts.
    pub(super) fn parsed<T, E: Into<Problem>>(
        &self,
        found: &mut Found,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<At<T>> {
        let text = self.text(found)?;
        match parse(text.value) {
            Ok(value) => Some(At { value, span: text.span }),
            Err(problem) => {
                self.report(found, problem, "here");
                None
            }
        }
    }

    /// Takes a text that keeps a rule of its own.
    pub(super) fn checked(
        &self,
        found: &mut Found,
        holds: impl FnOnce(&str) -> bool,
        what: &'static str,
        rule: &'static str,
    ) -> Option<String> {
        let text = self.text(found)?;
        if holds(text.value) {
            return Some(text.value.to_owned());
        }
        self.malformed(found, what, rule);
        None
    }

    /// Takes a path of this machine, as it is written.
    pub(super) fn file_path(&self, found: &mut Found) -> Option<String> {
        self.text(found).map(|text| text.value.to_owned())
    }

    pub(super) fn malformed(&self, found: &mut Found, what: &'static str, rule: &'static str) {
        self.report(found, ValueFault::Malformed { path: self.path.clone(), what, rule }, format!("not {what}"));
    }

    /// Reports a text outside its set.
    pub(super) fn not_one_of(&self, found: &mut Found, given: &str, allowed: &'static str) {
        let fault = ValueFault::Choice { path: self.path.clone(), given: given.to_owned(), allowed };
        self.report(found, fault, "not one of the values");
    }

    pub(super) fn duration(&self, found: &mut Found) -> Option<Duration> {
        self.parsed(found, |text| {
            parse_duration(text).map_err(|fault| ValueFault::Duration { path: self.path.clone(), fault })
        })
        .map(|at| at.value)
    }

    pub(super) fn duration_above_zero(&self, found: &mut Found) -> Option<Duration> {
        let duration = self.duration(found)?;
        if duration.is_zero() {
            self.report(found, ValueFault::Zero { path: self.path.clone() }, "no time at all");
            return None;
        }
        Some(duration)
    }

    pub(super) fn size(&self, found: &mut Found) -> Option<ByteSize> {
        self.parsed(found, |text| {
            ByteSize::parse(text).map_err(|fault| ValueFault::Size { path: self.path.clone(), fault })
        })
        .map(|at| at.value)
    }

    pub(super) fn number(&self, found: &mut Found, least: u32, most: u32) -> Option<u32> {
        self.parsed(found, |text| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse().ok().filter(|number| digits && (least..=most).contains(number));
            number.ok_or(ValueFault::Number { path: self.path.clone(), least, most })
        })
        .map(|at| at.value)
    }

    pub(super) fn port(&self, found: &mut Found) -> Option<u16> {
        let number = self.number(found, 1, u32::from(u16::MAX))?;
        u16::try_from(number).ok()
    }

    pub(super) fn switch(&self, found: &mut Found) -> Option<bool> {
        match &self.tree.value {
            Value::Scalar(scalar) if scalar.text == "true" => Some(true),
            Value::Scalar(scalar) if scalar.text == "false" => Some(false),
            _ => {
                self.wrong_type(found, Wanted::Switch);
                None
            }
        }
    }

    /// Takes the entries of a list.
    pub(super) fn list(&self, found: &mut Found) -> Vec<Field<'t>> {
        match &self.tree.value {
            Value::List(items) => {
                let entry = |(at, tree)| Field { path: format!("{}[{at}]", self.path), key: self.key.clone(), tree };
                items.iter().enumerate().map(entry).collect()
            }
            Value::Null => Vec::new(),
            Value::Scalar(_) | Value::Block(_) => {
                self.wrong_type(found, Wanted::List);
                Vec::new()
            }
        }
    }

    /// Takes the keys of a block. An empty value is a block without keys.
    pub(super) fn block(&self, found: &mut Found) -> Option<Block<'t>> {
        let entries: &[(Key, Tree)] = match &self.tree.value {
            Value::Block(entries) => entries,
            Value::Null => &[],
            Value::Scalar(_) | Value::List(_) => {
                self.wrong_type(found, Wanted::Block);
                return None;
            }
        };
        Some(Block {
            path: self.path.clone(),
            key: self.key.clone(),
            entries,
            asked: Vec::new(),
            foreign: Vec::new(),
            missing: Vec::new(),
        })
    }
}

impl<'t> Block<'t> {
    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes a key that may be left out. An empty value counts as left out.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Field<'t>> {
        self.take_even_empty(key).filter(|field| !field.is_null())
    }

    /// Takes a key for which an empty value says something.
    pub(super) fn take_even_empty(&mut self, key: &'static str) -> Option<Field<'t>> {
        self.asked.push(key);
        let (at, tree) = self.entries.iter().find(|(at, _)| at.text == key)?;
        Some(Field { path: self.path_of(key), key: at.span.clone(), tree })
    }

    /// Takes a key that stands in other blocks of this kind: it is no misspelling, and is not offered as one that may stand here.
    pub(super) fn take_foreign(&mut self, key: &'static str) -> Option<Field<'t>> {
        self.foreign.push(key);
        let (at, tree) = self.entries.iter().find(|(at, _)| at.text == key)?;
        Some(Field { path: self.path_of(key), key: at.span.clone(), tree })
    }

    /// Takes a key that has to be there; `example` shows it in full.
    pub(super) fn need(&mut self, key: &'static str, example: &'static str) -> Option<Field<'t>> {
        let field = self.take(key);
        if field.is_none() {
            self.missing.push((key, example));
        }
        field
    }

    /// Takes all keys of a block whose keys are names.
    pub(super) fn named(self) -> impl Iterator<Item = (At<&'t str>, Field<'t>)> {
        let path = self.path;
        self.entries.iter().map(move |(key, tree)| {
            let name = At { value: key.text.as_str(), span: key.span.clone() };
            let path = if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
            (name, Field { path, key: key.span.clone(), tree })
        })
    }

    /// Reports what is missing, and what nobody asked for.
    pub(super) fn finish(self, found: &mut Found) {
        let mut meant_keys = Vec::new();
        for (key, _) in self.entries {
            // Keys that are about secrets are reported by what refuses them.
            let taken = self.asked.iter().chain(&self.foreign).any(|known| *known == key.text);
            if taken || secret_key(&key.text).is_some() {
                continue;
            }
            let free =
                self.asked.iter().copied().filter(|known| !self.entries.iter().any(|(key, _)| key.text == *known));
            let meant = closest(&key.text, free);
            meant_keys.extend(meant);
            let fault = ValueFault::UnknownKey {
                key: key.text.clone(),
                path: self.path.clone(),
                meant: meant.map(str::to_owned),
                known: self.asked.clone(),
            };
            found.push(Finding::new(fault, key.span.clone(), "unknown key"));
        }
        for (key, example) in self.missing {
            if !meant_keys.contains(&key) {
                let fault = ValueFault::MissingKey { key, path: self.path.clone(), example };
                found.push(Finding::new(fault, self.key.clone(), format!("`{key}` is missing here")));
            }
        }
    }
}
