//! A program on a channel: git with its three streams, or a script instead of it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

use super::fault::{ChannelFault, Ending, Point, Service};
use super::host::{HookPoint, Shared};
use super::script::{Line, Script};
use super::wire::Closer;
use crate::byte_limit::ByteLimit;

/// More messages than russh handles in one batch: once the session has handled so many no-ops, everything queued before them has
/// been written to the socket.
const FLUSHING_MESSAGES: usize = 256;

/// The exit status of a shell that does not know a command.
const UNKNOWN_COMMAND: u32 = 127;

/// One run of a program for a client.
pub(super) struct Run {
    pub(super) at: (u64, usize),
    pub(super) request: Option<(Service, PathBuf)>,
    pub(super) protocol: Option<String>,
    pub(super) channel_faults: Vec<ChannelFault>,
    pub(super) closer: Closer,
    pub(super) handle: Handle,
    pub(super) shared: Arc<Shared>,
}

/// The state that the two directions of a run share.
struct Flow {
    /// The client has sent something.
    heard: AtomicBool,
    /// Nothing more is sent to the client.
    muted: AtomicBool,
    /// The client, or the connection to it, is gone.
    gone: watch::Sender<bool>,
    /// Git has ended.
    ended: watch::Sender<bool>,
}

/// Parses a client's command: the service and the path of the repository.
pub(super) fn parse(command: &str) -> Option<(Service, PathBuf)> {
    [Service::UploadPack, Service::ReceivePack].into_iter().find_map(|service| {
        let spaced = service.program().replacen('-', " ", 1);
        let rest = command.strip_prefix(service.program()).or_else(|| command.strip_prefix(spaced.as_str()))?;
        let word = rest.strip_prefix(' ')?;
        Some((service, PathBuf::from(unquote(word))))
    })
}

/// Unquotes a shell word: single quotes, and backslashes outside of them.
fn unquote(word: &str) -> String {
    let mut text = String::new();
    let mut quoted = false;
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => quoted = !quoted,
            '\\' if !quoted => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

impl Run {
    /// Serves the channel to its end.
    pub(super) async fn serve(self, channel: Channel<Msg>) {
        let (mut reading, writing) = channel.split();
        let script = self.channel_faults.iter().find_map(|channel_fault| match channel_fault {
            ChannelFault::Answer(script) => Some(script.clone()),
            _ => None,
        });
        let status = if let Some(script) = script {
            self.run_script(&script, &mut reading, &writing).await;
            Some(script.exit)
        } else if let Some((service, path)) = &self.request {
            self.git(*service, path, &mut reading, &writing).await
        } else {
            let message = Bytes::from_static(b"this host runs git only\n");
            // A client that is gone needs no message.
            let _ = writing.extended_data_bytes(1, message).await;
            Some(UNKNOWN_COMMAND)
        };
        self.shared
            .recorder
            .on_channel(self.at, |channel| channel.exit.get_or_insert(status.unwrap_or_default()).to_owned());
        if let Some(status) = status {
            let _ = writing.exit_status(status).await;
            let _ = writing.eof().await;
            let _ = writing.close().await;
        }
    }

    /// Runs git; gives its exit status, or nothing where it is not sent to the client.
    async fn git(
        &self,
        service: Service,
        path: &PathBuf,
        reading: &mut ChannelReadHalf,
        writing: &ChannelWriteHalf<Msg>,
    ) -> Option<u32> {
        self.call(HookPoint::BeforeGit).await;
        let mut child = self.spawn(service, path);
        let stdin = child.stdin.take().expect("because its input is piped");
        let stdout = child.stdout.take().expect("because its output is piped");
        let stderr = child.stderr.take().expect("because its errors are piped");
        let flow = Flow {
            heard: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            gone: watch::Sender::new(false),
            ended: watch::Sender::new(false),
        };
        let outward = async {
            let (outbound, ()) = tokio::join!(
                self.forward_output(service, stdout, writing, &flow),
                self.forward_errors(stderr, writing, &flow)
            );
            let status = child.wait().await.ok().and_then(|status| status.code()).map_or(255, i32::unsigned_abs);
            self.call(HookPoint::AfterGit).await;
            self.shared.recorder.on_channel(self.at, |channel| channel.exit = Some(status));
            flow.ended.send_replace(true);
            (outbound.finish(self, writing, &flow).await).then_some(status)
        };
        // The client may go on sending after git has ended; the run ends with git.
        let inward = self.forward_input(reading, stdin, &flow);
        tokio::pin!(outward, inward);
        tokio::select! {
            status = &mut outward => status,
            () = &mut inward => outward.await,
        }
    }

    fn spawn(&self, service: Service, path: &PathBuf) -> Child {
        let git = &self.shared.settings.git;
        let mut command = Command::new("git");
        command.env_clear().envs(git.environment().iter().map(|(name, value)| (name, value)));
        if let Some(protocol) = &self.protocol {
            command.env("GIT_PROTOCOL", protocol);
        }
        command.arg(service.program().trim_start_matches("git-")).arg(path).current_dir("/").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap_or_else(|error| panic!("cannot start git: {error}"))
    }

    /// Calls the hooks of a point, one after the other.
    async fn call(&self, point: HookPoint) {
        for hook in self.shared.hooks(point) {
            let record = self.shared.recorder.on_channel(self.at, |channel| channel.clone());
            if tokio::task::spawn_blocking(move || hook(&record)).await.is_err() {
                self.shared.hook_failed.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Forwards the client's bytes to git.
    async fn forward_input(&self, reading: &mut ChannelReadHalf, stdin: ChildStdin, flow: &Flow) {
        let stop = self.stop(|at| matches!(at, Point::Received(_)));
        let mut limit = ByteLimit::after(stop.map(|(at, _)| at.bytes()));
        let mut stdin = Some(stdin);
        let mut discarding = false;
        loop {
            if limit.is_reached() && !discarding {
                // What follows the last byte may have arrived already, and is discarded.
                discarding = true;
                match stop.map(|(_, then)| then) {
                    Some(Ending::Stall) => std::future::pending().await,
                    Some(Ending::CutOnceGitEnded) => {
                        flow.muted.store(true, Ordering::SeqCst);
                        drop(stdin.take());
                        // The sender is in `flow`, which outlives this.
                        let _ = flow.ended.subscribe().wait_for(|ended| *ended).await;
                        self.closer.cut();
                    }
                    Some(Ending::Cut) | None => {
                        self.closer.cut();
                        drop(stdin.take());
                    }
                }
            }
            match reading.wait().await {
                Some(ChannelMsg::Data { .. }) if discarding => {}
                Some(ChannelMsg::Data { data }) => {
                    self.on_first_byte(flow).await;
                    let allowed = limit.allows(data.len());
                    self.shared.recorder.on_channel(self.at, |channel| channel.received += allowed as u64);
                    limit.passed(allowed);
                    let refused = match &mut stdin {
                        Some(stdin) => stdin.write_all(&data[..allowed]).await.is_err(),
                        None => false,
                    };
                    if refused {
                        stdin = None;
                    }
                }
                Some(ChannelMsg::Eof) => stdin = None,
                Some(ChannelMsg::Close) | None => {
                    flow.gone.send_replace(true);
                    return;
                }
                Some(_) => {}
            }
        }
    }

    /// Records the client's first byte, before git gets it.
    async fn on_first_byte(&self, flow: &Flow) {
        if !flow.heard.load(Ordering::SeqCst) {
            self.call(HookPoint::FirstByte).await;
            self.shared.recorder.on_channel(self.at, |channel| channel.sent_unasked = channel.sent);
            flow.heard.store(true, Ordering::SeqCst);
        }
    }

    /// Forwards git's output to the client, up to the limit.
    async fn forward_output(
        &self,
        service: Service,
        mut stdout: impl AsyncRead + Unpin,
        writing: &ChannelWriteHalf<Msg>,
        flow: &Flow,
    ) -> Outbound {
        let stop = self.stop(|at| !matches!(at, Point::Received(_)));
        let flip = self.channel_faults.iter().find_map(|channel_fault| match channel_fault {
            ChannelFault::Flip { offset } => Some(*offset),
            _ => None,
        });
        let holds = service == Service::ReceivePack && !self.shared.hooks(HookPoint::AfterGit).is_empty();
        let mut outbound =
            Outbound { limit: ByteLimit::after(stop.map(|(at, _)| at.bytes())), stop, held: Vec::new(), shut: false };
        let mut offset_base: u64 = 0;
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(read @ 1..) = stdout.read(&mut buffer).await {
            let chunk = &mut buffer[..read];
            if let Some(index) =
                flip.and_then(|offset| offset.checked_sub(offset_base)).filter(|index| *index < read as u64)
            {
                let byte = &mut chunk[index as usize];
                *byte = !*byte;
            }
            offset_base += read as u64;
            if holds && flow.heard.load(Ordering::SeqCst) {
                outbound.held.extend_from_slice(chunk);
            } else {
                outbound.pass(self, chunk, writing, flow).await;
            }
        }
        outbound
    }

    async fn forward_errors(&self, mut stderr: impl AsyncRead + Unpin, writing: &ChannelWriteHalf<Msg>, flow: &Flow) {
        let mut buffer = vec![0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
            let message = Bytes::copy_from_slice(&buffer[..read]);
            if !flow.muted.load(Ordering::SeqCst) {
                unless_gone(flow, writing.extended_data_bytes(1, message)).await;
            }
        }
    }

    fn stop(&self, at: impl Fn(Point) -> bool) -> Option<(Point, Ending)> {
        self.channel_faults.iter().find_map(|channel_fault| match channel_fault {
            ChannelFault::Stop { at: point, then } if at(*point) => Some((*point, *then)),
            _ => None,
        })
    }

    /// Waits until everything that was queued for the client is written, then cuts the connection.
    async fn flush_and_cut(&self, writing: &ChannelWriteHalf<Msg>, flow: &Flow) {
        let flush = async {
            for _ in 0..FLUSHING_MESSAGES {
                if self.handle.channel_success(writing.id()).await.is_err() {
                    break;
                }
            }
            Ok::<(), ()>(())
        };
        unless_gone(flow, flush).await;
        self.closer.cut();
    }

    async fn run_script(&self, script: &Script, reading: &mut ChannelReadHalf, writing: &ChannelWriteHalf<Msg>) {
        let mut heard = Vec::new();
        for line in &script.lines {
            let done = match line {
                Line::Send(bytes) => self.send(bytes, writing).await,
                Line::SendError(bytes) => writing.extended_data_bytes(1, bytes.clone()).await.is_ok(),
                Line::AwaitFlush => self.await_input(reading, &mut heard, |heard| heard.ends_with(b"0000")).await,
                Line::AwaitEof => !self.await_input(reading, &mut heard, |_| false).await,
                Line::SendForever(bytes) => {
                    while self.send(bytes, writing).await {}
                    false
                }
            };
            if !done {
                return;
            }
        }
    }

    async fn send(&self, bytes: &[u8], writing: &ChannelWriteHalf<Msg>) -> bool {
        self.shared.recorder.on_channel(self.at, |channel| channel.sent += bytes.len() as u64);
        writing.data_bytes(bytes.to_vec()).await.is_ok()
    }

    /// Reads from the client until `enough`; gives whether that came before the end of its input, and clears the buffer.
    async fn await_input(
        &self,
        reading: &mut ChannelReadHalf,
        heard: &mut Vec<u8>,
        enough: impl Fn(&[u8]) -> bool,
    ) -> bool {
        while !enough(heard) {
            match reading.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    self.shared.recorder.on_channel(self.at, |channel| channel.received += data.len() as u64);
                    heard.extend_from_slice(&data);
                }
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return false,
                Some(_) => {}
            }
        }
        heard.clear();
        true
    }
}

/// The state of the direction to the client.
struct Outbound {
    limit: ByteLimit,
    stop: Option<(Point, Ending)>,
    held: Vec<u8>,
    shut: bool,
}

impl Outbound {
    /// Sends a chunk, up to the limit.
    async fn pass(&mut self, run: &Run, chunk: &[u8], writing: &ChannelWriteHalf<Msg>, flow: &Flow) {
        let counts = match self.stop {
            Some((Point::Answered(_), _)) => flow.heard.load(Ordering::SeqCst),
            Some(_) => true,
            None => false,
        };
        let allowed = if counts { self.limit.allows(chunk.len()) } else { chunk.len() };
        if allowed > 0 && !self.shut && !flow.muted.load(Ordering::SeqCst) {
            // Counted before it goes out, because the client may answer before this task goes on.
            run.shared.recorder.on_channel(run.at, |channel| channel.sent += allowed as u64);
            unless_gone(flow, writing.data_bytes(chunk[..allowed].to_vec())).await;
        }
        if counts {
            self.limit.passed(allowed);
        }
        if counts && self.limit.is_reached() && !self.shut {
            self.shut = true;
            flow.muted.store(true, Ordering::SeqCst);
            if let Some((_, Ending::Cut)) = self.stop {
                run.flush_and_cut(writing, flow).await;
            }
        }
    }

    /// Sends what was held back, and performs what is due at the end; gives whether the client gets git's exit status.
    async fn finish(mut self, run: &Run, writing: &ChannelWriteHalf<Msg>, flow: &Flow) -> bool {
        let held = std::mem::take(&mut self.held);
        self.pass(run, &held, writing, flow).await;
        if let Some((_, Ending::CutOnceGitEnded)) = self.stop.filter(|_| self.shut) {
            run.flush_and_cut(writing, flow).await;
        }
        !flow.muted.load(Ordering::SeqCst)
    }
}

/// Completes a send to the client, unless the client disconnects first.
async fn unless_gone<T, E>(flow: &Flow, doing: impl Future<Output = Result<T, E>>) {
    let mut gone = flow.gone.subscribe();
    tokio::select! {
        _ = doing => {}
        _ = gone.wait_for(|gone| *gone) => {}
    }
}

impl Point {
    fn bytes(self) -> u64 {
        match self {
            Self::Sent(bytes) | Self::Answered(bytes) | Self::Received(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_parsed_as_a_shell_would() {
        let check = |command: &str, expected: Option<(Service, &str)>| {
            assert_eq!(parse(command), expected.map(|(service, path)| (service, PathBuf::from(path))), "{command}");
        };
        check("git-upload-pack '/srv/a.git'", Some((Service::UploadPack, "/srv/a.git")));
        check("git receive-pack '/srv/it'\\''s.git'", Some((Service::ReceivePack, "/srv/it's.git")));
        check("git-receive-pack /plain", Some((Service::ReceivePack, "/plain")));
        check("git-upload-archive '/srv/a.git'", None);
        check("ls", None);
    }
}
