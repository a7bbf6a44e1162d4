//! The Git programs that a server runs for its clients.

use std::fmt;

/// Names a program that a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Sends refs and packs.
    UploadPack,
    /// Takes commands and packs.
    ReceivePack,
}

impl Service {
    /// Gives the program's name.
    pub fn program(self) -> &'static str {
        match self {
            Service::UploadPack => "git-upload-pack",
            Service::ReceivePack => "git-receive-pack",
        }
    }

    /// Writes the command as git sends it: the path quoted for the server's shell.
    pub(super) fn command(self, path: &str) -> String {
        let mut command = String::with_capacity(path.len() + 24);
        command.push_str(self.program());
        command.push_str(" '");
        for c in path.chars() {
            match c {
                '\'' | '!' => {
                    command.push_str("'\\");
                    command.push(c);
                    command.push('\'');
                }
                other => command.push(other),
            }
        }
        command.push('\'');
        command
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}

/// Names a version of Git's protocol that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Version 2. A server that does not take `GIT_PROTOCOL` answers in version 0.
    V2,
}

impl Protocol {
    /// Gives the value of `GIT_PROTOCOL`.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Protocol::V2 => "version=2",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_as_git_quotes_them() {
        for (path, command) in [
            ("/a/b.git", "git-upload-pack '/a/b.git'"),
            ("/it's.git", r"git-upload-pack '/it'\''s.git'"),
            ("/wow!.git", r"git-upload-pack '/wow'\!'.git'"),
            ("/a b;rm -rf $HOME.git", "git-upload-pack '/a b;rm -rf $HOME.git'"),
        ] {
            assert_eq!(Service::UploadPack.command(path), command);
        }
    }
}
