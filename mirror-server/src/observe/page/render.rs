//! How the page looks. Pure: the same view gives the same page.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};
use mirror_core::name::{CommitId, RepositoryName};
use mirror_core::report::status::{LaneStatus, OperationSummary, RefValue, StatusReport};
use mirror_core::report::{Finding, LaneReport, Reported};

use super::text::Text;
use crate::schedule::{Activity, Stuck};

/// Everything that the page shows.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) report: &'a StatusReport,
    pub(super) repositories: &'a [Repository<'a>],
    pub(super) stuck: &'a [Stuck],
    /// Bytes that are free where the caches are, where the system says so.
    pub(super) free: Option<u64>,
    /// Whether that is too little.
    pub(super) low: bool,
    pub(super) now: Timestamp,
}

/// One repository on the page.
#[derive(Debug)]
pub(super) struct Repository<'a> {
    pub(super) name: &'a RepositoryName,
    pub(super) clone_url: String,
    /// What its worker does, where it has begun.
    pub(super) doing: Option<Activity>,
}

/// How something stands; each has a word and a sign beside its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Good,
    Wanting,
    Broken,
}

/// Makes the page.
pub(super) fn render(view: &View<'_>) -> String {
    let page = html! {
        (PreEscaped("<!doctype html>\n"))
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (Text(&view.report.node)) " – git-mirror" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (Text(&view.report.node)) " " small { "git-mirror" } }
                    (verdict(view))
                }
                main {
                    (troubles(view))
                    @for repository in view.repositories { (section(view, repository)) }
                    (next(view))
                }
                (footer(view))
            }
        }
    };
    page.into_string()
}

fn verdict(view: &View<'_>) -> Markup {
    let lanes = &view.report.lanes;
    let wanting = lanes.iter().filter(|lane| mark(lane) != Mark::Good).count();
    let is_healthy = view.stuck.is_empty() && !view.low && view.report.fault.is_none();
    let class = if wanting == 0 && is_healthy { "verdict good" } else { "verdict wanting" };
    html! {
        p class=(class) {
            @match (wanting, lanes.len()) {
                (0, 1) => "The lane is in sync.",
                (0, all) => { "All " (all) " lanes are in sync." }
                (_, 1) => "The lane is not as wanted.",
                (wanting, all) => { (wanting) " of " (all) " lanes not as wanted." }
            }
        }
    }
}

/// What is wrong beside the lanes.
fn troubles(view: &View<'_>) -> Markup {
    html! {
        @for stuck in view.stuck {
            p.trouble role="alert" {
                "The worker of " (Text(&stuck.repository)) " is stuck: " (Text(stuck.doing)) ", last heard of "
                (when(stuck.since, view.now)) "."
            }
        }
        @if view.low {
            p.trouble role="alert" {
                "Too little disk is free: pushes and syncs are refused until there is more; reads and flushes go on."
            }
        }
        @if let Some(fault) = &view.report.fault {
            p.trouble role="alert" { (Text(fault)) }
        }
    }
}

fn section(view: &View<'_>, repository: &Repository<'_>) -> Markup {
    let lanes: Vec<_> = view.report.lanes.iter().filter(|lane| lane.repository == *repository.name).collect();
    let running = lanes.iter().find_map(|lane| lane.state.running.as_ref());
    html! {
        section aria-labelledby={ "repository-" (Text(repository.name)) } {
            h2 id={ "repository-" (Text(repository.name)) } { (Text(repository.name)) }
            p.clone { code { "git clone " (Text(&repository.clone_url)) } }
            @match (running, repository.doing) {
                (Some(holder), _) => p.running {
                    "Running: " (Text(holder.verb.as_str())) ", since " (when(holder.since, view.now)) " "
                    span.dim { "(process " (holder.pid) " on " (Text(&holder.host)) ")" }
                },
                (None, Some(doing @ Activity::Running(_))) => p.running { "The schedule is " (Text(doing)) "." },
                (None, _) => {}
            }
            @for lane in lanes { (article(view, lane)) }
        }
    }
}

fn article(view: &View<'_>, lane: &LaneStatus) -> Markup {
    let state = &lane.state;
    let (class, sign) = match mark(lane) {
        Mark::Good => ("lane good", "✓"),
        Mark::Wanting => ("lane wanting", "!"),
        Mark::Broken => ("lane broken", "✗"),
    };
    html! {
        article class=(class) {
            h3 {
                (Text(&lane.lane)) " "
                span.badge { span aria-hidden="true" { (sign) } " " (word(lane)) }
            }
            @if let Some(fault) = &lane.fault {
                p.fault {
                    (Text(fault))
                    @if let Some(help) = &fault.help { br; span.dim { (Text(help)) } }
                }
            }
            @for finding in lane.findings() { p { (Text(sentence(finding, lane))) } }
            table {
                thead { tr { th scope="col" { "Branch" } th scope="col" { "Here" } th scope="col" { "Upstream, as last seen" } } }
                tbody {
                    (branch("source", &state.local_source, &state.github_source))
                    @if let (Some(here), Some(upstream)) = (&state.local_gitops, &state.github_gitops) {
                        (branch("GitOps", here, upstream))
                    }
                }
            }
            dl {
                div { dt { "Upstream seen" } dd {
                    @match state.ref_sources.observed_at { Some(at) => (when(at, view.now)), None => "never" }
                } }
                div { dt { "Last sync" } dd { (operation(state.last_sync.as_ref(), view.now)) } }
                div { dt { "Last flush" } dd { (operation(state.last_flush.as_ref(), view.now)) } }
                div { dt { "Snapshot" } dd {
                    @match &state.snapshot { Some(snapshot) => code { (Text(&snapshot.name)) }, None => "none" }
                } }
            }
        }
    }
}

fn branch(part: &'static str, here: &RefValue, upstream: &RefValue) -> Markup {
    let name = here.name.as_str();
    let name = name.strip_prefix("refs/heads/").unwrap_or(name);
    html! {
        tr {
            th scope="row" { code { (Text(name)) } " " span.dim { (part) } }
            td { (tip(here.commit)) }
            td { (tip(upstream.commit)) }
        }
    }
}

fn tip(commit: Option<CommitId>) -> Markup {
    let Some(commit) = commit else { return html! { span.dim { "absent" } } };
    let whole = commit.to_string();
    html! { code title=(whole) { (whole.get(..12).unwrap_or(&whole)) } }
}

fn operation(last: Option<&OperationSummary>, now: Timestamp) -> Markup {
    html! {
        @match last {
            None => "never",
            Some(last) => { (Text(&last.outcome)) ", " (when(last.ended_at, now)) }
        }
    }
}

fn when(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) { (ago(at, now)) } }
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = Duration::try_from(now.duration_since(at)).unwrap_or_default().as_secs();
    match seconds {
        0..2 => "just now".to_owned(),
        2..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

fn next(view: &View<'_>) -> Markup {
    let commands = view.report.next();
    html! {
        @if !commands.is_empty() {
            section aria-labelledby="next" {
                h2 id="next" { "What to run next" }
                ul.next { @for command in commands { li { code { (Text(command)) } } } }
                p.dim { "On the machine of this server, where its configuration is." }
            }
        }
    }
}

fn footer(view: &View<'_>) -> Markup {
    html! {
        footer {
            p {
                @if let Some(free) = view.free { (size(free)) " of disk free · " }
                "as of " time datetime=(view.now) { (view.now.strftime("%Y-%m-%d %H:%M:%S UTC")) }
                " · git-mirror " (env!("CARGO_PKG_VERSION"))
            }
            nav aria-label="More about this server" {
                a href="api/v1/status" { "Status as JSON" } " "
                a href="api/v1/history" { "History as JSON" } " "
                a href="metrics" { "Metrics" } " "
                a href="healthz" { "Health" }
            }
        }
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((unit, of)) = UNITS.into_iter().find(|(_, of)| bytes >= *of) else { return format!("{bytes} B") };
    let tenths = u128::from(bytes) * 10 / u128::from(of);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

fn mark(lane: &LaneStatus) -> Mark {
    match (&lane.fault, lane.findings().is_empty()) {
        (Some(_), _) => Mark::Broken,
        (None, false) => Mark::Wanting,
        (None, true) => Mark::Good,
    }
}

/// The state of a lane in a few words: the gravest of what is not as wanted.
fn word(lane: &LaneStatus) -> &'static str {
    if lane.fault.is_some() {
        return "cannot be read";
    }
    match lane.findings().first() {
        None => "in sync",
        Some(Finding::Diverged) => "diverged",
        Some(Finding::GoneUpstream) => "gone upstream",
        Some(Finding::PendingFlush) => "waits for a flush",
        Some(Finding::OutOfSync) => "out of sync",
        Some(Finding::SnapshotMissing) => "no snapshot",
        Some(Finding::Drift) => "drifted",
    }
}

fn sentence(finding: Finding, lane: &LaneStatus) -> String {
    let commits = |count: u64| if count == 1 { "1 commit".to_owned() } else { format!("{count} commits") };
    match (finding, lane.state.ahead, lane.state.behind) {
        (Finding::Diverged, Some(ahead), Some(behind)) => {
            format!("{} only here, {} only upstream: a person has to decide.", commits(ahead), commits(behind))
        }
        (Finding::PendingFlush, Some(ahead), _) => {
            format!("{} accepted here and not upstream yet.", commits(ahead))
        }
        _ => {
            let meaning = finding.meaning();
            let first = meaning.chars().next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
            format!("{first}{}.", meaning.get(1..).unwrap_or_default())
        }
    }
}

/// The page's own style sheet; nothing is loaded from elsewhere.
const STYLE: &str = include_str!("style.css");
