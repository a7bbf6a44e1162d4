//! `cargo xtask bench`: speed and memory against git, both sides in one run, ratios first.
//!
//! Owns the figures, one file each, and what they share: the fixture of both sides ([`fixture`]), the repositories that are made
//! once and cached ([`material`]), the measuring of a process tree ([`meter`]), and the table ([`figure`], [`output`]). How to read it:
//! `docs/benchmarks.md`. Never judges: a figure that is not reached is shown as such, and the command still ends well.

mod figure;
mod first_mirror;
mod fixture;
mod idle_sync;
mod large_flush;
mod material;
pub(crate) mod meter;
mod one_commit;
mod output;
mod proved_flush;
mod repeat;
mod serving;
mod status;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::run::{self, Outcome, cargo, print, root};
use crate::tools;
use figure::{Figure, Report};

/// What to measure.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Writes the figures to a file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures only this figure; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<Name>,
    /// How often each side is run where the runs' median is taken; each figure has its own number where this is not given.
    #[arg(long, value_name = "N")]
    runs: Option<u32>,
    /// Measures this git-mirror, instead of the one that is built from the tree as it is.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// The figures, in the order in which they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// The first mirror of a repository as teams have it.
    FirstMirror,
    /// A sync with nothing to do, in round trips.
    IdleSync,
    /// A flush of one commit and its proof, in round trips and tunnels.
    ProvedFlush,
    /// The status of a cache with many snapshots.
    Status,
    /// A sync of one commit into a cache with many snapshots.
    OneCommit,
    /// A flush of many changes onto a long history.
    LargeFlush,
    /// Builds that clone one snapshot repeatedly.
    WarmClones,
    /// Many clients that clone a large repository at once, with an empty pack cache.
    ColdClones,
    /// Listings beside many snapshots.
    Listing,
    /// A push of one commit until it is acknowledged.
    Push,
    /// Reads while a push, a sync and maintenance run.
    BusyReads,
    /// A scheduled sync that finds nothing new, in round trips.
    WarmLsRefs,
    /// The memory of an idle server, over many snapshots.
    IdleMemory,
}

impl Name {
    fn measure(self, program: &Path, runs: Option<u32>) -> Outcome<Figure> {
        match self {
            Self::FirstMirror => first_mirror::measure(program, runs.unwrap_or(3)),
            Self::IdleSync => idle_sync::measure(program, runs.unwrap_or(5)),
            Self::ProvedFlush => proved_flush::measure(program, runs.unwrap_or(5)),
            Self::Status => status::measure(program, runs.unwrap_or(60)),
            Self::OneCommit => one_commit::measure(program, runs.unwrap_or(5)),
            Self::LargeFlush => large_flush::measure(program, runs.unwrap_or(3)),
            Self::WarmClones => serving::warm_clones(program, runs.unwrap_or(3)),
            Self::ColdClones => serving::cold_clones(program, runs.unwrap_or(3)),
            Self::Listing => serving::listing(program, runs.unwrap_or(9)),
            Self::Push => serving::push(program, runs.unwrap_or(21)),
            Self::BusyReads => serving::busy_reads(program, runs.unwrap_or(3)),
            Self::WarmLsRefs => serving::warm_ls_refs(program, runs.unwrap_or(5)),
            Self::IdleMemory => serving::idle_memory(program),
        }
    }
}

/// Measures.
pub(crate) fn bench(arguments: &Arguments) -> Outcome {
    let missing = tools::provide(&[tools::GIT, tools::SSHD, tools::SSH, tools::TINYPROXY]);
    if !missing.is_empty() {
        return Err(format!("the benchmark needs: {}", tools::install_line(&missing)));
    }
    let program = match &arguments.program {
        Some(program) => program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?,
        None => ship()?,
    };
    let names = if arguments.only.is_empty() { Name::value_variants() } else { &arguments.only };
    let mut figures = Vec::new();
    for name in names {
        let figure = name.measure(&program, arguments.runs)?;
        output::figure(&figure);
        figures.push(figure);
    }
    let report = Report::of(figures);
    output::summary(&report);
    match &arguments.json {
        Some(path) => report.write(path),
        None => Ok(()),
    }
}

/// Builds the program as it ships.
fn ship() -> Outcome<PathBuf> {
    run::run(&mut cargo(["build", "--quiet", "--release", "--package", "mirror-cli", "--bin", "git-mirror"]))?;
    Ok(root().join("target/release/git-mirror"))
}

/// Prints what is being measured.
fn progress(text: &str) {
    print(&format!("… {text}"));
}
