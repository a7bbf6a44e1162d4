//! The real `ssh` client, as git uses it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::product;
use crate::sandbox::Git;

/// How git reaches a host by OpenSSH's client: the side that git-mirror is measured against.
#[derive(Debug, Clone)]
pub struct SshClient {
    /// The private key.
    pub identity: PathBuf,
    /// The `known_hosts` file.
    pub known_hosts: PathBuf,
    /// A CONNECT proxy on the way.
    pub proxy: Option<SocketAddr>,
}

impl SshClient {
    /// Makes a git command that goes this way.
    ///
    /// # Panics
    /// Where the small program that speaks CONNECT for `ssh` cannot be built.
    pub fn git<'a>(&self, git: &Git, folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = git.command(folder, arguments);
        command.env("GIT_SSH_VARIANT", "ssh").env("GIT_SSH_COMMAND", self.command_line());
        command
    }

    /// Gives the command line of `ssh`.
    ///
    /// # Panics
    /// Where the small program that speaks CONNECT for `ssh` cannot be built.
    pub fn command_line(&self) -> String {
        let mut words = vec![
            "ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes".to_owned(),
            "-o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no -o LogLevel=ERROR".to_owned(),
            format!("-o UserKnownHostsFile={} -i {}", self.known_hosts.display(), self.identity.display()),
        ];
        if let Some(proxy) = self.proxy {
            words.push(format!("-o 'ProxyCommand={} {proxy} %h %p'", product::connect_pipe().display()));
        }
        words.join(" ")
    }
}
