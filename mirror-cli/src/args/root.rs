//! The program itself and the options that every verb takes.

use std::path::PathBuf;

use clap::{ArgAction, CommandFactory, Parser, ValueEnum};

use super::Verb;

const EXAMPLES: &str = "\
Examples:
  git-mirror init ssh://git@ssh.github.com:443/octo/app.git --gitops deploy --proxy http://10.0.0.1:3128
  git-mirror doctor                          walk the road to upstream, step by step
  git-mirror sync                            show what a sync would do; nothing is changed
  git-mirror sync --confirm --wait           do it, and wait for a turn where the cache is busy
  git-mirror status                          one line a lane, what is wrong first
  git-mirror serve                           serve it to builds and promotions over HTTP
  git-mirror flush --lane main --confirm     push the GitOps branch to upstream, fast-forward only

A verb that takes --confirm changes nothing without it: it shows what it would do.
`git mirror …` works too. Called as `hwlab`, or with `hwlab` as first word, the program takes
`hwlab <node> git-mirror <verb> …` and `hwlab nodes git-mirror <verb> --node <node> …`.

Exit codes:
  0 done, and the state is as wanted      4 busy, or a deadline passed
  1 failed                                5 upstream: tunnel, host key, login or transfer
  2 usage or configuration                6 cluster
  3 a finding: pending flush, diverged, out of sync";

/// Keeps a mirror of a GitHub repository beside the machines that build from it: sync brings upstream's branches in and makes
/// immutable snapshots, flush takes accepted GitOps commits back, and every report says only what was seen.
#[derive(Debug, Parser)]
#[command(
    name = "git-mirror",
    bin_name = "git-mirror",
    version,
    about = "A Git mirror next to CI/CD: sync, snapshots, flush, over SSH only",
    long_about = "Keeps a mirror of a GitHub repository beside the machines that build from it. `sync` brings upstream's branches in and \
                  makes immutable snapshots, `flush` takes accepted GitOps commits back to upstream, fast-forward only, and every \
                  report says no more than what was seen.",
    after_help = EXAMPLES,
    arg_required_else_help = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    infer_long_args = false,
    disable_help_subcommand = false,
    max_term_width = 110
)]
pub struct Cli {
    /// The options that every verb takes.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The options that every verb takes, before or behind it.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Options of every verb")]
pub struct Globals {
    /// The configuration file [else $GIT_MIRROR_CONFIG, ./git-mirror.yaml, ~/.config/git-mirror/git-mirror.yaml]
    #[arg(short, long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// The form of what is written to stdout; json and yaml are one document each, with a published schema
    #[arg(short, long, global = true, value_name = "FORM", value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// Say more: details of every lane, and the log on stderr (-vv debug, -vvv trace)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print errors only; the exit code tells the rest
    #[arg(short, long, global = true, action = ArgAction::SetTrue)]
    pub quiet: bool,
}

/// The form of what is written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// Builds the command with the verbs that this build offers, for completions, the manual page and the reference.
///
/// The hidden ones are answered, and offered nowhere.
#[must_use]
pub fn command() -> clap::Command {
    let whole = Cli::command();
    let text = |text: Option<&clap::builder::StyledStr>| text.cloned().unwrap_or_default();
    clap::Command::new("git-mirror")
        .version(env!("CARGO_PKG_VERSION"))
        .about(text(whole.get_about()))
        .long_about(text(whole.get_long_about()))
        .after_help(text(whole.get_after_help()))
        .subcommand_value_name("VERB")
        .args(whole.get_arguments().cloned())
        .subcommands(whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned())
}
