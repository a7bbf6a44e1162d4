//! One type a verb. The doc comments here are the help that people read.

use clap::{Args, Subcommand};

use super::server::{ServeArgs, ServerArgs, TokenVerb};
use super::{OperationArgs, TargetArgs};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a configuration for one repository
    ///
    /// It is read back and checked before it is written, and never replaces a file unasked.
    Init(InitArgs),
    /// Tell how each lane stands, here and upstream
    ///
    /// One line a lane, what is wrong first: the tips of its source and GitOps branches, what waits for a flush, what is out of sync.
    #[command(after_help = "\
GitHub's side is what the last look at upstream saw (mirror-stage), with its age; --refresh looks first.
Exit code 0 means: nothing pending, everything in sync. 3 means: there is a finding.

Examples:
  git-mirror status
  git-mirror status --refresh --lane v03
  git-mirror status --server http://127.0.0.1:8080
  git-mirror status -o json | jq '.lanes[] | {lane, pendingFlush, githubInSync}'")]
    Status(StatusArgs),
    /// Bring upstream's branches here, and make the snapshots
    ///
    /// Fetches the branches and tags that the configuration declares, and makes the immutable snapshot of every source tip before
    /// anyone can see that tip.
    #[command(after_help = "\
Without --confirm it looks at upstream and shows what it would do; nothing is fetched and nothing changes.
Where only the missing objects could tell how two tips relate, the dry run says `needs-objects`.
A lane that has diverged or fails never stops the others.

Examples:
  git-mirror sync
  git-mirror sync --confirm --wait
  git-mirror sync --node D601 --lane v03,v02 --confirm --wait --timeout 30m")]
    Sync(OperationArgs),
    /// Push the GitOps branches to upstream, fast-forward only
    ///
    /// Pushes what was accepted here, and then looks whether it arrived: only an observation makes the report good.
    #[command(after_help = "\
A flush never forces and never deletes. It looks, pushes and looks again over one SSH connection.
Flushing again is always safe, also after a connection that was cut in the middle.

Examples:
  git-mirror flush
  git-mirror flush --lane v03 --confirm --wait")]
    Flush(OperationArgs),
    /// Serve the mirror over HTTP: builds read from it, promotions push to it
    ///
    /// Serves every repository of the node to Git clients, at `/NAME.git` and at its upstream's own path, until it is told to stop.
    #[command(after_help = "\
When it listens, it says so on stdout: one line, or with -o json one JSON document on one line. The log goes to stderr: warnings;
with -v every request; with -o json as JSON lines. The settings are the node's `serve:` block. A socket that systemd hands over
(LISTEN_FDS) is taken in place of the address. Ctrl-C or SIGTERM ends it when the requests in flight are done; a second one, at once.

Examples:
  git-mirror serve
  git-mirror serve --listen 0.0.0.0:8080 -v
  git-mirror serve --listen 127.0.0.1:0 -o json | jq -r .url
  git config --global url.http://127.0.0.1:8080/.insteadOf git@github.com:")]
    Serve(ServeArgs),
    /// Make, list and revoke the tokens that writers push with
    #[command(subcommand, arg_required_else_help = true)]
    Token(TokenVerb),
    /// Tidy the cache: roll packs up, write the commit-graph, pack refs, sweep what nobody finished
    ///
    /// A running server does the same by its schedule; readers and writers never notice.
    #[command(after_help = "\
Nothing that a ref, a snapshot, a rescue ref or a running push needs is ever removed.
Lanes of one repository share a cache: naming one of them is enough.

Examples:
  git-mirror maintain
  git-mirror maintain --confirm --wait")]
    Maintain(OperationArgs),
    /// List the snapshots, or remove those that retention lets go
    #[command(subcommand, arg_required_else_help = true)]
    Snapshots(SnapshotsVerb),
    /// Settle a lane that has diverged from upstream
    #[command(subcommand, arg_required_else_help = true)]
    Lane(LaneVerb),
    /// Tell what was done here, newest first
    #[command(after_help = "Example:\n  git-mirror history --lane v03 --limit 5")]
    History(HistoryArgs),
    /// Walk the road to upstream step by step, with timings
    ///
    /// It stops at the step that fails, and says what repairs it.
    #[command(after_help = "\
The steps: cache, known hosts, identity, resolve, TCP, CONNECT through the proxy, SSH banner, host key, login, repository, refs.
Nothing is changed. The first step that fails is shown with what to do about it.

Example:
  git-mirror doctor --node D601")]
    Doctor(TargetArgs),
    /// Check, show or describe the configuration
    #[command(subcommand, arg_required_else_help = true)]
    Config(ConfigVerb),
    /// Print the completion script of a shell
    #[command(after_help = "\
Examples:
  git-mirror completions bash > ~/.local/share/bash-completion/completions/git-mirror
  git-mirror completions zsh > ~/.zfunc/_git-mirror
  git-mirror completions fish > ~/.config/fish/completions/git-mirror.fish")]
    Completions {
        /// The shell
        #[arg(value_enum, value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the manual page, in roff
    #[command(after_help = "Example:\n  git-mirror man | man -l -")]
    Man,
    /// Render the mirror's cluster objects and apply them: a later build
    #[command(hide = true)]
    Apply(OperationArgs),
    /// Drive the pipelines of a lane in its cluster: a later build
    #[command(hide = true)]
    ControlPlane(ControlPlaneArgs),
}

/// The shells that a completion script can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// Fish.
    Fish,
    /// Elvish.
    Elvish,
    /// PowerShell.
    Powershell,
}

/// The options of `init`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "\
The file is written to -f FILE, else $GIT_MIRROR_CONFIG, else ./git-mirror.yaml.

Examples:
  git-mirror init ssh://git@ssh.github.com:443/octo/app.git
  git-mirror init git@github.com:octo/app.git --branch v0.3 --gitops v0.3-gitops --lane v03
  git-mirror init ssh://git@ssh.github.com:443/octo/app.git --proxy http://172.26.0.1:10808 --identity ~/.ssh/deploy_key")]
pub struct InitArgs {
    /// The repository, reached by SSH: ssh://git@ssh.github.com:443/OWNER/REPO.git or git@github.com:OWNER/REPO.git
    #[arg(value_name = "UPSTREAM")]
    pub upstream: String,
    /// The source branch, which builds are made from
    #[arg(long, value_name = "BRANCH", default_value = "main")]
    pub branch: String,
    /// The GitOps branch, which is deployed from and flushed to upstream
    #[arg(long, value_name = "BRANCH", default_value = "gitops")]
    pub gitops: String,
    /// An HTTP proxy that carries the SSH connection by CONNECT, such as http://172.26.0.1:10808 [default: none, a direct connection]
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// The private key to log in with [default: ~/.ssh/id_ed25519]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "agent")]
    pub identity: Option<String>,
    /// Log in with the SSH agent instead of a key file
    #[arg(long)]
    pub agent: bool,
    /// A known_hosts file that pins upstream's host key [default: GitHub's published keys for github.com, else ~/.ssh/known_hosts]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub known_hosts: Option<String>,
    /// The folder of the cache, relative to the configuration file
    #[arg(long, value_name = "DIR", default_value = "./mirror-cache", value_hint = clap::ValueHint::DirPath)]
    pub cache: String,
    /// The name of the node: the place that runs the mirror
    #[arg(long, value_name = "NODE", default_value = "local")]
    pub node: String,
    /// The name of the lane: a source branch with its GitOps branch
    #[arg(long, value_name = "LANE", default_value = "main")]
    pub lane: String,
    /// The group in the names of the snapshots [default: the repository's name]
    #[arg(long, value_name = "GROUP")]
    pub snapshot_group: Option<String>,
    /// Replace the file where there is one
    #[arg(long)]
    pub force: bool,
}

/// The options of `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct StatusArgs {
    /// Look at upstream first, and tell what it has now
    #[arg(long, conflicts_with = "server")]
    pub refresh: bool,
    /// Which server tells it, where that is not this machine.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Where it works.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// The options of `history`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct HistoryArgs {
    /// How many operations to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Which server tells it, where that is not this machine.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Where it works.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// What to do with snapshots.
#[derive(Debug, Subcommand)]
pub enum SnapshotsVerb {
    /// List the snapshots, newest first
    #[command(after_help = "Example:\n  git-mirror snapshots list --branch v0.3")]
    List(ListArgs),
    /// Remove the snapshots that retention gives free; without --confirm it shows which
    #[command(after_help = "\
Never removed: the newest keepAtLeast of a branch, those younger than keepFor, and those in use.

Examples:
  git-mirror snapshots prune
  git-mirror snapshots prune --confirm --wait")]
    Prune(OperationArgs),
}

/// The options of `snapshots list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ListArgs {
    /// Only the snapshots of this branch
    #[arg(long, value_name = "BRANCH")]
    pub branch: Option<String>,
    /// Where it works.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// What to do with a lane.
#[derive(Debug, Subcommand)]
pub enum LaneVerb {
    /// Settle a diverged GitOps branch: set the local tip aside and adopt upstream's
    #[command(after_help = "\
The local tip is kept under `refs/mirror-rescue/<lane>/…`, so no accepted commit is lost.

Examples:
  git-mirror lane resolve --adopt-upstream --lane v03
  git-mirror lane resolve --adopt-upstream --lane v03 --confirm --wait")]
    Resolve(ResolveArgs),
}

/// The options of `lane resolve`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ResolveArgs {
    /// Adopt upstream's GitOps tip; the local one is set aside under refs/mirror-rescue/
    #[arg(long, required = true)]
    pub adopt_upstream: bool,
    /// Where it works, and whether it shows or does.
    #[command(flatten)]
    pub operation: OperationArgs,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Read the configuration and say whether it is in order; errors show line, span and repair
    Check,
    /// Print the configuration with every default written out
    Show,
    /// Print the JSON Schema of the configuration, for editors
    #[command(after_help = "\
Example:
  git-mirror config schema > git-mirror.schema.json
  # first line of git-mirror.yaml:  # yaml-language-server: $schema=./git-mirror.schema.json")]
    Schema,
}

/// The seed's control-plane verbs, which this build knows by name only.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(disable_help_flag = true)]
pub struct ControlPlaneArgs {
    /// The verb and its options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, num_args = 0.., value_name = "VERB")]
    pub words: Vec<String>,
}
