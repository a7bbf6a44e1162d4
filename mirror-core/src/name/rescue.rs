//! The names of rescue refs: `refs/mirror-rescue/<lane>/<time>-<commit>`.

use jiff::Timestamp;

use super::commit::CommitId;
use super::label::LaneName;
use super::namespace::RESCUE;
use super::refs::RefName;

impl LaneName {
    /// Gives the ref under which a local tip of the lane is set aside at a moment.
    ///
    /// ```
    /// use mirror_core::name::{CommitId, LaneName};
    ///
    /// let (lane, tip) = (LaneName::parse("v03")?, CommitId::from_bytes([0x11; 20]));
    /// let rescue = lane.rescue_ref("2025-10-09T08:53:20Z".parse()?, tip);
    /// assert_eq!(rescue.as_str(), format!("refs/mirror-rescue/v03/20251009T085320Z-{tip}"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// Never: a lane's name is a component of a ref, and so are a time and a commit.
    #[must_use]
    pub fn rescue_ref(&self, at: Timestamp, tip: CommitId) -> RefName {
        let time = at.strftime("%Y%m%dT%H%M%SZ");
        RefName::parse(&format!("{RESCUE}/{self}/{time}-{tip}"))
            .expect("because a lane's name is a component of a ref, and so are a time and a commit")
    }
}
