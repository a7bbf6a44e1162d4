//! Our side: the real `git-mirror serve`, and the kernel's counts of it and of its children.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mirror_tests::sandbox::GitSandbox;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::run::Outcome;

/// How often the memory of a process tree is sampled.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);
/// `utime`, `stime`, `cutime` and `cstime` in `/proc/<pid>/stat`, counted from 1; see proc_pid_stat(5).
const TIMES: std::ops::RangeInclusive<usize> = 14..=17;

/// A running server.
pub(super) struct Served {
    child: Child,
    url: String,
}

impl Served {
    /// Starts it by a configuration and waits until it listens.
    pub(super) fn start(program: &Path, sandbox: &GitSandbox, settings: &Path) -> Outcome<Self> {
        let mut command = sandbox.git().program(program, sandbox.path());
        command.arg("-f").arg(settings).args(["-o", "json", "serve", "--listen", "127.0.0.1:0"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("its output is not piped")?;
        BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        let said: Value = serde_json::from_str(&line).map_err(|error| format!("serve said {line:?}: {error}"))?;
        let url = said["url"].as_str().ok_or_else(|| format!("serve said {line:?}"))?.to_owned();
        Ok(Self { child, url })
    }

    /// The URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    /// Seconds of CPU that it and all its children that ended have used.
    pub(super) fn cpu(&self) -> Outcome<f64> {
        let text = self.proc("stat")?;
        let (_, behind) = text.rsplit_once(')').ok_or("no stat")?;
        let fields: Vec<_> = behind.split_whitespace().collect();
        // The first field behind the name is the third.
        let ticks = TIMES.map(|field| fields.get(field - 3).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0));
        Ok(ticks.sum::<f64>() / 100.0)
    }

    /// Bytes of memory that it holds.
    pub(super) fn resident(&self) -> Outcome<f64> {
        let text = self.proc("status")?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilo =
            line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kilo| kilo.trim().parse::<f64>().ok());
        kilo.map(|kilo| kilo * 1024.0).ok_or_else(|| "no VmRSS".to_owned())
    }

    /// Does something, and gives the most memory that the server and its children held together meanwhile. What they share counts once.
    pub(super) fn watched<T: Send>(&self, doing: impl FnOnce() -> T + Send) -> (T, f64) {
        let over = AtomicBool::new(false);
        let pid = self.child.id();
        std::thread::scope(|scope| {
            let sampling = scope.spawn(|| {
                let mut most = 0.0_f64;
                while !over.load(Ordering::Relaxed) {
                    most = most.max(tree(pid).into_iter().map(proportional).sum());
                    std::thread::park_timeout(SAMPLE_EVERY);
                }
                most
            });
            let done = doing();
            over.store(true, Ordering::Relaxed);
            (done, sampling.join().unwrap_or(f64::NAN))
        })
    }

    fn proc(&self, file: &str) -> Outcome<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// A process and all below it.
fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut at = 0;
    while at < all.len() {
        let tasks = PathBuf::from(format!("/proc/{}/task", all[at]));
        for task in std::fs::read_dir(tasks).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        at += 1;
    }
    all
}

/// The bytes of a process, what it shares divided among those who share it. Nothing of one that is gone.
fn proportional(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilo = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kilo| kilo.trim().parse::<f64>().ok());
    kilo.unwrap_or(0.0) * 1024.0
}
