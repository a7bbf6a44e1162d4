//! How text may look on one stream: colour or not, marks, width.

use anstyle::{AnsiColor, Style};

use crate::environment::{Environment, Stream};

/// The width of text that goes to no terminal.
const PLAIN_WIDTH: usize = 120;

/// How text may look on one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether it is painted.
    pub colour: Colour,
    /// Which characters the marks are made of.
    pub marks: Marks,
    /// Characters on a line.
    pub width: usize,
}

/// Whether text is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// Which characters marks and lines are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// `✓ ! ✗`.
    Unicode,
    /// `ok ! x`, for terminals that say they are dumb.
    Ascii,
}

/// What a piece of text says by its colour; every tone is readable without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As wanted.
    Good,
    /// A finding.
    Warn,
    /// Failed.
    Bad,
    /// Of second rank.
    Dim,
    /// A name or a heading.
    Strong,
    /// A command to paste.
    Command,
    /// Nothing in particular.
    Plain,
}

/// How one lane, step or check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Failed.
    Failed,
    /// A finding that wants something done.
    Finding,
    /// Something would be done, or is on its way.
    Open,
    /// As wanted.
    Good,
}

impl Look {
    /// Text without paint, for files, pipes and tests.
    pub const PLAIN: Self = Self { colour: Colour::Off, marks: Marks::Unicode, width: PLAIN_WIDTH };

    /// Decides how text may look on a stream.
    ///
    /// `NO_COLOR` wins over all, then `CLICOLOR_FORCE`; otherwise colour is for terminals that are not dumb and where `CLICOLOR` is not 0.
    #[must_use]
    pub fn of(stream: Stream, environment: &Environment) -> Self {
        let set = |name: &str, value: &str| environment.variable(name).is_some_and(|found| found == value);
        let dumb = set("TERM", "dumb");
        let forced = environment.variable("CLICOLOR_FORCE").is_some() && !set("CLICOLOR_FORCE", "0");
        let on_terminal = matches!(stream, Stream::Terminal { .. }) && !dumb && !set("CLICOLOR", "0");
        let colour = match environment.variable("NO_COLOR") {
            Some(_) => Colour::Off,
            None if forced || on_terminal => Colour::On,
            None => Colour::Off,
        };
        let width = match stream {
            Stream::Terminal { columns: Some(columns) } => usize::from(columns).clamp(40, 160),
            Stream::Terminal { columns: None } | Stream::Other => PLAIN_WIDTH,
        };
        Self { colour, marks: if dumb { Marks::Ascii } else { Marks::Unicode }, width }
    }

    /// Paints a text in a tone.
    #[must_use]
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let style = match tone {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Warn => AnsiColor::Yellow.on_default().bold(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Strong => Style::new().bold(),
            Tone::Command => AnsiColor::Cyan.on_default(),
            Tone::Plain => Style::new(),
        };
        match self.colour {
            Colour::On if tone != Tone::Plain && !text.is_empty() => {
                format!("{}{text}{}", style.render(), style.render_reset())
            }
            Colour::On | Colour::Off => text.to_owned(),
        }
    }
}

impl Mark {
    /// The tone that goes with it.
    #[must_use]
    pub fn tone(self) -> Tone {
        match self {
            Self::Failed => Tone::Bad,
            Self::Finding => Tone::Warn,
            Self::Open => Tone::Command,
            Self::Good => Tone::Good,
        }
    }

    /// Its sign.
    #[must_use]
    pub fn sign(self, marks: Marks) -> &'static str {
        match (self, marks) {
            (Self::Failed, Marks::Unicode) => "✗",
            (Self::Finding, _) => "!",
            (Self::Open, Marks::Unicode) => "→",
            (Self::Good, Marks::Unicode) => "✓",
            (Self::Failed, Marks::Ascii) => "x",
            (Self::Open, Marks::Ascii) => ">",
            (Self::Good, Marks::Ascii) => "+",
        }
    }
}
