use hyper::Uri;

use super::*;

fn check(request: &str) -> Result<Route, (u16, Option<&'static str>)> {
    let (method, target) = request.split_once(' ').expect("a method and a target");
    let uri: Uri = target.parse().expect("a target that HTTP takes");
    find(&method.parse().expect("a method"), uri.path(), uri.query())
        .map_err(|refusal| (refusal.status.as_u16(), refusal.allow))
}

fn git(path: &str, git_request: GitRequest) -> Result<Route, (u16, Option<&'static str>)> {
    Ok(Route::Git { path: path.to_owned(), git_request })
}

#[test]
fn every_question_has_its_path() {
    let cases = [
        ("GET /", Ok(Route::Page)),
        ("HEAD /", Ok(Route::Page)),
        ("GET /healthz", Ok(Route::Healthz)),
        ("HEAD /readyz", Ok(Route::Readyz)),
        ("GET /metrics", Ok(Route::Metrics)),
        ("GET /api/v1/status", Ok(Route::Status)),
        ("GET /api/v1/history?limit=3", Ok(Route::History)),
        ("GET http://mirror.example/healthz", Ok(Route::Healthz)),
        ("GET /app.git/info/refs?service=git-upload-pack", git("app.git", GitRequest::ReadRefs)),
        ("HEAD /app/info/refs?service=git-upload-pack", git("app", GitRequest::ReadRefs)),
        ("GET /app.git/info/refs?a=b&service=git-receive-pack", git("app.git", GitRequest::WriteRefs)),
        ("POST /app.git/git-upload-pack", git("app.git", GitRequest::ReadPack)),
        ("POST /octo/app.git/git-upload-pack", git("octo/app.git", GitRequest::ReadPack)),
        ("POST /~user/deep/er/app/git-receive-pack", git("~user/deep/er/app", GitRequest::WritePack)),
        // The same path, written otherwise.
        ("POST /%61pp%2egit/git-upload-pack", git("app.git", GitRequest::ReadPack)),
        // A repository may be called like a page.
        ("POST /metrics/git-upload-pack", git("metrics", GitRequest::ReadPack)),
    ];
    for (request, expect) in cases {
        assert_eq!(check(request), expect, "{request}");
    }
}

#[test]
fn what_is_no_question_is_refused_in_words() {
    let cases = [
        ("GET /app", 404),
        ("GET /app.git", 404),
        ("GET /app.git/", 404),
        ("GET /healthz/", 404),
        ("GET /api/v2/status", 404),
        ("GET /info/refs?service=git-upload-pack", 404),
        ("POST /git-upload-pack", 404),
        ("GET /app.git/config", 404),
        ("GET /app.git/info/lfs/objects/batch", 404),
        // The dumb protocol.
        ("GET /app.git/info/refs", 403),
        ("GET /app.git/info/refs?service", 403),
        ("GET /app.git/HEAD", 403),
        ("GET /app.git/objects/info/packs", 403),
        ("GET /app.git/objects/aa/bbbb", 403),
        // Services that are not here.
        ("GET /app.git/info/refs?service=git-upload-archive", 403),
        ("GET /app.git/info/refs?service=", 403),
        ("GET /app.git/info/refs?service=git-upload-pack&service=git-receive-pack", 403),
        ("GET /app.git/info/refs?service=git-upload-pack%00", 403),
        // Tricks.
        ("GET /../etc/passwd", 400),
        ("GET /app.git/../../etc/passwd", 400),
        ("GET /app.git/./info/refs?service=git-upload-pack", 400),
        ("GET /app.git/%2e%2e/x", 400),
        ("GET /app.git/.%2E/x", 400),
        ("GET /%252e%252e/x", 400),
        ("GET /app.git%2finfo/refs?service=git-upload-pack", 400),
        ("GET /app.git%5c..%5cx", 400),
        ("GET /app.git/%00/info/refs?service=git-upload-pack", 400),
        ("GET /app.git/%0d%0aX: y/info/refs", 400),
        ("GET //app.git/info/refs?service=git-upload-pack", 400),
        ("GET /app.git//info/refs?service=git-upload-pack", 400),
        ("GET /app%", 400),
        ("GET /app%2", 400),
        ("GET /app%zz", 400),
        ("GET /app%+1", 400),
        ("GET /%ff%fe", 400),
        ("OPTIONS *", 400),
    ];
    for (request, status) in cases {
        let request = request.replace("X: y", "X:y");
        assert_eq!(check(&request), Err((status, None)), "{request}");
    }
    let long = format!("GET /{}", "a".repeat(LONGEST_PATH));
    assert_eq!(check(&long), Err((414, None)));
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let cases = [
        ("POST /", GET),
        ("PUT /healthz", GET),
        ("DELETE /app.git/info/refs?service=git-upload-pack", GET),
        ("POST /app.git/info/refs?service=git-upload-pack", GET),
        ("GET /app.git/git-upload-pack", POST),
        ("HEAD /app.git/git-receive-pack", POST),
        ("OPTIONS /app.git/git-receive-pack", POST),
        ("PROPFIND /", GET),
        // Methods are case-sensitive (RFC 9110, section 9.1).
        ("get /", GET),
    ];
    for (request, allow) in cases {
        assert_eq!(check(request), Err((405, Some(allow))), "{request}");
    }
}

#[test]
fn no_refusal_repeats_what_was_sent() {
    for path in ["/<script>", "/app.git/\u{7f}", "/%1b[31m"] {
        let refusal = find(&Method::GET, path, None).expect_err("no such path");
        assert!(!refusal.words.contains("script") && !refusal.words.contains("[31m"), "{}", refusal.words);
    }
}
