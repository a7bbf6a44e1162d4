//! Writes commits of a shape by `git fast-import`, and goes on where it stopped.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::process::Stdio;

use mirror_core::name::CommitId;

use super::content;
use super::shape::Shape;
use crate::rng::Rng;
use crate::sandbox::Repository;

/// The first second of generated histories.
const EPOCH: u64 = 1_500_000_000;

/// A history that is being written. It remembers the version of every line, not their text.
#[derive(Debug, Clone)]
pub struct History {
    shape: Shape,
    commits: u64,
    versions: Vec<Vec<u32>>,
}

impl History {
    /// Starts a history of a shape; nothing is written yet.
    pub fn new(shape: Shape) -> Self {
        let versions = (0..shape.files)
            .map(|file| {
                let lines = Rng::of(shape.seed, &[1, u64::from(file)]).within(&shape.lines);
                vec![0; lines as usize]
            })
            .collect();
        Self { shape, commits: 0, versions }
    }

    /// Lets the commits from here on change so many files each.
    pub fn changing(mut self, files: u32) -> Self {
        self.shape.changes = files;
        self
    }

    /// Writes so many commits on top of a branch, the first of a history with all its files, and gives the new tip.
    ///
    /// # Panics
    /// Where git refuses them.
    pub fn write(&mut self, repository: &Repository, branch: &str, commits: u64) -> CommitId {
        let reference = format!("refs/heads/{branch}");
        let tip = repository.rev(&reference);
        let mut command = repository.git().command(repository.path(), ["fast-import", "--quiet", "--done"]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("because git can be started");
        let mut out = BufWriter::with_capacity(1 << 20, child.stdin.take().expect("because its input is piped"));
        let written = self.stream(&mut out, &reference, tip, commits).and_then(|()| out.flush());
        drop(out);
        let status = child.wait().expect("because git was started");
        assert!(written.is_ok() && status.success(), "git fast-import ended with {status}: {written:?}");
        repository.rev(&reference).expect("because commits were written")
    }

    fn stream(
        &mut self,
        out: &mut impl Write,
        reference: &str,
        tip: Option<CommitId>,
        commits: u64,
    ) -> std::io::Result<()> {
        for number in 0..commits {
            let subject = format!("Change {} of seed {}\n", self.commits, self.shape.seed);
            let second = EPOCH + 60 * self.commits;
            writeln!(out, "commit {reference}\ncommitter Ada Rig <ada@example.invalid> {second} +0000")?;
            writeln!(out, "data {}\n{subject}", subject.len())?;
            if let Some(tip) = tip.filter(|_| number == 0) {
                writeln!(out, "from {tip}")?;
            }
            if self.commits == 0 {
                self.stream_everything(out)?;
            } else {
                self.stream_change(out)?;
            }
            self.commits += 1;
        }
        writeln!(out, "done")
    }

    fn stream_everything(&self, out: &mut impl Write) -> std::io::Result<()> {
        for file in 0..self.shape.files {
            self.stream_file(out, file)?;
        }
        for asset in 0..self.shape.assets {
            let bytes = Rng::of(self.shape.seed, &[2, u64::from(asset)]).within(&self.shape.asset_bytes);
            let path = format!("{}/picture-{asset:05}.bin", self.directory(asset));
            stream_blob(out, &path, &content::noise(self.shape.seed, asset, bytes))?;
        }
        Ok(())
    }

    fn stream_change(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        let mut rng = Rng::of(self.shape.seed, &[3, self.commits]);
        let wanted = self.shape.changes.min(self.shape.files) as usize;
        let mut files = BTreeSet::new();
        while files.len() < wanted {
            files.insert(rng.below(u64::from(self.shape.files)) as u32);
        }
        for file in files {
            let lines = &mut self.versions[file as usize];
            // Edits come in runs of neighbouring lines, as real edits do.
            let start = rng.below(lines.len() as u64) as usize;
            for version in lines.iter_mut().skip(start).take(self.shape.edits as usize) {
                *version += 1;
            }
            self.stream_file(out, file)?;
        }
        Ok(())
    }

    fn stream_file(&self, out: &mut impl Write, file: u32) -> std::io::Result<()> {
        let mut text = Vec::new();
        for (line, version) in self.versions[file as usize].iter().enumerate() {
            content::line(&mut text, self.shape.seed, file, line as u32, *version);
        }
        stream_blob(out, &format!("{}/module_{file:05}.rs", self.directory(file)), &text)
    }

    fn directory(&self, number: u32) -> String {
        let place = number % self.shape.directories;
        format!("part-{:02}/area-{place:03}", place % 20)
    }
}

fn stream_blob(out: &mut impl Write, path: &str, content: &[u8]) -> std::io::Result<()> {
    writeln!(out, "M 100644 inline {path}\ndata {}", content.len())?;
    out.write_all(content)?;
    writeln!(out)
}
