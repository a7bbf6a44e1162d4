use std::time::Duration;

use jiff::Timestamp;
use mirror_core::name::RepositoryName;

use super::label::{Ending, Endpoint, Refusal, Verb};
use super::{Metrics, reference};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a moment")
}

#[test]
fn what_is_told_is_what_is_scraped() {
    let metrics = Metrics::new();
    let app = RepositoryName::parse("app").expect("a name");
    metrics.request(Endpoint::UploadPack, &http::Method::POST, http::StatusCode::OK, Duration::from_millis(3), 77);
    metrics.refused(Refusal::Busy);
    metrics.operation(&app, Verb::Sync, Ending::Done, Duration::from_secs(1), at(100));
    metrics.operation(&app, Verb::Sync, Ending::Upstream, Duration::from_secs(1), at(130));
    let open = metrics.connection();
    let text = metrics.text(at(160));
    for line in [
        r#"git_mirror_http_requests_total{endpoint="upload-pack",method="post",status="200"} 1"#,
        r#"git_mirror_http_sent_bytes_total{endpoint="upload-pack"} 77"#,
        r#"git_mirror_refused_total{reason="busy"} 1"#,
        r#"git_mirror_operations_total{repository="app",verb="sync",outcome="upstream"} 1"#,
        // A failure does not make the last success younger.
        r#"git_mirror_operation_success_age_seconds{repository="app",verb="sync"} 60.0"#,
        "git_mirror_connections 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    drop(open);
    assert!(metrics.text(at(160)).contains("git_mirror_connections 0"));
}

#[test]
fn every_metric_that_is_scraped_is_documented() {
    let page = reference();
    let text = Metrics::new().text(at(0));
    let mut scraped = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("a name and a type");
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        assert!(page.contains(&format!("| `{name}` | {kind} |")), "{name} is not in\n{page}");
        scraped += 1;
    }
    assert!(scraped > 10, "{text}");
}
