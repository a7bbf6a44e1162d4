//! The real tinyproxy.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use crate::requires;
use crate::sandbox::GitSandbox;
use crate::watched::Watched;

/// So many ports may be taken by others between our finding and tinyproxy's binding.
const ATTEMPTS: usize = 10;
/// What tinyproxy logs once it listens.
const READY: &str = "Accepting connections";

/// A running tinyproxy on a free port of 127.0.0.1 that opens tunnels to any port.
#[derive(Debug)]
pub struct Tinyproxy {
    port: u16,
    child: Child,
    log: Watched<Vec<String>>,
    listening: Option<JoinHandle<()>>,
}

impl Tinyproxy {
    /// Starts it; its configuration file is in the sandbox.
    ///
    /// # Panics
    /// Where it is not installed or does not start.
    pub fn start(sandbox: &GitSandbox) -> Self {
        Self::with(sandbox, &[])
    }

    /// Starts it with further lines of its configuration, such as `BasicAuth user password`.
    ///
    /// # Panics
    /// Where it is not installed or does not start.
    pub fn with(sandbox: &GitSandbox, lines: &[&str]) -> Self {
        let program = requires::program("tinyproxy");
        let mut logged = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let mut config = format!(
                "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 600\nMaxClients 200\nLogLevel Info\nDisableViaHeader Yes\n"
            );
            for line in lines {
                config += line;
                config += "\n";
            }
            let path = sandbox.write(&format!("tinyproxy-{port}.conf"), config);
            let mut command = Command::new(&program);
            command.arg("-d").arg("-c").arg(path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = command.spawn().expect("because tinyproxy can be started");
            let mut log = BufReader::new(child.stdout.take().expect("because its output is piped"));
            if await_line(&mut log, &mut logged) {
                return Self::listening(port, child, log);
            }
            // It ended because the port was taken after all.
            let _ = child.wait();
        }
        panic!("tinyproxy does not start: {logged}");
    }

    fn listening(port: u16, child: Child, log: BufReader<ChildStdout>) -> Self {
        let lines = Watched::<Vec<String>>::default();
        let writing = lines.clone();
        let listening = std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                writing.write(|lines| lines.push(line));
            }
        });
        Self { port, child, log: lines, listening: Some(listening) }
    }

    /// Gives the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives the socket address.
    pub fn socket(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Gives the URL for a configuration.
    pub fn url(&self) -> String {
        format!("http://{}", self.socket())
    }

    /// Gives the targets of the tunnels that were asked for, in their order.
    pub fn targets(&self) -> Vec<String> {
        self.log.read().iter().filter_map(|line| target(line)).collect()
    }

    /// Waits until so many tunnels were asked for, and gives their targets.
    ///
    /// # Panics
    /// Where that does not come within five minutes.
    pub fn wait_for_targets(&self, count: usize) -> Vec<String> {
        let log = self.log.wait(|log| log.iter().filter_map(|line| target(line)).count() >= count);
        log.iter().filter_map(|line| target(line)).collect()
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        // One that ended by itself is as wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// Finds the target in a log line `… Request (file descriptor 4): CONNECT host:port HTTP/1.1`.
fn target(line: &str) -> Option<String> {
    let (_, request) = line.split_once("): CONNECT ")?;
    request.split(' ').next().map(str::to_owned)
}

/// Reads the log up to the line that it writes once it listens; gives `false` where the log ends before.
fn await_line(log: &mut impl BufRead, logged: &mut String) -> bool {
    loop {
        let before = logged.len();
        match log.read_line(logged) {
            Ok(1..) if logged[before..].contains(READY) => return true,
            Ok(1..) => {}
            Ok(0) | Err(_) => return false,
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("because a loopback port is free");
    listener.local_addr().expect("because the socket is bound").port()
}
