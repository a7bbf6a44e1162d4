//! The project's own commands: `cargo xtask demo | test | verify | bench | soak | codegen`.
//!
//! Owns what a contributor would otherwise have to remember. Never ships in the product, and no product crate imports it.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod codegen;
mod demo;
mod run;
mod soak;
mod test;
mod tools;
mod verify;

/// Runs the project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the main job on this repository's own history: sync, snapshot, clone, promote, flush. Needs cargo and git only.
    Demo(demo::Arguments),
    /// Runs every test; says which suites could not run.
    Test(test::Arguments),
    /// Checks the code base: format, lints, layers, purity of the core, file lengths, generated files, docs.
    Verify(verify::Arguments),
    /// Measures speed and memory against git, both sides in one run.
    Bench(bench::Arguments),
    /// Lets real clients work on a server for hours, while upstream fails and programs are killed, and proves that nothing was lost.
    Soak(soak::Arguments),
    /// Writes the generated files anew: references, schemas, diagrams.
    Codegen,
    /// Stands between the benchmark and a program that it measures.
    #[command(hide = true)]
    Measured(bench::meter::Arguments),
}

fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Test(arguments) => test::test(&arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Bench(arguments) => bench::bench(&arguments),
        Command::Soak(arguments) => soak::soak(&arguments),
        Command::Codegen => codegen::write(),
        Command::Measured(arguments) => match bench::meter::between(&arguments) {
            Ok(code) => return ExitCode::from(u8::try_from(code).unwrap_or(1)),
            Err(problem) => Err(problem),
        },
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            run::print(&format!("error: {problem}"));
            ExitCode::FAILURE
        }
    }
}
