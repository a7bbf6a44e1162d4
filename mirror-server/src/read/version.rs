//! Which version of Git's protocol a client speaks.

use http::HeaderMap;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// What a client speaks that says nothing.
    V0,
    /// Version 0 with its number said first.
    V1,
    /// Commands with arguments.
    V2,
}

impl Version {
    /// Reads the highest version that a request offers and this server knows.
    ///
    /// # Source
    /// `gitprotocol-http(5)`, "General Request Processing"; `gitprotocol-v2(5)`, "Initial Client Request": `Git-Protocol: version=2`,
    /// further keys behind colons.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all("git-protocol").into_iter().filter_map(|value| value.to_str().ok());
        let keys = values.flat_map(|value| value.split(':')).map(str::trim);
        let versions = keys.filter_map(|key| match key {
            "version=1" => Some(Self::V1),
            "version=2" => Some(Self::V2),
            _ => None,
        });
        versions.max().unwrap_or(Self::V0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&'static str], expect: Version) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("git-protocol", http::HeaderValue::from_static(value));
        }
        assert_eq!(Version::of(&headers), expect, "{values:?}");
    }

    #[test]
    fn the_highest_known_version_counts() {
        check(&[], Version::V0);
        check(&[""], Version::V0);
        check(&["version=0"], Version::V0);
        check(&["version=1"], Version::V1);
        check(&["version=2"], Version::V2);
        check(&["version=3"], Version::V0);
        check(&["version=1:version=2"], Version::V2);
        check(&["other:version=2:version=1"], Version::V2);
        check(&["version=1", "version=2"], Version::V2);
        check(&["version=22", "Version=2", "2"], Version::V0);
    }
}
