//! Real OpenSSH on the other end of a socket pair: one `sshd -i` per connection, no port, nothing of this machine's configuration.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mirror_transport::ssh::{Identity, KnownHosts, Session, SshError};
use mirror_transport::tunnel::{Deadlines, HostPort, NoSteps};
use tokio::net::UnixStream;

pub(crate) const SSHD: &str = "/usr/sbin/sshd";

/// What a test waits for where nothing comes. Programs that have to start are bounded by it too, on whatever machine.
pub(crate) const IMPATIENCE: Duration = Duration::from_secs(6);

/// What the server's account runs in place of Git: each path asks for one behaviour.
const PROGRAM: &str = r#"#!/bin/sh
case "$1" in
  /zeros/*)  head -c "${1#/zeros/}" /dev/zero ;;
  /echo)     printf '%s:' "$GIT_PROTOCOL"; cat ;;
  /count)    wc -c ;;
  /stderr/*) head -c "${1#/stderr/}" /dev/zero | tr '\0' e >&2; echo done ;;
  /exit/*)   echo "said on stderr" >&2; exit "${1#/exit/}" ;;
  /kill)     kill -TERM $$ ;;
  /silent)   exec sleep 600 ;;
  *)         printf '%s' "$0 $*" ;;
esac
"#;

pub(crate) struct Sshd {
    dir: tempfile::TempDir,
    user: String,
}

impl Sshd {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// Sets a server up, with `more` lines of configuration.
    pub(crate) fn with(more: &str) -> Self {
        assert!(Path::new(SSHD).exists(), "this suite needs {SSHD}: apt-get install openssh-server git");
        let dir = tempfile::Builder::new().prefix("sshd").tempdir().unwrap();
        let root = dir.path();
        let user = String::from_utf8(run(Command::new("id").arg("-un")).stdout).unwrap().trim().to_owned();
        if user == "root" {
            let _ = fs::create_dir("/run/sshd");
        }
        for (kind, bits) in [("ed25519", "256"), ("ecdsa", "256"), ("rsa", "2048")] {
            for name in ["host", "user"] {
                keygen(
                    &["-q", "-t", kind, "-b", bits, "-N", "", "-C", name, "-f"],
                    &root.join(format!("{name}_{kind}")),
                );
            }
        }
        let programs = root.join("programs");
        fs::create_dir(&programs).unwrap();
        for name in ["git-upload-pack", "git-receive-pack"] {
            // A child writes it, so that no other test's child holds it open for writing, which would keep it from being run.
            let write = ["-c", "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"", "sh", name, PROGRAM];
            run(Command::new("sh").current_dir(&programs).args(write));
        }
        let mut authorized = String::new();
        for kind in ["ed25519", "ecdsa", "rsa"] {
            authorized.push_str(&fs::read_to_string(root.join(format!("user_{kind}.pub"))).unwrap());
        }
        fs::write(root.join("authorized_keys"), authorized).unwrap();
        // The first value of a keyword counts, so what a test asks for stands first.
        let config = format!(
            "{more}\n\
             HostKey {root}/host_ed25519\nHostKey {root}/host_ecdsa\nHostKey {root}/host_rsa\n\
             AuthorizedKeysFile {root}/authorized_keys\nStrictModes no\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nUsePAM no\nUseDNS no\n\
             AcceptEnv GIT_PROTOCOL\nSetEnv PATH={programs}:/usr/bin:/bin\nLogLevel VERBOSE\n",
            root = root.display(),
            programs = programs.display(),
        );
        fs::write(root.join("sshd_config"), config).unwrap();
        Self { dir, user }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Starts one server and gives the stream to it.
    pub(crate) fn stream(&self) -> (UnixStream, Served) {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let input: OwnedFd = theirs.try_clone().unwrap().into();
        let output: OwnedFd = theirs.into();
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let child = Command::new(SSHD)
            .args(["-i", "-e", "-f"])
            .arg(self.path("sshd_config"))
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        (UnixStream::from_std(ours).unwrap(), Served(child))
    }

    /// Writes a `known_hosts` file with these of the host's keys, for the target's name.
    pub(crate) fn known_hosts(&self, kinds: &[&str]) -> KnownHosts {
        let mut text = String::new();
        for kind in kinds {
            let key = fs::read_to_string(self.path(&format!("host_{kind}.pub"))).unwrap();
            text.push_str(&format!("[git.example]:2222 {key}"));
        }
        let path = self.path("known_hosts");
        fs::write(&path, text).unwrap();
        KnownHosts::from_file(&path).unwrap()
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        Identity::from_file(&self.path(name), None).unwrap()
    }

    /// Connects with the Ed25519 keys on both sides.
    pub(crate) async fn connect(&self, limits: &Deadlines) -> (Session, Served) {
        let (stream, served) = self.stream();
        let hosts = self.known_hosts(&["ed25519"]);
        let identity = self.identity("user_ed25519");
        let session = Session::connect(stream, &target(), &self.user, &identity, &hosts, limits, &mut NoSteps)
            .await
            .unwrap_or_else(|error| panic!("{error:?}\n{}", self.log()));
        (session, served)
    }

    pub(crate) async fn try_connect(
        &self,
        identity: &Identity,
        hosts: &KnownHosts,
    ) -> Result<(Session, Served), SshError> {
        let (stream, served) = self.stream();
        let limits = Deadlines::default();
        Session::connect(stream, &target(), &self.user, identity, hosts, &limits, &mut NoSteps)
            .await
            .map(|session| (session, served))
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// A running server; it ends with its connection, and is reaped here.
#[derive(Debug)]
pub(crate) struct Served(Child);

impl Served {
    /// Stops the server where it is: it keeps the connection and does nothing any more.
    pub(crate) fn stop(&self) {
        // Where the account is not the superuser, the process that holds the connection is a child.
        let id = self.0.id().to_string();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        for process in children.split_whitespace().chain([id.as_str()]) {
            // A child of the login may have ended by itself meanwhile.
            let _ = Command::new("kill").args(["-STOP", process]).stderr(Stdio::null()).status();
        }
    }

    /// Waits until the server has seen the end of the connection.
    pub(crate) fn wait(mut self) {
        self.0.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn target() -> HostPort {
    HostPort::new("git.example", 2222)
}

pub(crate) fn keygen(args: &[&str], file: &Path) {
    run(Command::new("ssh-keygen").args(args).arg(file));
}

pub(crate) fn run(command: &mut Command) -> std::process::Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
