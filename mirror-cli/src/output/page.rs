//! Builds the text of one report: rows with aligned columns, details, commands to paste.
//!
//! It knows how text looks, never what it says.

use mirror_core::report::NextCommand;

use super::sanitize::clean;
use super::style::{Look, Mark, Tone};

/// The text of one report, as it grows.
#[derive(Debug)]
pub struct Page {
    look: Look,
    text: String,
}

/// A piece of text with its tone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    tone: Tone,
    text: String,
}

/// One line of a table.
#[derive(Debug, Clone)]
pub struct Row {
    mark: Option<Mark>,
    cells: Vec<Cell>,
    below: Vec<String>,
}

impl Cell {
    /// A text in a tone.
    pub fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        Self { tone, text: clean(text.as_ref()) }
    }

    /// A text of no particular tone.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::new(Tone::Plain, text)
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl Row {
    /// A line that begins with a mark.
    pub fn marked(mark: Mark, cells: impl IntoIterator<Item = Cell>) -> Self {
        Self { mark: Some(mark), cells: cells.into_iter().collect(), below: Vec::new() }
    }

    /// A line without a mark.
    pub fn unmarked(cells: impl IntoIterator<Item = Cell>) -> Self {
        Self { mark: None, cells: cells.into_iter().collect(), below: Vec::new() }
    }

    /// Puts lines below the row, indented.
    #[must_use]
    pub fn with_below(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.below.extend(lines);
        self
    }
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new(look: Look) -> Self {
        Self { look, text: String::new() }
    }

    /// How text may look on it.
    #[must_use]
    pub fn look(&self) -> Look {
        self.look
    }

    /// Makes a text harmless, and paints it as the page's stream allows.
    #[must_use]
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        self.look.paint(tone, &clean(text))
    }

    /// Puts one line.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref().trim_end());
        self.text.push('\n');
    }

    /// Puts a line in a tone.
    pub fn toned(&mut self, tone: Tone, line: impl AsRef<str>) {
        let line = self.paint(tone, line.as_ref().trim_end());
        self.line(line);
    }

    /// Puts an empty line, where the page does not end with one already.
    pub fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Puts lines whose columns stand below each other; the last column is as long as it is.
    pub fn table(&mut self, rows: &[Row]) {
        let columns = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                // The last cell of a row may be long; nothing stands behind it.
                let inner = rows.iter().filter(|row| column + 1 < row.cells.len());
                inner.filter_map(|row| row.cells.get(column)).map(Cell::width).max().unwrap_or(0)
            })
            .collect();
        let marked = rows.iter().any(|row| row.mark.is_some());
        for row in rows {
            let mut line = String::new();
            if marked {
                match row.mark {
                    Some(mark) => line.push_str(&self.paint(mark.tone(), mark.sign(self.look.marks))),
                    None => line.push(' '),
                }
                line.push(' ');
            }
            for (column, cell) in row.cells.iter().enumerate() {
                line.push_str(&self.look.paint(cell.tone, &cell.text));
                if column + 1 < row.cells.len() {
                    line.push_str(&" ".repeat(widths[column] - cell.width() + 2));
                }
            }
            self.line(line);
            for below in &row.below {
                self.line(format!("    {below}"));
            }
        }
    }

    /// Puts the commands to run next, each on a line of its own, ready to paste.
    pub fn next(&mut self, commands: &[NextCommand]) {
        if commands.is_empty() {
            return;
        }
        self.gap();
        self.toned(Tone::Dim, "next:");
        for command in commands {
            let command = self.paint(Tone::Command, &command.to_string());
            self.line(format!("  {command}"));
        }
    }

    /// The finished text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}
