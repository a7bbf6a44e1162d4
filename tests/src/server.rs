//! The real `git-mirror serve` on a world, as its own process.
//!
//! [`Served`] is a world with its server; [`Server`] is the process: its address, its log, its children, its end. It listens on a
//! free port of 127.0.0.1, and goes with its value.
//!
//! ```no_run
//! use mirror_tests::server::Served;
//! use mirror_tests::world::World;
//!
//! let served = Served::start(World::builder().build(), |serve| serve["readers"] = "open".into());
//! let token = served.token("ci", &[]);
//! served.client().with(&token).run(served.world.sandbox().path(), ["ls-remote", &served.url()]);
//! ```

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::ops::Deref;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::deadline::TIMEOUT;
use crate::generate::{History, Shape};
use crate::gitclient::{GitClient, Token};
use crate::http::{self, Reply};
use crate::procfs::{self, Process};
use crate::watched::Watched;
use crate::world::{ProxyKind, REPOSITORY, World, WorldBuilder};

/// Where a server listens that may choose its port.
const ANYWHERE: &str = "127.0.0.1:0";

/// A world and the server on its cache. Dropping it ends the server first.
#[derive(Debug)]
pub struct Served {
    /// The server.
    pub server: Server,
    /// Its world.
    pub world: World,
}

/// A running `git-mirror serve`.
#[derive(Debug)]
pub struct Server {
    child: Child,
    announcement: Value,
    address: SocketAddr,
    log: Watched<String>,
    ended: Option<ExitStatus>,
    reading: Vec<JoinHandle<()>>,
}

impl Served {
    /// Gives the world a `serve` block that does nothing by itself, lets the test change it, and starts the server.
    ///
    /// # Panics
    /// Where the server does not announce itself.
    pub fn start(mut world: World, change: impl FnOnce(&mut Value)) -> Self {
        configure(&mut world, change);
        let server = Server::start(&world);
        Self { server, world }
    }

    /// A small world in sync, and its server: some commits on `main`, one on `gitops`, the tag `v1` and the annotated tag `v2`. Upstream is
    /// the embedded host behind the embedded proxy.
    ///
    /// # Panics
    /// Where the sync does not succeed, or the server does not announce itself.
    pub fn small(change: impl FnOnce(&mut Value)) -> Self {
        let world = small_world();
        world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
        Self::start(world, change)
    }

    /// Gives the URL of the world's repository.
    pub fn url(&self) -> String {
        self.server.url(&format!("{REPOSITORY}.git"))
    }

    /// Makes a token for writers by `git-mirror token new`; without lanes it is good for all of them.
    ///
    /// # Panics
    /// Where the program makes none.
    pub fn token(&self, name: &str, lanes: &[&str]) -> Token {
        Token::make(&self.world, name, lanes, &[])
    }

    /// Gives git as it is used against this server: protocol version 2, no token.
    pub fn client(&self) -> GitClient {
        GitClient::new(self.world.sandbox())
    }

    /// Ends the server as `kill -9` does, and starts it again on the same port.
    ///
    /// # Panics
    /// Where the new one does not announce itself.
    pub fn restart(&mut self) {
        self.server.kill();
        self.start_again();
    }

    /// Starts the server anew on the same port; the old one has ended.
    ///
    /// # Panics
    /// Where the new one does not announce itself.
    pub fn start_again(&mut self) {
        let address = self.server.address;
        self.server = Server::spawn(&mut command(&self.world, &address.to_string()));
    }
}

/// The world of [`Served::small`] before its first sync.
///
/// # Panics
/// Where it cannot be made.
pub fn small_world() -> World {
    small_world_of(World::builder().proxy(ProxyKind::Embedded))
}

/// The same, of a world that is described otherwise.
///
/// # Panics
/// Where it cannot be made.
pub fn small_world_of(builder: WorldBuilder) -> World {
    let mut world = builder.build();
    world.configure(|config| config["repositories"][REPOSITORY]["tags"] = json!(["v*"]));
    let upstream = world.upstream();
    let mut history = History::new(Shape::small(7));
    history.write(upstream, "main", 8);
    upstream.run(["tag", "v1", "main"]);
    history.write(upstream, "main", 8);
    upstream.run(["tag", "--annotate", "--message=second", "v2", "main"]);
    history.write(upstream, "main", 4);
    upstream.commit("gitops").root().file("deployed", "nothing yet\n").make();
    world
}

/// Gives the world a `serve` block that does nothing by itself, and lets the test change it.
pub fn configure(world: &mut World, change: impl FnOnce(&mut Value)) {
    let tokens = world.sandbox().path().join("tokens.yaml");
    world.configure(|config| {
        let serve = &mut config["nodes"]["local"]["serve"];
        *serve = json!({
            "listen": ANYWHERE,
            "tokens": { "file": tokens },
            "schedule": { "maintainEvery": "never" },
            "freeSpace": { "stop": "1MiB", "resume": "2MiB" },
        });
        change(serve);
    });
}

/// Makes the command of a server on a world, for a test that starts it itself. It logs every request, and finds the system's programs: git
/// is one of them.
pub fn command(world: &World, listen: &str) -> Command {
    let mut command = world.command(&["-v", "serve", "--node", "local", "--listen", listen, "--output", "json"]);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

impl Server {
    /// Starts it on a free port and waits until it listens.
    ///
    /// # Panics
    /// Where it does not announce itself within five minutes; the message holds its log.
    pub fn start(world: &World) -> Self {
        Self::spawn(&mut command(world, ANYWHERE))
    }

    /// Starts it by any command and waits until it listens.
    ///
    /// # Panics
    /// Where it does not announce itself within five minutes; the message holds its log.
    pub fn spawn(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let log = Watched::<String>::default();
        let errors = child.stderr.take().expect("because its errors are piped");
        let listening = std::thread::spawn({
            let log = log.clone();
            move || collect(errors, &log)
        });
        let (said, lines) = channel();
        let output = BufReader::new(child.stdout.take().expect("because its output is piped"));
        let reading = std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The receiver is dropped once the server has announced itself; further lines are ignored.
                let _ = said.send(line);
            }
        });
        let mut server = Self {
            child,
            announcement: Value::Null,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
            ended: None,
            reading: vec![listening, reading],
        };
        server.announcement = server.await_announcement(&lines);
        let listen = server.announcement["listen"].as_str().and_then(|text| text.parse().ok());
        server.address = listen.unwrap_or_else(|| panic!("no address in {}", server.announcement));
        server
    }

    fn await_announcement(&mut self, lines: &Receiver<String>) -> Value {
        match lines.recv_timeout(TIMEOUT) {
            Ok(line) => serde_json::from_str(&line).unwrap_or_else(|_| {
                // An error report has several lines.
                let rest: Vec<_> = lines.iter().collect();
                panic!("no announcement: {line}\n{}\n{}", rest.join("\n"), self.log())
            }),
            Err(RecvTimeoutError::Timeout) => panic!("no announcement within {TIMEOUT:?}; its log: {}", self.log()),
            Err(RecvTimeoutError::Disconnected) => {
                let ended = self.child.wait();
                panic!("it ended before it listened: {ended:?}; its log: {}", self.log())
            }
        }
    }

    /// Gives what it announced.
    pub fn announcement(&self) -> &Value {
        &self.announcement
    }

    /// Gives where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Gives the number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks for a path.
    ///
    /// # Panics
    /// Where no whole answer comes.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        http::get(self.address, path, &[])
    }

    /// Gives a metric that has no labels, or its value for the labels as they are written; one with labels begins at zero.
    ///
    /// # Panics
    /// Where `/metrics` does not have it.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").expect(200).text();
        find_metric(&text, name).unwrap_or_else(|| panic!("no {name} in\n{text}"))
    }

    /// Waits until a question to it is answered with yes, asking again and again.
    ///
    /// # Panics
    /// Where that does not come within five minutes; the message holds the server's log.
    #[track_caller]
    pub fn wait_until(&self, what: &str, holds: impl FnMut() -> bool) {
        assert!(became(holds), "{what}: not within {TIMEOUT:?}; its log:\n{}", self.log());
    }

    /// Gives its standard error so far.
    pub fn log(&self) -> String {
        self.log.read()
    }

    /// Waits until a text is in its log.
    ///
    /// # Panics
    /// Where that does not come within five minutes.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        self.log.wait(|log| log.contains(text));
    }

    /// Gives the programs that it runs, and those that they run.
    pub fn children(&self) -> Vec<Process> {
        procfs::descendants(self.id())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        assert!(procfs::signal(self.id(), signal), "it is gone");
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        // One that has ended by itself is as wanted.
        let _ = self.child.kill();
        self.reap();
    }

    /// Asks it to end, waits until it has, and gives how.
    ///
    /// # Panics
    /// Where it has not within five minutes.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended, and gives how.
    ///
    /// # Panics
    /// Where it has not within five minutes.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let gone = became(|| child.try_wait().expect("because it is ours").is_some());
        assert!(gone, "it has not ended within {TIMEOUT:?}; its log:\n{}", self.log());
        self.reap()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("because it is ours").is_none()
    }

    fn reap(&mut self) -> ExitStatus {
        let status = self.child.wait().expect("because it is ours");
        self.ended = Some(status);
        status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill();
        }
        for reading in self.reading.drain(..) {
            let _ = reading.join();
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            let tail: String = tail.into_iter().rev().flat_map(|line| [line, "\n"]).collect();
            // The harness shows it beside the panic, and swallows it where the test is well.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("the server's log:\n{tail}").as_bytes());
        }
    }
}

impl Deref for Served {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Finds the value of a metric in the text form of OpenMetrics: the line that begins with the name, labels and all. One that is declared
/// and has no such labels yet is zero.
pub fn find_metric(text: &str, name: &str) -> Option<f64> {
    let found =
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.split(' ').next()?.parse().ok());
    let family = name.split('{').next().unwrap_or_default();
    let family = family.strip_suffix("_total").unwrap_or(family);
    let declared = || {
        text.lines().any(|line| line.strip_prefix("# TYPE ").is_some_and(|rest| rest.split(' ').next() == Some(family)))
    };
    found.or_else(|| (name.contains('{') && declared()).then_some(0.0))
}

/// Polls a condition, ever more slowly, until it holds or the timeout passes.
pub fn became(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + TIMEOUT;
    let mut pause = Duration::from_millis(1);
    while !holds() {
        if Instant::now() > end {
            return false;
        }
        std::thread::park_timeout(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    true
}

fn collect(mut errors: impl Read, log: &Watched<String>) {
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = errors.read(&mut buffer) {
        log.write(|log| log.push_str(&String::from_utf8_lossy(&buffer[..read])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_full_name() {
        let text = "# TYPE packs counter\npacks_total 3\npacks_total{kind=\"made\"} 2\npacks_total_more 9\n";
        assert_eq!(find_metric(text, "packs_total"), Some(3.0));
        assert_eq!(find_metric(text, "packs_total{kind=\"made\"}"), Some(2.0));
        assert_eq!(find_metric(text, "packs_total{kind=\"cached\"}"), Some(0.0), "declared and not counted yet");
        assert_eq!(find_metric(text, "packs"), None);
        assert_eq!(find_metric(text, "unknown{kind=\"made\"}"), None);
    }
}
