//! Runs other programs for the commands here, and is the one module of this crate that prints.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The result of a command; the error is a sentence.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// Prints one line.
pub(crate) fn print(line: &str) {
    // A closed standard output is the reader's choice, not a failure of ours.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The top folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("because this package stands in the workspace").to_owned()
}

/// A `cargo` command at the top of the workspace.
pub(crate) fn cargo<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(root());
    command
}

/// Runs a command to its end, its output shown.
///
/// # Errors
/// Where it cannot be started, or ends with another status than success.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let shown = describe(command);
    let status = command.status().map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}")) }
}

/// Runs a command to its end and gives what it printed, both streams together where it failed.
///
/// # Errors
/// Where it cannot be started, or ends with another status than success.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let shown = describe(command);
    let done = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(text);
    }
    Err(format!("`{shown}` ended with {}\n{text}{}", done.status, String::from_utf8_lossy(&done.stderr)))
}

/// Runs a command to its end, its output shown line by line and given to `line` as well.
///
/// # Errors
/// Where it cannot be started. Its status is returned, whatever it is.
pub(crate) fn stream(command: &mut Command, mut line: impl FnMut(&str)) -> Outcome<bool> {
    let shown = describe(command);
    let failed = |error| format!("cannot run `{shown}`: {error}");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let stdout = child.stdout.take().expect("because the output is piped");
    for text in BufReader::new(stdout).lines() {
        let text = text.map_err(failed)?;
        print(&text);
        line(&text);
    }
    Ok(child.wait().map_err(failed)?.success())
}

fn describe(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The files that git tracks, or would track, with one of the given endings.
///
/// # Errors
/// Where git cannot list them.
pub(crate) fn files(ending: &str) -> Outcome<Vec<PathBuf>> {
    let listed = output(
        Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"])
            .arg(format!("*{ending}"))
            .current_dir(root()),
    )?;
    let mut files: Vec<_> =
        listed.split_terminator('\0').map(PathBuf::from).filter(|file| root().join(file).exists()).collect();
    files.sort();
    files.dedup();
    Ok(files)
}
