//! Many clients that clone a large repository at once with an empty pack cache: git runs once, and all get its pack.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use mirror_tests::world::ProxyKind;

use super::load::Request;
use super::{PATH, serve, synced, wire};
use crate::bench::figure::{Figure, Reach, Reading, Unit};
use crate::bench::fixture::Fixture;
use crate::bench::repeat::Series;
use crate::bench::{material, meter, progress};
use crate::run::Outcome;

/// How many at once.
const CLIENTS: usize = 32;
/// The memory that the server and its children may use together.
const MEMORY: f64 = 512e6;

pub(in crate::bench) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let fixture = synced(program, ProxyKind::None, |fixture| material::grown(fixture.sandbox()))?;
    let tip = fixture.cache().branch("main").ok_or("no tip")?.to_string();
    let body = wire::fetch(&tip, None);
    let (mut cpus, mut peaks, mut theirs, mut their_peaks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut size = 0;
    for _ in 0..runs {
        progress("32 clients clone a large repository at once");
        // Cold: a server that has never answered.
        crate::bench::material::clear(&fixture.cache().path().with_file_name("pack-cache"))?;
        let server = serve(&fixture)?;
        let request =
            Request { url: server.url(&format!("{PATH}/git-upload-pack")), version: 2, body: Some(body.clone()) };
        let before = server.cpu()?;
        let (sizes, peak) = server.watched(|| clone_at_once(&request));
        let sizes = sizes?;
        cpus.push(server.cpu()? - before);
        peaks.push(peak);
        size = sizes[0];
        if sizes.iter().any(|other| *other != size) {
            return Err(format!("answers of different sizes: {sizes:?}"));
        }

        progress("git answers one of them, 32 of which it would have to");
        let usage = by_git(&fixture, &body)?;
        theirs.push(usage.cpu * CLIENTS as f64);
        their_peaks.push(usage.peak * CLIENTS as f64);
    }
    let (cpus, theirs) = (Series::median(cpus), Series::median(theirs));
    let (peaks, their_peaks) = (Series::median(peaks), Series::median(their_peaks));
    Ok(Figure {
        name: "cold-clones",
        title: format!("{CLIENTS} clients clone {:.0} MB at once, cold", size as f64 / 1e6),
        against: "32 × git upload-pack, the HTTP server around it not counted",
        readings: vec![
            Reading::of("CPU of the whole tree", Unit::Seconds, cpus, theirs).reach(Reach::RatioAtMost(0.06)),
            Reading::of("peak memory of the tree", Unit::Bytes, peaks, their_peaks).reach(Reach::AtMost(MEMORY)),
        ],
    })
}

/// Sends one request on many connections at once; gives the sizes of the answers.
fn clone_at_once(request: &Request) -> Outcome<Vec<u64>> {
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| fetch(request, &mut std::io::sink()))).collect();
        clients.into_iter().map(|client| client.join().map_err(|_| "a client panicked".to_owned())?).collect()
    })
}

/// Sends a request and writes the body of the answer, which is chunked, to a sink; gives its size.
fn fetch(request: &Request, into: &mut dyn Write) -> Outcome<u64> {
    let failed = |error: std::io::Error| format!("{}: {error}", request.url);
    let rest = request.url.strip_prefix("http://").ok_or("not HTTP")?;
    let (host, path) = rest.split_once('/').ok_or("no path")?;
    let body = request.body.as_deref().unwrap_or_default();
    let mut stream = TcpStream::connect(host).map_err(failed)?;
    let head = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nGit-Protocol: version={}\r\n\
         Content-Type: application/x-git-upload-pack-request\r\nContent-Length: {}\r\n\r\n",
        request.version,
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).map_err(failed)?;
    let mut answer = BufReader::with_capacity(256 << 10, stream);
    let mut line = || -> Outcome<String> {
        let mut line = String::new();
        answer.by_ref().take(8192).read_line(&mut line).map_err(failed)?;
        Ok(line.trim_end().to_owned())
    };
    let status = line()?;
    if !status.starts_with("HTTP/1.1 200") {
        return Err(format!("{} answers {status}", request.url));
    }
    while !line()?.is_empty() {}
    // The chunk sizes vary from answer to answer; the content is the same for all.
    let mut size = 0;
    loop {
        let mut head = String::new();
        answer.by_ref().take(8192).read_line(&mut head).map_err(failed)?;
        let length =
            u64::from_str_radix(head.trim_end(), 16).map_err(|_| format!("{} sends no chunks", request.url))?;
        size += std::io::copy(&mut answer.by_ref().take(length), into).map_err(failed)?;
        answer.by_ref().take(2).read_to_end(&mut Vec::new()).map_err(failed)?;
        if length == 0 {
            return Ok(size);
        }
    }
}

/// Writes the body of an answer to a file by curl, which undoes the chunks; gives its size.
pub(super) fn fetch_to_file(fixture: &Fixture, request: &Request, file: &Path) -> Outcome<u64> {
    let body = fixture.sandbox().write("request", request.body.as_deref().unwrap_or_default());
    let mut git = Command::new("curl");
    git.args(["--silent", "--fail", "--header", &format!("Git-Protocol: version={}", request.version)]);
    git.args(["--header", "Content-Type: application/x-git-upload-pack-request", "--data-binary"]);
    git.arg(format!("@{}", body.display())).arg("--output").arg(file).arg(&request.url);
    crate::run::run(&mut git)?;
    std::fs::metadata(file).map(|file| file.len()).map_err(|error| error.to_string())
}

/// Measures git's own answer to one client.
fn by_git(fixture: &Fixture, body: &[u8]) -> Outcome<meter::Usage> {
    let body = fixture.sandbox().write("request", body);
    let mut command = fixture.sandbox().git().program("sh", fixture.sandbox().path());
    command.env("GIT_PROTOCOL", "version=2").stdout(Stdio::null());
    let line = format!(
        "exec git upload-pack --stateless-rpc '{}' < '{}' > /dev/null",
        fixture.cache().path().display(),
        body.display()
    );
    command.args(["-c", &line]);
    Ok(meter::run(&command)?.well("git upload-pack")?.usage)
}
