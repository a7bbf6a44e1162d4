use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use mirror_core::name::{LaneName, RepositoryName};

use super::label::{Ending, Endpoint, PackSource, Push, Refusal, SessionEvent, TokenFailure};
use super::{Metrics, reference};
use mirror_core::operation::Verb;

const ALERTS: &str = include_str!("../../../docs/alerts.yaml");

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a moment")
}

fn app() -> RepositoryName {
    RepositoryName::parse("app").expect("a name")
}

#[test]
fn what_is_told_is_what_is_scraped() {
    let metrics = Metrics::new();
    metrics.request(Endpoint::UploadPack, &http::Method::POST, http::StatusCode::OK, Duration::from_millis(3), 77);
    metrics.refused(Refusal::Busy);
    metrics.operation(&app(), Verb::Sync, Ending::Done, Duration::from_secs(1), at(100));
    metrics.operation(&app(), Verb::Sync, Ending::Upstream, Duration::from_secs(1), at(130));
    metrics.pushed(&LaneName::parse("main").expect("a name"), at(150));
    metrics.pushed(&LaneName::parse("main").expect("a name"), at(155));
    let open = metrics.connection();
    let text = metrics.text(at(160));
    for line in [
        r#"git_mirror_http_requests_total{endpoint="upload-pack",method="post",status="200"} 1"#,
        r#"git_mirror_http_sent_bytes_total{endpoint="upload-pack"} 77"#,
        r#"git_mirror_refused_total{reason="busy"} 1"#,
        r#"git_mirror_operations_total{repository="app",verb="sync",outcome="upstream"} 1"#,
        // A failure does not make the last success younger.
        r#"git_mirror_operation_success_age_seconds{repository="app",verb="sync"} 60.0"#,
        // The second push does not make the first one wait for less.
        r#"git_mirror_pending_flush_age_seconds{lane="main"} 10.0"#,
        "git_mirror_connections 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    drop(open);
    assert!(metrics.text(at(160)).contains("git_mirror_connections 0"));
}

/// Metrics in which everything was counted that needs no lane's state.
fn counted() -> Metrics {
    let metrics = Metrics::new();
    metrics.serves(&app());
    let took = Duration::from_secs(1);
    metrics.request(Endpoint::Page, &http::Method::GET, http::StatusCode::OK, took, 1);
    metrics.received(Endpoint::ReceivePack, 1);
    metrics.refused(Refusal::Slow);
    metrics.token_failed(TokenFailure::Expired);
    metrics.pack(PackSource::Built, took);
    metrics.push(&app(), Push::Accepted);
    metrics.push_took(&app(), took);
    metrics.operation(&app(), Verb::Sync, Ending::Done, took, at(0));
    drop(metrics.operation_running(&app(), Verb::Sync));
    metrics.upstream_failures(&app(), 1);
    metrics.beat(&app(), at(0));
    metrics.session(&app(), SessionEvent::Opened);
    metrics.pushed(&LaneName::parse("main").expect("a name"), at(0));
    metrics
}

#[test]
fn what_can_be_counted_is_there_before_it_is() {
    let metrics = Metrics::new();
    metrics.serves(&app());
    let text = metrics.text(at(0));
    for line in [
        r#"git_mirror_operations_total{repository="app",verb="maintain",outcome="failed"} 0"#,
        r#"git_mirror_packs_total{source="disk"} 0"#,
        r#"git_mirror_ssh_sessions_total{repository="app",event="lost"} 0"#,
        r#"git_mirror_upstream_consecutive_failures{repository="app"} 0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn every_metric_that_is_scraped_is_documented() {
    let page = reference();
    let rows: BTreeSet<&str> = page.lines().filter(|line| line.starts_with("| `git_mirror_")).collect();
    let text = counted().text(at(0));
    let mut scraped = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("a name and a type");
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        assert!(rows.iter().any(|row| row.starts_with(&format!("| `{name}` | {kind} |"))), "{name} is not in\n{page}");
        scraped += 1;
    }
    // Those of a lane's state appear with its first status.
    const OF_LANES: usize = 4;
    assert_eq!(scraped + OF_LANES, rows.len(), "{text}");
}

#[test]
fn every_metric_of_an_alert_exists() {
    let page = reference();
    let mut named = 0;
    for (start, _) in ALERTS.match_indices("git_mirror_") {
        let name: String =
            ALERTS[start..].chars().take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_').collect();
        assert!(page.contains(&format!("| `{name}` |")), "no metric {name}");
        named += 1;
    }
    assert!(named > 10);
    let rules: serde_json::Value = serde_yaml::from_str(ALERTS).expect("the rules are YAML");
    for rule in rules["groups"][0]["rules"].as_array().expect("a list of rules") {
        for key in ["alert", "expr"] {
            assert!(rule[key].is_string(), "{rule}");
        }
        assert!(rule["annotations"]["summary"].is_string() && rule["annotations"]["description"].is_string(), "{rule}");
    }
}
