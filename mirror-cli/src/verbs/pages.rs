//! `completions` and `man`: pages made from the command line's own description.

use clap_complete::shells;
use mirror_core::report::ExitCode;

use super::Scene;
use crate::args::{self, Shell};

/// Prints the completion script of a shell.
pub(super) fn completions(shell: Shell, scene: &mut Scene<'_, '_>) -> ExitCode {
    let mut script = Vec::new();
    let mut command = args::command();
    let name = "git-mirror";
    match shell {
        Shell::Bash => clap_complete::generate(shells::Bash, &mut command, name, &mut script),
        Shell::Zsh => clap_complete::generate(shells::Zsh, &mut command, name, &mut script),
        Shell::Fish => clap_complete::generate(shells::Fish, &mut command, name, &mut script),
        Shell::Elvish => clap_complete::generate(shells::Elvish, &mut command, name, &mut script),
        Shell::Powershell => clap_complete::generate(shells::PowerShell, &mut command, name, &mut script),
    }
    scene.out.put(&String::from_utf8_lossy(&script));
    ExitCode::Done
}

/// Prints the manual page.
pub(super) fn man(scene: &mut Scene<'_, '_>) -> ExitCode {
    scene.out.put(&crate::reference::man());
    ExitCode::Done
}
