//! The program in `tests/go`: go-git 5, as Argo CD and Flux use it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::sandbox::Git;
use crate::{deadline, requires};

/// The built program.
#[derive(Debug, Clone, Copy)]
pub struct GoGit(&'static Path);

impl GoGit {
    /// Builds it beside the program that asks for it, once.
    ///
    /// # Panics
    /// Where Go is missing, or does not build it.
    pub fn build() -> Self {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        Self(BUILT.get_or_init(|| {
            let own = std::env::current_exe().expect("because this program has a name");
            let program = own.with_file_name("gogit");
            // Others may build it at this moment, or run it.
            let made = own.with_file_name(format!("gogit-{}", std::process::id()));
            let mut go = Command::new(requires::program("go"));
            go.args(["build", "-o"]).arg(&made).arg(".");
            go.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("go"));
            go.env("GOFLAGS", "-mod=readonly").env("GOWORK", "off").env("CGO_ENABLED", "0");
            let built = go.output().expect("because go can be started");
            assert!(built.status.success(), "cannot build tests/go: {}", String::from_utf8_lossy(&built.stderr));
            std::fs::rename(&made, &program).expect("because both stand in one folder");
            program
        }))
    }

    /// Runs it with these arguments; gives whether it succeeded, and its JSON output.
    ///
    /// # Panics
    /// Where it prints no JSON.
    pub fn ask(self, git: &Git, folder: &Path, words: &[&str]) -> (bool, Value) {
        let output = deadline::finish(git.program(self.0, folder).args(words), &[]);
        let report = serde_json::from_slice(&output.stdout);
        let report = report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.success(), report)
    }
}
