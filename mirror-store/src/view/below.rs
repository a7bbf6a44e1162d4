//! The refs below any prefix, one after another: for those that no view holds because there may be very many of them.

use std::fs;
use std::iter::Peekable;
use std::vec::IntoIter;

use mirror_core::name::RefName;

use super::SeenRef;
use crate::disk::{At, DiskError, is_absent};
use crate::open::Cache;
use crate::packed::PackedRun;
use crate::refs::RefError;

/// The refs whose names begin with a text, in the order of their names. Holds the loose ones; reads the packed ones from the mapped file
/// as they are asked for. An error ends it.
#[derive(Debug)]
pub struct Below {
    loose: Peekable<IntoIter<SeenRef>>,
    packed: Peekable<PackedRun>,
}

impl Cache {
    /// Opens the run of all refs, whatever they are for, whose names begin with a text. A loose ref that holds no value is passed over.
    ///
    /// # Errors
    /// A file of packed refs that cannot be read, and what the disk refuses.
    pub fn below(&self, prefix: &str) -> Result<Below, RefError> {
        // Loose first: what is packed in between is found in the file of packed refs, which is opened afterwards.
        let loose = self.loose_below(prefix)?.into_iter().peekable();
        let packed = self.inner.packed.run(prefix)?.peekable();
        Ok(Below { loose, packed })
    }

    /// Reads the loose refs whose names begin with a text, sorted.
    fn loose_below(&self, prefix: &str) -> Result<Vec<SeenRef>, RefError> {
        let mut names = Vec::new();
        let folder = prefix.rsplit_once('/').map_or("refs", |(folder, _)| folder);
        // The text comes from outside: what is no ref name, such as one with `..` in it, never becomes a path.
        if folder == "refs" || RefName::parse(folder).is_ok() {
            self.list_below(folder, prefix, &mut names)?;
        }
        names.sort();
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            match self.find_loose(&name) {
                Ok(Some(value)) => found.push(SeenRef { name, value, peeled: None }),
                Ok(None) | Err(RefError::Symbolic { .. } | RefError::MalformedLoose { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn list_below(&self, folder: &str, prefix: &str, names: &mut Vec<RefName>) -> Result<(), DiskError> {
        let path = self.layout().loose(folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(source) if is_absent(&source) => return Ok(()),
            Err(source) => return Err(DiskError::new("list", path, source)),
        };
        for entry in entries {
            let entry = entry.at("list", &path)?;
            let Ok(part) = entry.file_name().into_string() else { continue };
            let name = format!("{folder}/{part}");
            if !name.starts_with(prefix) {
                continue;
            }
            if entry.file_type().at("look at", &path)?.is_dir() {
                self.list_below(&name, prefix, names)?;
            } else if let Ok(name) = RefName::parse(&name) {
                names.push(name);
            }
        }
        Ok(())
    }
}

impl Iterator for Below {
    type Item = Result<SeenRef, RefError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (Some(loose), Some(Ok(packed))) = (self.loose.peek(), self.packed.peek()) else {
            return if matches!(self.packed.peek(), Some(Err(_))) { self.packed.next() } else { self.rest() };
        };
        match loose.name.cmp(&packed.name) {
            std::cmp::Ordering::Less => self.loose.next().map(Ok),
            std::cmp::Ordering::Greater => self.packed.next(),
            std::cmp::Ordering::Equal => {
                // A loose ref hides the packed one.
                self.packed.next();
                self.loose.next().map(Ok)
            }
        }
    }
}

impl Below {
    /// Gives the next of the one kind of which any are left.
    fn rest(&mut self) -> Option<Result<SeenRef, RefError>> {
        self.loose.next().map(Ok).or_else(|| self.packed.next())
    }
}
