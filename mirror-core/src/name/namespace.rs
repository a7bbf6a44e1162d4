//! The parts of the ref namespace that have a meaning here, each named in this one place.

use super::refs::RefName;

/// Below it, the branches.
const BRANCHES: &str = "refs/heads/";
/// Below it, the tags.
const TAGS: &str = "refs/tags/";
/// Below it, the values that upstream's refs were last seen at.
pub(crate) const STAGE: &str = "refs/mirror-stage";
/// Below it, local tips that were set aside.
pub(crate) const RESCUE: &str = "refs/mirror-rescue";

/// Which part of a cache's refs a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefNamespace {
    /// `refs/heads/…`: what readers see as branches.
    Branches,
    /// `refs/tags/…`: what readers see as tags.
    Tags,
    /// `refs/mirror-stage/…`: what upstream was last seen at.
    Stage,
    /// `refs/mirror-rescue/…`: local tips that `lane resolve` set aside.
    Rescue,
    /// Anywhere else, where the configuration puts the snapshots.
    Snapshots,
}

impl RefName {
    /// Gives the part of the namespace that the ref belongs to.
    ///
    /// ```
    /// use mirror_core::name::{RefName, RefNamespace};
    ///
    /// let rescue = RefName::parse("refs/mirror-rescue/main/20260101T000000Z-tip")?;
    /// assert_eq!(rescue.namespace(), RefNamespace::Rescue);
    /// # Ok::<(), mirror_core::name::NameError>(())
    /// ```
    #[must_use]
    pub fn namespace(&self) -> RefNamespace {
        let below = |prefix: &str| self.as_str().strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        if self.as_str().starts_with(BRANCHES) {
            RefNamespace::Branches
        } else if self.as_str().starts_with(TAGS) {
            RefNamespace::Tags
        } else if below(STAGE) {
            RefNamespace::Stage
        } else if below(RESCUE) {
            RefNamespace::Rescue
        } else {
            RefNamespace::Snapshots
        }
    }
}
