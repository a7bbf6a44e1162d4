//! The checks that other programs make: rustfmt, clippy and rustdoc, in a given folder.

use std::path::Path;
use std::process::Command;

use super::Finding;
use crate::run;

/// Asks rustfmt whether every file stands as it would write it.
pub(super) fn format(folder: &Path) -> Vec<Finding> {
    judge("cargo fmt --all", cargo(folder, &["fmt", "--all", "--check"]))
}

/// Asks clippy, with every warning a failure.
pub(super) fn clippy(folder: &Path, scope: &[&str]) -> Vec<Finding> {
    let mut words = vec!["clippy", "--quiet"];
    words.extend(scope);
    words.extend(["--", "--deny", "warnings"]);
    judge("cargo clippy", cargo(folder, &words))
}

/// Asks rustdoc, with every warning a failure.
pub(super) fn docs(folder: &Path, scope: &[&str]) -> Vec<Finding> {
    let mut words = vec!["doc", "--quiet", "--no-deps", "--document-private-items"];
    words.extend(scope);
    let mut command = cargo(folder, &words);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    judge("cargo doc", command)
}

fn cargo(folder: &Path, words: &[&str]) -> Command {
    let mut command = run::cargo(words.iter().copied());
    command.current_dir(folder);
    command
}

fn judge(name: &str, mut command: Command) -> Vec<Finding> {
    match run::output(&mut command) {
        Ok(_) => Vec::new(),
        Err(problem) => vec![Finding::new(name, problem)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package of its own with the workspace's lints, so that each check meets an example that must fail it.
    fn package(source: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let workspace = std::fs::read_to_string(run::root().join("Cargo.toml")).unwrap();
        let lints = workspace.split("[workspace.lints.rust]").nth(1).unwrap().split("[profile").next().unwrap();
        let lints = lints.replace("[workspace.lints.clippy]", "[lints.clippy]");
        let manifest = format!("[package]\nname = \"example\"\nedition = \"2024\"\n[workspace]\n[lints.rust]{lints}");
        std::fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
        std::fs::create_dir(dir.path().join("src")).unwrap();
        std::fs::write(dir.path().join("src/lib.rs"), source).unwrap();
        dir
    }

    const GOOD: &str = "//! Fine.\n\n/// Says one.\npub fn one() -> u8 {\n    1\n}\n";

    #[test]
    fn a_good_package_passes_all() {
        let good = package(GOOD);
        assert_eq!(format(good.path()), []);
        assert_eq!(clippy(good.path(), &[]), []);
        assert_eq!(docs(good.path(), &[]), []);
    }

    #[test]
    fn each_check_fails_its_example() {
        assert_eq!(format(package(&GOOD.replace("    1", "  1")).path()).len(), 1);
        let unwrapped = "//! Bad.\n\n/// Unwraps.\npub fn one(x: Option<u8>) -> u8 {\n    x.unwrap()\n}\n";
        assert_eq!(clippy(package(unwrapped).path(), &[]).len(), 1);
        let undocumented = "//! Bad.\n\npub fn one() {}\n";
        assert_eq!(clippy(package(undocumented).path(), &[]).len(), 1);
        let broken = GOOD.replace("Says one.", "Says [`nothing::at::all`].");
        assert_eq!(docs(package(&broken).path(), &[]).len(), 1);
    }
}
