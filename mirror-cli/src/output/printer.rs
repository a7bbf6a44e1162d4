//! Where a verb's answer goes: text, JSON or YAML on stdout, errors on stderr or as a document.

use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;
use mirror_core::fault::Classified;
use mirror_core::report::{ErrorReport, ExitCode, Reported};
use serde::Serialize;
use tracing::level_filters::LevelFilter;

use super::error::draw;
use super::page::Page;
use super::progress::{Chatter, Progress, Steps};
use super::sanitize::clean;
use super::stderr::Talk;
use super::style::{Colour, Look};
use super::text::{self, Detail, View};
use crate::args::{Format, Globals};
use crate::environment::{Environment, Stream};

/// A report that can be shown in every form.
pub trait Shown: Reported {
    /// Writes the report for people, all but the commands to run next.
    fn write(&self, page: &mut Page, view: &View);
}

/// Where a verb's answer goes.
pub struct Out<'w> {
    stdout: &'w mut dyn Write,
    talk: Talk,
    form: Format,
    quiet: Quiet,
    detail: Detail,
    on_stdout: Look,
    on_stderr: Look,
    clock: fn() -> Timestamp,
    chatter: Chatter,
    global_args: Vec<String>,
    broken: Option<io::Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quiet {
    Yes,
    No,
}

impl<'w> Out<'w> {
    /// Decides how to show what, from the options and what surrounds the process.
    pub fn new(globals: &Globals, environment: &Environment, stdout: &'w mut dyn Write, talk: Talk) -> Self {
        let quiet = if globals.quiet { Quiet::Yes } else { Quiet::No };
        let chatter = match (quiet, environment.stderr) {
            (Quiet::Yes, _) => Chatter::Silent,
            (Quiet::No, Stream::Terminal { .. }) => Chatter::Drawn,
            (Quiet::No, Stream::Other) => Chatter::Lines,
        };
        Self {
            stdout,
            talk,
            form: globals.output,
            quiet,
            detail: if globals.verbose > 0 { Detail::Full } else { Detail::Brief },
            on_stdout: Look::of(environment.stdout, environment),
            on_stderr: Look::of(environment.stderr, environment),
            clock: environment.clock,
            chatter,
            global_args: global_args(globals),
            broken: None,
        }
    }

    /// The form that was asked for.
    #[must_use]
    pub fn form(&self) -> Format {
        self.form
    }

    /// How text may look on stdout.
    #[must_use]
    pub fn look(&self) -> Look {
        self.on_stdout
    }

    /// What follows from the report's reader: detail and the time of day.
    #[must_use]
    pub fn view(&self) -> View {
        View { detail: self.detail, now: (self.clock)() }
    }

    /// Begins to show the progress of an operation.
    #[must_use]
    pub fn progress(&self, steps: Steps) -> Arc<Progress> {
        Progress::begin(self.talk.clone(), self.on_stderr, self.chatter, steps)
    }

    /// Says one line beside the report, unless the reader wants errors only.
    pub fn say(&self, line: &str) {
        if self.quiet == Quiet::No {
            self.talk.line(line);
        }
    }

    /// The way to stderr.
    #[must_use]
    pub fn talk(&self) -> &Talk {
        &self.talk
    }

    /// Shows a report, and tells the exit code that follows from it.
    pub fn report<R: Shown>(&mut self, mut report: R) -> ExitCode {
        report.add_global_args(&self.global_args);
        self.report_from_elsewhere(report)
    }

    /// Shows a report that another machine made: its commands are to be run there, so they are left as they are.
    pub fn report_from_elsewhere<R: Shown>(&mut self, report: R) -> ExitCode {
        match (self.form, self.quiet) {
            (Format::Text, Quiet::No) => {
                let text = text::render(&report, self.on_stdout, &self.view());
                self.put(&text);
            }
            (Format::Text, Quiet::Yes) => {
                for fault in report.faults() {
                    let drawn = draw(fault, self.on_stderr);
                    self.talk.put(drawn.as_bytes());
                }
            }
            (Format::Json | Format::Yaml, _) => self.document(&report),
        }
        report.exit()
    }

    /// Puts a value as the one document of this run: YAML where YAML was asked for, else JSON.
    pub fn document<T: Serialize>(&mut self, value: &T) {
        let text = match self.form {
            Format::Yaml => serde_yaml::to_string(value).ok(),
            Format::Text | Format::Json => serde_json::to_string_pretty(value).ok().map(|text| text + "\n"),
        };
        self.put(&text.expect("because documents are plain data with text keys"));
    }

    /// Says that something runs now: a line for people, or the document on one line. The run goes on; readers need not wait for its end.
    pub fn announce<R: Reported>(&mut self, report: &R, line: &str) {
        match (self.form, self.quiet) {
            (Format::Text, Quiet::Yes) => {}
            (Format::Text, Quiet::No) => self.put(&format!("{}\n", clean(line))),
            (Format::Json, _) => {
                let text = serde_json::to_string(report).expect("because reports are plain data with text keys");
                self.put(&(text + "\n"));
            }
            (Format::Yaml, _) => self.document(report),
        }
    }

    /// Puts text on stdout as it is.
    pub fn put(&mut self, text: &str) {
        if self.broken.is_none() {
            let put = self.stdout.write_all(text.as_bytes()).and_then(|()| self.stdout.flush());
            self.broken = put.err();
        }
    }

    /// Shows the error that ended a verb, and tells its exit code.
    pub fn error(&mut self, error: &dyn Classified) -> ExitCode {
        match self.form {
            Format::Text => {
                let drawn = draw(error, self.on_stderr);
                self.talk.put(drawn.as_bytes());
            }
            Format::Json | Format::Yaml => self.document(&ErrorReport::of(error, Vec::new())),
        }
        ExitCode::from(error.class())
    }

    /// Shows the words of the argument parser: help on stdout, complaints on stderr.
    pub fn words(&mut self, words: &clap::Error) {
        let text = words.render();
        let text = |look: Look| match look.colour {
            Colour::On => text.ansi().to_string(),
            Colour::Off => text.to_string(),
        };
        if words.use_stderr() {
            let text = text(self.on_stderr);
            self.talk.put(text.as_bytes());
        } else {
            let text = text(self.on_stdout);
            self.put(&text);
        }
    }

    /// Ends the output. A reader that went away is no error; a disk that is full is one.
    ///
    /// # Errors
    /// What kept the answer from being written.
    pub fn end(self) -> io::Result<()> {
        match self.broken {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            Some(_) | None => Ok(()),
        }
    }
}

/// What the next commands need so that they find the same configuration.
fn global_args(globals: &Globals) -> Vec<String> {
    match &globals.file {
        Some(file) => vec!["-f".to_owned(), file.display().to_string()],
        None => Vec::new(),
    }
}

/// The level of the log that the options ask for.
#[must_use]
pub fn log_level(globals: &Globals) -> LevelFilter {
    match (globals.quiet, globals.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    }
}
