//! Finds the programs that a rig of the real world needs.
//!
//! Whether suites that need them run at all is decided by `cargo xtask test`: a suite whose file begins with `real_` is started only
//! where they are to be had, and listed as not run otherwise. Inside, a rig just requires its program.

use std::path::PathBuf;

/// Finds a program on the `PATH`, or where system daemons and Go are installed.
///
/// # Panics
/// Where it is not installed; the message is the line `not run: <suite>: needs <program>`.
pub fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| panic!("not run: {}: needs {name}", suite()))
}

/// Finds a program on the `PATH`, or where system daemons and Go are installed, if it is there.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/go/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn suite() -> String {
    let executable = std::env::current_exe().unwrap_or_default();
    let stem = executable.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    stem.rsplit_once('-').map_or(stem.clone(), |(name, _)| name.to_owned())
}
