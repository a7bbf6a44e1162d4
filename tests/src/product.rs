//! Finds the programs of this workspace: what the suites test, and what they need beside it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Gives the real `git-mirror`, as built from the tree as it is.
///
/// # Panics
/// Where it cannot be built.
pub fn git_mirror() -> PathBuf {
    built().join("git-mirror")
}

/// Gives the program that speaks CONNECT for OpenSSH's client.
///
/// # Panics
/// Where it cannot be built.
pub fn connect_pipe() -> PathBuf {
    built().join("connect-pipe")
}

/// Names a folder with programs that are to be tested as they are, such as those of a release.
const PROGRAMS: &str = "GIT_MIRROR_PROGRAMS";

/// Gives the folder that `GIT_MIRROR_PROGRAMS` names; else lets cargo bring the programs up to date beside the running one, in the same
/// profile, and gives their folder.
///
/// Cargo knows best what is older than needed. The packages are those that `cargo xtask test` has built before: with another choice
/// cargo would build their dependencies anew.
fn built() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

fn build() -> PathBuf {
    if let Some(folder) = std::env::var_os(PROGRAMS) {
        return PathBuf::from(folder);
    }
    let here = std::env::current_exe().expect("because a running program has a file");
    let folder = here.parent().expect("because a file stands in a folder");
    // Test binaries are one folder below the programs.
    let folder =
        if folder.ends_with("deps") { folder.parent().expect("because `deps` stands in a folder") } else { folder };
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let target = folder.parent().expect("because profiles stand in the target folder");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "mirror-cli", "--package", "mirror-tests", "--bins"]);
    cargo.args(["--profile", profile, "--target-dir"]).arg(target);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stdout(Stdio::null());
    let status = cargo.status().unwrap_or_else(|error| panic!("cannot start cargo: {error}"));
    assert!(status.success(), "cannot build the programs under test: {status}");
    folder.to_owned()
}
