//! The access log: every line names the request it belongs to, and every request that is
//! turned away is counted, by whichever part of the server turned it away.

use mirror_tests::http;
use mirror_tests::server::Served;
use serde_json::{Value, json};

/// The lines of the log with this message.
fn lines(served: &Served, message: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str::<Value>(line).ok();
    served.server.log().lines().filter_map(parse).filter(|line| line["message"] == message).collect()
}

#[test]
fn every_log_line_names_its_request() {
    let served = Served::small(|_| {});
    let token = served.token("promoter", &[]);
    let work = served.client().clone_bare(&served.url(), "work", &[]);
    work.commit("gitops").file("deployed", "x\n").make();
    let client = served.client().with(&token).set("http.extraHeader", "X-Request-Id: promotion-7");
    client.run(work.path(), ["push", "--quiet", &served.url(), "gitops"]);
    let refused = served.client().with(&token).set("http.extraHeader", "X-Request-Id: promotion-8");
    assert!(!refused.ask(work.path(), ["push", &served.url(), "main:other"]).status.success());

    // A push is logged by its task, which outlives its client; the request itself when its answer is sent.
    let result = |name: &str, outcome: &str| {
        let push = lines(&served, "push").into_iter().any(|line| {
            (&line["span"]["id"], &line["outcome"]) == (&json!(name), &json!(outcome))
                && line["span"]["name"] == "request"
        });
        let access = lines(&served, "answered").into_iter().any(|line| {
            line["request"] == name && line["path"] == "/app.git/git-receive-pack" && line["status"] == 200
        });
        push && access
    };
    served.server.wait_until("the accepted push is logged", || result("promotion-7", "accepted"));
    served.server.wait_until("the refused push is logged", || result("promotion-8", "denied"));
    // What belongs to no request names none.
    assert!(lines(&served, "answered").iter().all(|line| line["span"] == Value::Null));
}

#[test]
fn every_refused_request_is_counted() {
    let served = Served::small(|_| {});
    let token = served.token("promoter", &[]).bearer();
    let count = |reason: &str| served.server.metric(&format!("git_mirror_refused_total{{reason=\"{reason}\"}}"));
    let push = |headers: &[(&str, &str)], body: &[u8]| {
        let headers = [&[("Authorization", token.as_str())], headers].concat();
        http::request(served.server.address(), "POST", "/app.git/git-receive-pack", &headers, body).status
    };
    let kind = ("Content-Type", "application/x-git-receive-pack-request");
    // Reasons are counted before the answer is sent, so that nothing has to be waited for.
    for (status, expected, reason, counted) in [
        // By the part that reads pushes.
        (push(&[kind], b"this is no push"), 400, "bad-request", 1.0),
        // By the door.
        (push(&[("Content-Type", "text/plain")], b""), 415, "bad-request", 2.0),
        (served.server.get("/app.git/info/refs?service=git-receive-pack").status, 401, "unauthorized", 1.0),
        (served.server.get("/other.git/info/refs?service=git-upload-pack").status, 404, "not-found", 1.0),
        // By the part that makes packs.
        (
            http::request(
                served.server.address(),
                "POST",
                "/app.git/git-upload-pack",
                &[("Content-Type", "application/x-git-upload-pack-request")],
                b"this asks for nothing",
            )
            .status,
            400,
            "bad-request",
            3.0,
        ),
    ] {
        assert_eq!((status, reason), (expected, reason));
        assert!(count(reason) >= counted, "{reason} is {}", count(reason));
    }
    assert_eq!(count("bad-request"), 3.0, "none is counted twice");
    assert_eq!((count("unauthorized"), count("not-found"), count("failed")), (1.0, 1.0, 0.0));
}

#[test]
fn a_push_refused_for_disk_space_is_counted() {
    let served = Served::small(|serve| serve["freeSpace"] = json!({ "stop": "1024TiB", "resume": "1025TiB" }));
    let token = served.token("promoter", &[]);
    let headers = [("Authorization", token.bearer())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    http::get(served.server.address(), "/app.git/info/refs?service=git-receive-pack", &headers).expect(507);
    assert_eq!(served.server.metric("git_mirror_refused_total{reason=\"low-space\"}"), 1.0);
    served.server.get("/app.git/info/refs?service=git-upload-pack").expect(200);
}
