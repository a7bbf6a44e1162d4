//! From method, path and query to what is asked for. Pure: it knows which questions there are, and nothing of what is served.

use std::borrow::Cow;

use hyper::{Method, StatusCode};

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The page for people.
    Page,
    /// Whether the server makes progress.
    Healthz,
    /// Whether it can be asked.
    Readyz,
    /// Its metrics.
    Metrics,
    /// The status of the node, as the command line gives it.
    Status,
    /// What was done, as the command line gives it.
    History,
    /// Something of a repository.
    Git {
        /// Where the repository is, decoded, without the slash in front.
        path: String,
        /// What of it.
        git_request: GitRequest,
    },
}

/// What is asked of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GitRequest {
    /// Which refs there are, for reading.
    ReadRefs,
    /// Refs or a pack, as the body says.
    ReadPack,
    /// Which refs there are, for pushing.
    WriteRefs,
    /// Takes a push in.
    WritePack,
}

/// Why a request asks for nothing that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What it is answered with.
    pub(super) status: StatusCode,
    /// And in words.
    pub(super) words: Cow<'static, str>,
    /// The methods that would do, where the one used is all that is wrong.
    pub(super) allow: Option<&'static str>,
}

/// The longest path; no repository's comes near it.
const LONGEST_PATH: usize = 1024;

const GET: &str = "GET, HEAD";
const POST: &str = "POST";

/// Finds what is asked for.
///
/// # Errors
/// [`Refusal`], with words for the person behind the client.
///
/// # Source
/// gitprotocol-http, "URL Format" and "Smart Clients"; RFC 3986, section 6 for what makes paths the same.
pub(super) fn find(method: &Method, path: &str, query: Option<&str>) -> Result<Route, Refusal> {
    if path.len() > LONGEST_PATH {
        return Err(Refusal::plain(StatusCode::URI_TOO_LONG, "the path is longer than any that this server has"));
    }
    let path = decode(path)?;
    let route = match path.as_str() {
        "/" => Route::Page,
        "/healthz" => Route::Healthz,
        "/readyz" => Route::Readyz,
        "/metrics" => Route::Metrics,
        "/api/v1/status" => Route::Status,
        "/api/v1/history" => Route::History,
        path => find_in_repository(path, query)?,
    };
    let allow = match &route {
        Route::Git { git_request: GitRequest::ReadPack | GitRequest::WritePack, .. } => POST,
        _ => GET,
    };
    if allow.split(", ").any(|allowed| allowed == method.as_str()) {
        return Ok(route);
    }
    let words = format!("this path takes {} only", allow.replace(", ", " and "));
    Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, words: words.into(), allow: Some(allow) })
}

fn find_in_repository(path: &str, query: Option<&str>) -> Result<Route, Refusal> {
    let git = |path: &str, git_request| {
        let path = path.strip_prefix('/').unwrap_or(path);
        match path {
            "" => Err(Refusal::nothing_here()),
            path => Ok(Route::Git { path: path.to_owned(), git_request }),
        }
    };
    if let Some(repository) = path.strip_suffix("/git-upload-pack") {
        return git(repository, GitRequest::ReadPack);
    }
    if let Some(repository) = path.strip_suffix("/git-receive-pack") {
        return git(repository, GitRequest::WritePack);
    }
    if let Some(repository) = path.strip_suffix("/info/refs") {
        return match service(query) {
            Service::One("git-upload-pack") => git(repository, GitRequest::ReadRefs),
            Service::One("git-receive-pack") => git(repository, GitRequest::WriteRefs),
            Service::One(_) | Service::Several => Err(Refusal::plain(
                StatusCode::FORBIDDEN,
                "there is no such service; this server has git-upload-pack and git-receive-pack",
            )),
            Service::None => Err(Refusal::dumb()),
        };
    }
    if path.ends_with("/HEAD") || path.contains("/objects/") && !path.contains("/info/lfs/") {
        return Err(Refusal::dumb());
    }
    if path.contains("/info/lfs/") {
        return Err(Refusal::plain(
            StatusCode::NOT_FOUND,
            "this server has no Git LFS objects; have the client fetch them from upstream (`git config lfs.url …`)",
        ));
    }
    if path.ends_with(".git") {
        return Err(Refusal::plain(
            StatusCode::NOT_FOUND,
            "this is an address for git, not for browsers: `git clone` it; / shows what is served",
        ));
    }
    Err(Refusal::nothing_here())
}

impl Refusal {
    /// Refuses, with nothing to say but words.
    pub(super) fn plain(status: StatusCode, words: impl Into<Cow<'static, str>>) -> Self {
        Self { status, words: words.into(), allow: None }
    }

    fn nothing_here() -> Self {
        Self::plain(
            StatusCode::NOT_FOUND,
            "there is nothing here; repositories are at /<name>.git, and / shows what is served",
        )
    }

    fn dumb() -> Self {
        Self::plain(
            StatusCode::FORBIDDEN,
            "this server speaks git's smart HTTP only, which begins with /info/refs?service=git-upload-pack; use git 1.6.6 or later",
        )
    }

    fn bad_path(words: &'static str) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, words)
    }
}

/// The `service` of a query.
enum Service<'q> {
    None,
    One(&'q str),
    Several,
}

fn service(query: Option<&str>) -> Service<'_> {
    let mut services = query.unwrap_or_default().split('&').filter_map(|part| part.strip_prefix("service="));
    match (services.next(), services.next()) {
        (None, _) => Service::None,
        (Some(one), None) => Service::One(one),
        (Some(_), Some(_)) => Service::Several,
    }
}

/// Decodes a path once, and refuses what could mean one thing here and another behind.
fn decode(path: &str) -> Result<String, Refusal> {
    let decoded = if path.contains('%') { unescape(path)? } else { path.to_owned() };
    if decoded.contains('%') {
        return Err(Refusal::bad_path("the path is encoded twice"));
    }
    if decoded.contains('\\') || decoded.chars().any(char::is_control) {
        return Err(Refusal::bad_path("the path has a backslash or a control character"));
    }
    let Some(below) = decoded.strip_prefix('/') else {
        return Err(Refusal::bad_path("the path has to begin with a slash"));
    };
    let mut parts = below.split('/').peekable();
    while let Some(part) = parts.next() {
        match part {
            "." | ".." => return Err(Refusal::bad_path("the path has a part `.` or `..`")),
            "" if parts.peek().is_some() => return Err(Refusal::bad_path("the path has an empty part")),
            _ => {}
        }
    }
    Ok(decoded)
}

/// Undoes percent-encoding. An encoded slash is no separator, and no path here has one within a part.
fn unescape(path: &str) -> Result<String, Refusal> {
    let wrong = || Refusal::bad_path("the path is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = behind;
            continue;
        }
        let digits = behind.first_chunk::<2>().filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = std::str::from_utf8(digits.ok_or_else(wrong)?).map_err(|_| wrong())?;
        let byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        if byte == b'/' {
            return Err(Refusal::bad_path("the path has an encoded slash"));
        }
        bytes.push(byte);
        rest = &behind[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests;
