//! Ref names and their parts: the full ref, the branch, the snapshot group and the snapshot prefix.

use super::error::{NameError, NameFault, NameKind};
use super::format::{verify_part, verify_ref_format};
use super::namespace::STAGE;
use super::text::text_name;

text_name! {
    /// A full ref name, such as `refs/heads/main`.
    RefName, NameKind::Ref, verify_full, r"^refs/.+[^./]$"
}

text_name! {
    /// A branch name without `refs/heads/`, such as `v0.3` or `feature/x`.
    BranchName, NameKind::Branch, verify_branch, r"^[^-/].*$"
}

text_name! {
    /// The part of a snapshot ref between prefix and branch: one part, without a slash.
    GroupName, NameKind::Group, verify_group, r"^[^-/.][^/]*$"
}

text_name! {
    /// The beginning of ref names, without a slash at its end, such as `refs/unidesk/snapshots`.
    RefPrefix, NameKind::Prefix, verify_full, r"^refs/.+[^./]$"
}

impl RefName {
    /// Takes a name as it stands on the wire.
    ///
    /// # Errors
    /// The rule that the bytes break. A name that is not UTF-8 is refused: none can be declared.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NameError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(_) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                Err(NameError { kind: NameKind::Ref, text, fault: NameFault::NotUtf8 })
            }
        }
    }

    /// Gives the branch, where the ref stands under `refs/heads/` and its name can be a branch.
    pub fn branch(&self) -> Option<BranchName> {
        BranchName::parse(self.as_str().strip_prefix("refs/heads/")?).ok()
    }

    /// Gives the tag's own name, where the ref stands under `refs/tags/`.
    pub fn tag(&self) -> Option<&str> {
        self.as_str().strip_prefix("refs/tags/")
    }
}

impl BranchName {
    /// Gives the full ref of the branch, `refs/heads/…`.
    pub fn ref_name(&self) -> RefName {
        RefName(format!("refs/heads/{}", self.0))
    }

    /// Gives the ref that holds the branch's last observed upstream value, `refs/mirror-stage/heads/…`.
    pub fn stage_ref(&self) -> RefName {
        RefName(format!("{STAGE}/heads/{}", self.0))
    }

    /// Says whether the last part could be read as the commit that ends a snapshot ref: 40 or 64 hex digits.
    pub fn ends_like_a_commit(&self) -> bool {
        let last = self.0.rsplit('/').next().unwrap_or_default();
        matches!(last.len(), 40 | 64) && last.bytes().all(|b| b.is_ascii_hexdigit())
    }
}

impl RefPrefix {
    /// Puts further parts behind the prefix. Private to the crate: the caller vouches that they keep the rules.
    pub(crate) fn join(&self, parts: std::fmt::Arguments<'_>) -> RefName {
        RefName(format!("{}/{parts}", self.0))
    }

    /// Gives what stands behind `<prefix>/` in a ref name.
    pub fn strip<'a>(&self, name: &'a RefName) -> Option<&'a str> {
        name.as_str().strip_prefix(self.as_str())?.strip_prefix('/')
    }

    /// Says whether this prefix is the other one, or stands below it.
    pub fn is_within(&self, outer: &str) -> bool {
        self.0.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn verify_full(name: &str) -> Result<(), NameFault> {
    verify_ref_format(name)?;
    if !name.starts_with("refs/") {
        return Err(NameFault::NotUnderRefs);
    }
    Ok(())
}

fn verify_branch(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name.starts_with('-') {
        return Err(NameFault::LeadingDash);
    }
    if name == "HEAD" {
        return Err(NameFault::Head);
    }
    // A lone `@` is refused only as a whole ref name; `refs/heads/@` is legal.
    if name == "@" { Ok(()) } else { verify_ref_format(name) }
}

fn verify_group(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name.contains('/') {
        return Err(NameFault::Slash);
    }
    if name.starts_with('-') {
        return Err(NameFault::LeadingDash);
    }
    verify_part(name)
}
