//! How the page looks. Pure: the same view gives the same page.

use std::time::Duration;

use jiff::Timestamp;
use mirror_core::name::{CommitId, RepositoryName};
use mirror_core::report::status::{LaneStatus, OperationSummary, RefValue, StatusReport};
use mirror_core::report::{Finding, LaneReport, Reported};

use super::html::Html;
use crate::schedule::{Activity, Stuck};

/// Everything that the page shows.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) report: &'a StatusReport,
    pub(super) repositories: &'a [Repository<'a>],
    pub(super) stuck: &'a [Stuck],
    /// Bytes that are free where the caches are, where the system tells.
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
    let mut page = Html::markup(HEAD);
    page.text(&view.report.node).raw(" – git-mirror</title>\n").raw(STYLE).raw("</head>\n<body>\n");
    page.raw("<header>\n<h1>").text(&view.report.node).raw(" <small>git-mirror</small></h1>\n");
    page.html(&verdict(view)).raw("</header>\n<main>\n");
    page.html(&troubles(view));
    for repository in view.repositories {
        page.html(&section(view, repository));
    }
    page.html(&next(view));
    page.raw("</main>\n").html(&footer(view)).raw("</body>\n</html>\n");
    page.finish()
}

fn verdict(view: &View<'_>) -> Html {
    let lanes = &view.report.lanes;
    let wanting = lanes.iter().filter(|lane| mark(lane) != Mark::Good).count();
    let healthy = view.stuck.is_empty() && !view.low && view.report.fault.is_none();
    let mut html = Html::default();
    html.raw(if wanting == 0 && healthy { "<p class=\"verdict good\">" } else { "<p class=\"verdict wanting\">" });
    match (wanting, lanes.len()) {
        (0, 1) => html.text("The lane is in sync."),
        (0, all) => html.text(format_args!("All {all} lanes are in sync.")),
        (_, 1) => html.text("The lane is not as wanted."),
        (wanting, all) => html.text(format_args!("{wanting} of {all} lanes not as wanted.")),
    };
    html.raw("</p>\n");
    html
}

/// What is wrong beside the lanes.
fn troubles(view: &View<'_>) -> Html {
    let mut html = Html::default();
    for stuck in view.stuck {
        html.raw("<p class=\"trouble\" role=\"alert\">The worker of ").text(&stuck.repository);
        html.raw(" is stuck: ").text(stuck.doing).raw(", last heard of ").html(&when(stuck.since, view.now));
        html.raw(".</p>\n");
    }
    if view.low {
        html.raw("<p class=\"trouble\" role=\"alert\">Too little disk is free: pushes and syncs are refused until there is more; ");
        html.raw("reads and flushes go on.</p>\n");
    }
    if let Some(fault) = &view.report.fault {
        html.raw("<p class=\"trouble\" role=\"alert\">").text(fault).raw("</p>\n");
    }
    html
}

fn section(view: &View<'_>, repository: &Repository<'_>) -> Html {
    let mut html = Html::default();
    html.raw("<section aria-labelledby=\"repository-").text(repository.name).raw("\">\n");
    html.raw("<h2 id=\"repository-").text(repository.name).raw("\">").text(repository.name).raw("</h2>\n");
    html.raw("<p class=\"clone\"><code>git clone ").text(&repository.clone_url).raw("</code></p>\n");
    let lanes: Vec<_> = view.report.lanes.iter().filter(|lane| lane.repository == *repository.name).collect();
    let running = lanes.iter().find_map(|lane| lane.state.running.as_ref());
    match (running, repository.doing) {
        (Some(holder), _) => {
            html.raw("<p class=\"running\">Running: ").text(&holder.verb).raw(", since ");
            html.html(&when(holder.since, view.now));
            html.raw(" <span class=\"dim\">(process ").text(holder.pid).raw(" on ").text(&holder.host);
            html.raw(")</span></p>\n");
        }
        (None, Some(doing @ Activity::Running(_))) => {
            html.raw("<p class=\"running\">The schedule is ").text(doing).raw(".</p>\n");
        }
        (None, _) => {}
    }
    for lane in lanes {
        html.html(&article(view, lane));
    }
    html.raw("</section>\n");
    html
}

fn article(view: &View<'_>, lane: &LaneStatus) -> Html {
    let state = &lane.state;
    let mark = mark(lane);
    let mut html = Html::default();
    html.raw(match mark {
        Mark::Good => "<article class=\"lane good\">\n",
        Mark::Wanting => "<article class=\"lane wanting\">\n",
        Mark::Broken => "<article class=\"lane broken\">\n",
    });
    html.raw("<h3>").text(&lane.lane).raw(" <span class=\"badge\">");
    html.raw(match mark {
        Mark::Good => "<span aria-hidden=\"true\">✓</span> ",
        Mark::Wanting => "<span aria-hidden=\"true\">!</span> ",
        Mark::Broken => "<span aria-hidden=\"true\">✗</span> ",
    });
    html.text(word(lane)).raw("</span></h3>\n");
    if let Some(fault) = &lane.fault {
        html.raw("<p class=\"fault\">").text(fault);
        if let Some(help) = &fault.help {
            html.raw("<br><span class=\"dim\">").text(help).raw("</span>");
        }
        html.raw("</p>\n");
    }
    for finding in lane.findings() {
        html.raw("<p>").text(sentence(finding, lane)).raw("</p>\n");
    }
    html.raw("<table>\n<thead><tr><th scope=\"col\">Branch</th><th scope=\"col\">Here</th>");
    html.raw("<th scope=\"col\">Upstream, as last seen</th></tr></thead>\n<tbody>\n");
    html.html(&branch("source", &state.local_source, &state.github_source));
    html.html(&branch("GitOps", &state.local_gitops, &state.github_gitops));
    html.raw("</tbody>\n</table>\n<dl>\n");
    let mut term = |name: &'static str, value: Html| {
        html.raw("<div><dt>").raw(name).raw("</dt><dd>").html(&value).raw("</dd></div>\n");
    };
    term("Upstream seen", state.ref_sources.observed_at.map_or_else(|| Html::markup("never"), |at| when(at, view.now)));
    term("Last sync", operation(state.last_sync.as_ref(), view.now));
    term("Last flush", operation(state.last_flush.as_ref(), view.now));
    let snapshot = state.snapshot.as_ref().map(|snapshot| {
        let mut html = Html::markup("<code>");
        html.text(&snapshot.name).raw("</code>");
        html
    });
    term("Snapshot", snapshot.unwrap_or_else(|| Html::markup("none")));
    html.raw("</dl>\n</article>\n");
    html
}

fn branch(part: &'static str, here: &RefValue, upstream: &RefValue) -> Html {
    let mut html = Html::markup("<tr><th scope=\"row\"><code>");
    let name = here.name.as_str();
    html.text(name.strip_prefix("refs/heads/").unwrap_or(name)).raw("</code> <span class=\"dim\">");
    html.raw(part).raw("</span></th><td>").html(&tip(here.commit)).raw("</td><td>");
    html.html(&tip(upstream.commit)).raw("</td></tr>\n");
    html
}

fn tip(commit: Option<CommitId>) -> Html {
    let Some(commit) = commit else { return Html::markup("<span class=\"dim\">absent</span>") };
    let whole = commit.to_string();
    let mut html = Html::markup("<code title=\"");
    html.text(&whole).raw("\">").text(whole.get(..12).unwrap_or(&whole)).raw("</code>");
    html
}

fn operation(last: Option<&OperationSummary>, now: Timestamp) -> Html {
    let Some(last) = last else { return Html::markup("never") };
    let mut html = Html::default();
    html.text(&last.outcome).raw(", ").html(&when(last.ended_at, now));
    html
}

fn when(at: Timestamp, now: Timestamp) -> Html {
    let mut html = Html::markup("<time datetime=\"");
    html.text(at).raw("\">").text(ago(at, now)).raw("</time>");
    html
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

fn next(view: &View<'_>) -> Html {
    let mut html = Html::default();
    let commands = view.report.next();
    if commands.is_empty() {
        return html;
    }
    html.raw("<section aria-labelledby=\"next\">\n<h2 id=\"next\">What to run next</h2>\n<ul class=\"next\">\n");
    for command in commands {
        html.raw("<li><code>").text(command).raw("</code></li>\n");
    }
    html.raw("</ul>\n<p class=\"dim\">On the machine of this server, where its configuration is.</p>\n</section>\n");
    html
}

fn footer(view: &View<'_>) -> Html {
    let mut html = Html::markup("<footer>\n<p>");
    if let Some(free) = view.free {
        html.text(size(free)).raw(" of disk free · ");
    }
    html.raw("as of <time datetime=\"").text(view.now).raw("\">");
    html.text(view.now.strftime("%Y-%m-%d %H:%M:%S UTC")).raw("</time> · git-mirror ");
    html.raw(env!("CARGO_PKG_VERSION"));
    html.raw("</p>\n<nav aria-label=\"More about this server\"><a href=\"api/v1/status\">Status as JSON</a> ");
    html.raw("<a href=\"api/v1/history\">History as JSON</a> <a href=\"metrics\">Metrics</a> ");
    html.raw("<a href=\"healthz\">Health</a></nav>\n</footer>\n");
    html
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

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<meta name=\"robots\" content=\"noindex\">
<title>";

const STYLE: &str = "<style>
:root { --text: #1c2128; --dim: #57606a; --page: #f6f8fa; --card: #ffffff; --line: #d0d7de;
  --good: #116329; --good-soft: #dafbe1; --wanting: #7a4d00; --wanting-soft: #fff3cd; --broken: #a40e26; --broken-soft: #ffebe9; --link: #0550ae; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --dim: #9da7b1; --page: #0d1117; --card: #161b22; --line: #30363d;
    --good: #56d364; --good-soft: #12261e; --wanting: #e3b341; --wanting-soft: #2b2111; --broken: #ff938a; --broken-soft: #2d1517; --link: #79c0ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1.5rem 1rem 3rem; color: var(--text); background: var(--page);
  font: 1rem/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif; }
h1 { margin: 0; font-size: 1.75rem; } h1 small { color: var(--dim); font-size: 1rem; font-weight: 400; }
h2 { margin: 2rem 0 .5rem; font-size: 1.25rem; } h3 { margin: 0 0 .5rem; font-size: 1.0625rem; }
p { margin: .25rem 0; } .dim, dt, thead th { color: var(--dim); font-weight: 400; }
code { font: .875em/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.verdict { font-size: 1.125rem; } .verdict.good { color: var(--good); } .verdict.wanting { color: var(--wanting); }
.clone code, .next code { display: inline-block; padding: .25rem .5rem; background: var(--card); border: 1px solid var(--line); border-radius: .375rem; }
.next { margin: .5rem 0; padding: 0; list-style: none; } .next li { margin: .375rem 0; }
.trouble, .fault { padding: .5rem .75rem; border-radius: .375rem; color: var(--broken); background: var(--broken-soft); }
.running { color: var(--link); }
.lane { margin: .75rem 0; padding: 1rem; background: var(--card); border: 1px solid var(--line); border-left-width: .375rem; border-radius: .5rem; }
.lane.good { border-left-color: var(--good); } .lane.wanting { border-left-color: var(--wanting); } .lane.broken { border-left-color: var(--broken); }
.badge { display: inline-block; margin-left: .375rem; padding: 0 .5rem; border-radius: 1rem; font-size: .875rem; font-weight: 500; }
.good .badge { color: var(--good); background: var(--good-soft); } .wanting .badge { color: var(--wanting); background: var(--wanting-soft); }
.broken .badge { color: var(--broken); background: var(--broken-soft); }
table { width: 100%; margin: .5rem 0; border-collapse: collapse; } th, td { padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top; }
tbody th { font-weight: 400; } tbody tr { border-top: 1px solid var(--line); }
dl { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: .75rem 0 0; } dt { font-size: .875rem; } dd { margin: 0; }
footer { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--dim); font-size: .875rem; }
nav a { display: inline-block; margin-right: 1rem; padding: .25rem 0; } a { color: var(--link); }
</style>
";
