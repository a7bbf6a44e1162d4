//! Finds the programs of this workspace: what the suites test, and what they need beside it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Gives the real `git-mirror`, as built from the tree as it is.
///
/// # Panics
/// Where it cannot be built.
pub fn git_mirror() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| built("mirror-cli", "git-mirror")).clone()
}

/// Gives the program that speaks CONNECT for OpenSSH's client.
///
/// # Panics
/// Where it cannot be built.
pub fn connect_pipe() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| built("mirror-tests", "connect-pipe")).clone()
}

/// Lets cargo bring a program up to date beside the running one, in the same profile; cargo knows best what is older than needed.
fn built(package: &str, program: &str) -> PathBuf {
    let here = std::env::current_exe().expect("because a running program has a file");
    let folder = here.parent().expect("because a file stands in a folder");
    // Tests stand one folder below the programs.
    let folder =
        if folder.ends_with("deps") { folder.parent().expect("because `deps` stands in a folder") } else { folder };
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let target = folder.parent().expect("because profiles stand in the target folder");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--package", package, "--bin", program, "--profile", profile, "--target-dir"])
        .arg(target);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stdout(Stdio::null());
    let status = cargo.status().unwrap_or_else(|error| panic!("cannot start cargo: {error}"));
    assert!(status.success(), "cannot build {program}: {status}");
    folder.join(program)
}
