//! One run of the program, from its words to its exit code.

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use mirror_core::report::ExitCode;

use crate::args::{Cli, Format, Globals, UsageError, Verb};
use crate::environment::Environment;
use crate::error::CliError;
use crate::grammar;
use crate::output::{self, LogForm, Look, Out, Talk};
use crate::verbs::{self, Scene};

/// Runs the program once.
///
/// stdout gets the answer, stderr everything that is said beside it. A reader of stdout that goes away changes nothing of what is done.
pub fn run(environment: &Environment, stdout: &mut dyn Write, stderr: Box<dyn Write + Send>) -> ExitCode {
    let talk = Talk::new(stderr);
    let words = match grammar::rewrite(environment.arguments.clone()) {
        Ok(words) => words,
        Err(error) => {
            let globals = guess_globals(&environment.arguments);
            let mut out = Out::new(&globals, environment, stdout, talk);
            let code = out.error(&CliError::from(error));
            return finish(out, code);
        }
    };
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(complaint) => {
            let globals = guess_globals(&words);
            let mut out = Out::new(&globals, environment, stdout, talk);
            let code = answer(&complaint, &mut out);
            return finish(out, code);
        }
    };
    let look = Look::of(environment.stderr, environment);
    output::start_log(talk.clone(), look, output::log_level(&cli.globals), log_form(&cli));
    let mut out = Out::new(&cli.globals, environment, stdout, talk);
    let mut scene = Scene { environment, globals: &cli.globals, out: &mut out };
    let ended = if cli.globals.quiet && cli.globals.verbose > 0 {
        Err(CliError::from(UsageError::QuietAndVerbose))
    } else {
        verbs::run(&cli.verb, &mut scene)
    };
    let code = match ended {
        Ok(code) => code,
        Err(error) => out.error(&error),
    };
    finish(out, code)
}

/// A server runs for long, so its log tells the time, to programs where they read its announcement.
fn log_form(cli: &Cli) -> LogForm {
    match (&cli.verb, cli.globals.output) {
        (Verb::Serve(_), Format::Json) => LogForm::Json,
        (Verb::Serve(_), Format::Text | Format::Yaml) => LogForm::Timed,
        _ => LogForm::Short,
    }
}

fn finish(out: Out<'_>, code: ExitCode) -> ExitCode {
    let talk = out.talk().clone();
    match out.end() {
        Ok(()) => code,
        Err(source) => {
            talk.put(output::draw(&CliError::Output(source), Look::PLAIN).as_bytes());
            if code == ExitCode::Done { ExitCode::Failed } else { code }
        }
    }
}

/// Answers what the argument parser did not take for a verb: a wish for help, or words it does not know.
fn answer(complaint: &clap::Error, out: &mut Out<'_>) -> ExitCode {
    match complaint.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            out.words(complaint);
            ExitCode::Done
        }
        _ if out.form() == Format::Text => {
            out.words(complaint);
            ExitCode::Usage
        }
        _ => out.error(&in_words(complaint)),
    }
}

/// The parser's complaint as an error of ours, for programs.
fn in_words(complaint: &clap::Error) -> CliError {
    let text = complaint.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first);
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let suggested = |kind| match complaint.get(kind) {
        Some(ContextValue::String(word)) => Some(word.clone()),
        Some(ContextValue::Strings(words)) => words.first().cloned(),
        _ => None,
    };
    let meant = suggested(ContextKind::SuggestedSubcommand)
        .or_else(|| suggested(ContextKind::SuggestedArg))
        .or_else(|| suggested(ContextKind::SuggestedValue));
    let message = if complaint.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        "no verb is given".to_owned()
    } else {
        message
    };
    let help = match meant {
        Some(word) => format!("did you mean `{word}`? `git-mirror --help` lists what there is"),
        None => "`git-mirror --help` lists what there is".to_owned(),
    };
    CliError::Words { message, help }
}

/// Finds the form of the answer in words that could not be parsed, so that a program gets the error as a document too.
fn guess_globals(words: &[OsString]) -> Globals {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let form = words.iter().enumerate().find_map(|(at, word)| match word.as_ref() {
        "-o" | "--output" => words.get(at + 1).map(|value| value.to_string()),
        word => word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o")).map(str::to_owned),
    });
    let output = match form.as_deref().map(|form| form.trim_start_matches('=')) {
        Some("json") => Format::Json,
        Some("yaml") => Format::Yaml,
        Some(_) | None => Format::Text,
    };
    Globals { file: None, output, verbose: 0, quiet: false }
}

#[cfg(test)]
mod tests;
