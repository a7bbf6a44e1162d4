//! The load of many clients: `wrk`, one request sent repeatedly, and its counts.

use std::path::{Path, PathBuf};
use std::process::Command;

use mirror_tests::sandbox::GitSandbox;

use crate::run::{self, Outcome};
use crate::tools::{self, Tool};

/// The load generator.
pub(super) const WRK: Tool = Tool { program: "wrk", package: "wrk" };

/// A request that is sent repeatedly.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// The whole URL.
    pub(super) url: String,
    /// The version of git's protocol that is asked for.
    pub(super) version: u8,
    /// The body of a `POST` to `git-upload-pack`; without one it is a `GET`.
    pub(super) body: Option<Vec<u8>>,
}

/// What a server did in the time it was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// Answers a second.
    pub(super) requests: f64,
    /// Bytes of an answer, its head included.
    pub(super) bytes: f64,
    /// The seconds within which 99 of 100 answers were whole.
    pub(super) p99: f64,
}

/// Puts a server under load for so many seconds with so many connections. Every answer has to be good.
pub(super) fn put(sandbox: &GitSandbox, request: &Request, connections: u32, seconds: u32) -> Outcome<Rate> {
    let script = script(sandbox, request)?;
    let program = tools::find(WRK.program).ok_or("wrk is not here")?;
    let mut wrk = Command::new(program);
    wrk.args(["--threads", "1", "--latency", "--connections", &connections.to_string()]);
    wrk.args(["--timeout", "60s", "--duration", &format!("{seconds}s"), "--script"]).arg(script).arg(&request.url);
    let said = run::output(&mut wrk)?;
    read(&said).ok_or_else(|| format!("wrk said of {}:\n{said}", request.url))
}

/// Writes the script that sends the request, and prints the counts at the end.
fn script(sandbox: &GitSandbox, request: &Request) -> Outcome<PathBuf> {
    let mut text = format!("wrk.headers[\"Git-Protocol\"] = \"version={}\"\n", request.version);
    if let Some(body) = &request.body {
        let file = sandbox.write("wrk-body", body);
        text += "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/x-git-upload-pack-request\"\n";
        text += &format!("local file = io.open({}, \"rb\")\nwrk.body = file:read(\"*a\")\nfile:close()\n", lua(&file));
    }
    text += "done = function(summary, latency, requests)\n";
    text += "  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout\n";
    text += "  io.write(string.format(\"counted %d %d %d %d %d\\n\", summary.requests, summary.duration, summary.bytes, latency:percentile(99.0), failed))\n";
    text += "end\n";
    Ok(sandbox.write("wrk.lua", text))
}

fn lua(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

/// Reads the line that the script wrote: requests, microseconds, bytes, microseconds at p99, failures.
fn read(said: &str) -> Option<Rate> {
    let line = said.lines().find_map(|line| line.strip_prefix("counted "))?;
    let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [requests, micros, bytes, p99, failed] = numbers[..] else { return None };
    let rate = Rate { requests: requests / (micros / 1e6), bytes: bytes / requests, p99: p99 / 1e6 };
    (requests > 0.0 && failed == 0.0).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_failures_is_an_error() {
        let rate = read("Running 1s test\ncounted 100 2000000 5000 1500 0\n").unwrap();
        assert_eq!((rate.requests, rate.bytes, rate.p99), (50.0, 50.0, 0.0015));
        assert!(read("counted 100 2000000 5000 1500 3\n").is_none());
        assert!(read("counted 0 2000000 0 0 0\n").is_none());
        assert!(read("nothing\n").is_none());
    }
}
