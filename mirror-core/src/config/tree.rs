//! A YAML document as values with places, read within bounds; it knows nothing of what a configuration means.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_yaml::granit_parser::{Event, Marker, Parser, ScalarStyle, Span as EventSpan};

use super::finding::Finding;
use super::mask::{Hidden, hidden, mask};
use super::problem::FormFault;

/// The bytes of the file that something was read from.
pub(super) type Span = Range<usize>;

/// The longest file that is read.
const BYTES: usize = 1 << 20;
/// The deepest nesting; a configuration has seven levels.
const DEPTH: usize = 24;
/// The most values, aliases written out.
const VALUES: usize = 20_000;

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// Where it stands. For a block or a list only where it begins.
    pub(super) span: Span,
    /// What stands there.
    pub(super) value: Value,
}

/// What can stand in a YAML file.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text, as written; numbers and booleans are texts here, and become what the reader asks for.
    Scalar(Scalar),
    /// A list.
    List(Vec<Tree>),
    /// Keys and values, in the order of the file.
    Block(Vec<(Key, Tree)>),
}

/// A text from the file. What was recognised as a secret is masked in it, so that no message can repeat one.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    /// The text, masked.
    pub(super) text: String,
    /// What was masked, where it is a fault wherever it stands.
    pub(super) hidden: Option<Hidden>,
}

/// A key of a block, masked as a text is.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// Where it stands.
    pub(super) span: Span,
    /// The key.
    pub(super) text: String,
}

/// Reads a document.
///
/// # Errors
/// The first thing that is not the YAML of a configuration: a binary or endless file, a syntax error, nesting or aliases
/// without measure. Keys that stand twice do not end the reading; they are found together with what is wrong in the values.
pub(super) fn parse_tree(text: &str, found: &mut Vec<Finding>) -> Result<Tree, Finding> {
    if text.len() > BYTES {
        return Err(Finding::bare(FormFault::TooLong { limit: BYTES }));
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        return Err(Finding::bare(FormFault::Binary {
            at,
            line: 1 + text[..at].matches('\n').count(),
            byte: u32::from(c),
        }));
    }
    let mut builder =
        Builder { text, found, open: Vec::new(), root: None, anchors: BTreeMap::new(), values: 0, documents: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = offset(text, error.marker());
            Finding::new(FormFault::Syntax { words: error.info() }, visible(text, at..at), "here")
        })?;
        builder.take(event, &span)?;
    }
    match builder.root {
        Some(tree) if !matches!(tree.value, Value::Null) => Ok(tree),
        _ => Err(Finding::bare(FormFault::Empty)),
    }
}

/// A block or list whose end has not come yet.
struct Open {
    span: Span,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Tree>),
    Block { entries: Vec<(Key, Tree)>, key: Option<Key> },
}

struct Builder<'a> {
    text: &'a str,
    found: &'a mut Vec<Finding>,
    open: Vec<Open>,
    root: Option<Tree>,
    /// What each anchor stands for, with the number of its values; nothing while it is still open.
    anchors: BTreeMap<usize, (Tree, usize)>,
    values: usize,
    documents: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: &EventSpan) -> Result<(), Finding> {
        let at = offset(self.text, &span.start)..offset(self.text, &span.end);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Finding::new(FormFault::Documents, visible(self.text, at), "the second one"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span)?;
                let plain = style == ScalarStyle::Plain;
                let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value =
                    if null { Value::Null } else { Value::Scalar(Scalar { text: mask(&text), hidden: hidden(&text) }) };
                self.count(1, &at)?;
                self.finish(Tree { span: at, value }, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span)?;
                self.begin(at, anchor, OpenKind::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span)?;
                self.begin(at, anchor, OpenKind::Block { entries: Vec::new(), key: None })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                let Some((tree, values)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Finding::new(FormFault::AliasOfItself, visible(self.text, at), "this alias"));
                };
                self.count(values, &at)?;
                self.finish(tree, 0)?;
            }
            // `Event` has further variants only behind options that are not set.
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: Span, anchor: usize, kind: OpenKind) -> Result<(), Finding> {
        self.count(1, &at)?;
        if self.open.len() == DEPTH {
            return Err(Finding::new(
                FormFault::TooDeep { limit: DEPTH },
                visible(self.text, at),
                "one level too many",
            ));
        }
        self.open.push(Open { span: at, anchor, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Finding> {
        let Some(Open { span, anchor, kind }) = self.open.pop() else {
            return Ok(());
        };
        let value = match kind {
            OpenKind::List(items) => Value::List(items),
            OpenKind::Block { entries, .. } => Value::Block(entries),
        };
        self.finish(Tree { span, value }, anchor)
    }

    /// Puts a complete value where it belongs.
    fn finish(&mut self, tree: Tree, anchor: usize) -> Result<(), Finding> {
        if anchor != 0 {
            let values = count_values(&tree);
            self.anchors.insert(anchor, (tree.clone(), values));
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(tree),
            Some(OpenKind::List(items)) => items.push(tree),
            Some(OpenKind::Block { entries, key }) => match key.take() {
                None => *key = Some(as_key(self.text, tree)?),
                Some(key) => {
                    if let Some((first, _)) = entries.iter().find(|(other, _)| other.text == key.text) {
                        let fault = FormFault::DuplicateKey { key: key.text.clone() };
                        let again = Finding::new(fault, key.span.clone(), "again here");
                        self.found.push(again.also(first.span.clone(), "first here"));
                    } else {
                        entries.push((key, tree));
                    }
                }
            },
        }
        Ok(())
    }

    fn count(&mut self, values: usize, at: &Span) -> Result<(), Finding> {
        self.values = self.values.saturating_add(values);
        if self.values > VALUES {
            return Err(Finding::new(
                FormFault::TooMany { limit: VALUES },
                visible(self.text, at.clone()),
                "too much from here on",
            ));
        }
        Ok(())
    }

    fn refuse_tag(&self, tag: bool, span: &EventSpan) -> Result<(), Finding> {
        if !tag {
            return Ok(());
        }
        let start = span.tag_start.as_ref().unwrap_or(&span.start);
        let at = offset(self.text, start);
        Err(Finding::new(FormFault::Tag, visible(self.text, at..at), "this tag"))
    }
}

fn as_key(text: &str, tree: Tree) -> Result<Key, Finding> {
    match tree.value {
        Value::Scalar(key) if key.text == "<<" => {
            Err(Finding::new(FormFault::MergeKey, visible(text, tree.span), "a merge key"))
        }
        Value::Scalar(key) => Ok(Key { span: visible(text, tree.span), text: key.text }),
        Value::Null | Value::List(_) | Value::Block(_) => {
            Err(Finding::new(FormFault::KeyForm, visible(text, tree.span), "this key"))
        }
    }
}

fn count_values(tree: &Tree) -> usize {
    1 + match &tree.value {
        Value::Null | Value::Scalar(_) => 0,
        Value::List(items) => items.iter().map(count_values).sum(),
        Value::Block(entries) => entries.iter().map(|(_, value)| count_values(value)).sum(),
    }
}

fn offset(text: &str, marker: &Marker) -> usize {
    match marker.byte_offset() {
        Some(at) => at.min(text.len()),
        None => text.char_indices().nth(marker.index()).map_or(text.len(), |(at, _)| at),
    }
}

/// Gives a span something to underline: at least one character, at most to the end of the line.
pub(super) fn visible(text: &str, span: Span) -> Span {
    let start = span.start.min(text.len());
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = text[start..line_end].trim_end();
    if span.end > start {
        return start..span.end.min(start + line.len()).max(start);
    }
    let first = line.chars().next().map_or(0, char::len_utf8);
    start..start + first
}
