//! The system's programs that the real-component suites need: found, installed where that is possible, or named in one line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run;

/// A program that a suite needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tool {
    /// Its name.
    pub(crate) program: &'static str,
    /// The Debian package that brings it.
    pub(crate) package: &'static str,
}

/// Git itself: nothing runs without it.
pub(crate) const GIT: Tool = Tool { program: "git", package: "git" };
/// The SSH server that most upstreams run.
pub(crate) const SSHD: Tool = Tool { program: "sshd", package: "openssh-server" };
/// Its client, which git runs.
pub(crate) const SSH: Tool = Tool { program: "ssh", package: "openssh-client" };
/// A CONNECT proxy.
pub(crate) const TINYPROXY: Tool = Tool { program: "tinyproxy", package: "tinyproxy" };
/// The tracer of system calls.
pub(crate) const STRACE: Tool = Tool { program: "strace", package: "strace" };
/// The compiler of the go-git client.
pub(crate) const GO: Tool = Tool { program: "go", package: "golang-go" };
/// What the real-component suites need.
pub(crate) const REAL: [Tool; 5] = [SSHD, SSH, TINYPROXY, STRACE, GO];

/// Finds a program on the `PATH`, or where system daemons and Go are installed.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/go/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// The programs of `wanted` that are not here.
pub(crate) fn missing(wanted: &[Tool]) -> Vec<Tool> {
    wanted.iter().filter(|tool| find(tool.program).is_none()).copied().collect()
}

/// The one line that installs what is missing.
pub(crate) fn install_line(missing: &[Tool]) -> String {
    let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    format!("apt-get update && apt-get install -y {}", packages.join(" "))
}

/// Installs what is missing, where this is root on a machine with apt; gives back what is still missing.
pub(crate) fn provide(wanted: &[Tool]) -> Vec<Tool> {
    let absent = missing(wanted);
    if absent.is_empty() || !is_root() || find("apt-get").is_none() {
        return absent;
    }
    run::print(&format!("installing: {}", install_line(&absent)));
    let installed = Command::new("sh")
        .args(["-c", &install_line(&absent)])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !installed {
        run::print("the installation did not succeed");
    }
    missing(wanted)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|meta| meta.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tools_are_named_in_one_line() {
        let ghost = Tool { program: "no-such-program-here", package: "ghost" };
        assert_eq!(missing(&[GIT, ghost]), [ghost]);
        assert_eq!(install_line(&[ghost]), "apt-get update && apt-get install -y ghost");
    }
}
