//! The refs below any prefix, one after another: for those that no view holds because there may be very many of them.

use std::fs;
use std::ops::ControlFlow;

use mirror_core::name::RefName;

use super::super::disk::{At, DiskError, is_absent};
use super::super::open::Cache;
use super::super::refs::RefError;
use super::SeenRef;

impl Cache {
    /// Gives each ref whose name begins with a text, in the order of their names, until `each` breaks off.
    ///
    /// Only the names of loose refs are held; packed ones are read from the mapped file as they are given. A ref that holds no value is
    /// passed over.
    ///
    /// # Errors
    /// A file of packed refs that cannot be read, and what the disk refuses.
    pub fn each_below(&self, prefix: &str, each: &mut dyn FnMut(&SeenRef) -> ControlFlow<()>) -> Result<(), RefError> {
        // Loose first: what is packed in between is found in the file of packed refs, which is opened afterwards.
        let loose = self.loose_below(prefix)?;
        let mut loose = loose.into_iter().peekable();
        if let Some(packed) = self.inner.packed.current()? {
            for entry in self.inner.packed.seen_below(&packed, prefix)? {
                let entry = entry?;
                while let Some(seen) = loose.next_if(|seen| seen.name < entry.name) {
                    if each(&seen).is_break() {
                        return Ok(());
                    }
                }
                let hidden = loose.next_if(|seen| seen.name == entry.name);
                if each(hidden.as_ref().unwrap_or(&entry)).is_break() {
                    return Ok(());
                }
            }
        }
        for seen in loose {
            if each(&seen).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads the loose refs whose names begin with a text, sorted.
    fn loose_below(&self, prefix: &str) -> Result<Vec<SeenRef>, RefError> {
        let Some((folder, _)) = prefix.rsplit_once('/') else { return Ok(Vec::new()) };
        // The text comes from outside: what is no ref name, such as one with `..` in it, never becomes a path.
        if folder != "refs" && RefName::parse(folder).is_err() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let path = self.layout().loose(&folder);
            let entries = match fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(source) if is_absent(&source) => continue,
                Err(source) => return Err(DiskError::new("list", path, source).into()),
            };
            for entry in entries {
                let entry = entry.at("list", &path)?;
                let Ok(part) = entry.file_name().into_string() else { continue };
                let name = format!("{folder}/{part}");
                if !name.starts_with(prefix) {
                    continue;
                }
                if entry.file_type().at("look at", &path)?.is_dir() {
                    folders.push(name);
                } else if let Ok(name) = RefName::parse(&name) {
                    names.push(name);
                }
            }
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
}
