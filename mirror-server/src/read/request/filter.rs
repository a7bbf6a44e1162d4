//! What a filter leaves out of a pack: read as git reads it, so that git is never started for one that it does not know.

use super::MAX_WORD;

/// The filters that are served, in words for a client that asks for another.
pub(super) const SERVED: &str =
    "blob:none, blob:limit=<n>, tree:<depth>, object:type=<commit|tree|blob|tag>, and combine: of these";

/// Whether a filter is one that is served, whatever its parts are encoded as. `sparse:` is none: its answer would depend on what a name stands for, and git
/// dies where that is nothing.
///
/// # Source
/// `git-rev-list(1)`, `--filter`; for `combine:`, whose parts are percent-encoded and may be combined themselves, git's
/// `list-objects-filter-options`.
pub(super) fn is_served(spec: &str) -> bool {
    if spec.len() > MAX_WORD || spec.chars().any(char::is_control) {
        return false;
    }
    match spec.split_once(':') {
        Some(("blob", "none")) => true,
        Some(("blob", limit)) => limit.strip_prefix("limit=").is_some_and(is_size),
        Some(("tree", depth)) => is_size(depth),
        Some(("object", kind)) => ["type=commit", "type=tree", "type=blob", "type=tag"].contains(&kind),
        // Each step takes more off than it leaves encoded, so that this ends.
        Some(("combine", parts)) => parts.split('+').all(|part| decoded(part).is_some_and(|part| is_served(&part))),
        _ => false,
    }
}

/// Whether a text is a number as git writes sizes.
fn is_size(text: &str) -> bool {
    let digits = text.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G']).unwrap_or(text);
    (1..=12).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Undoes the percent-encoding of a part; nothing where it has a sign that must be encoded.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        match byte {
            b'%' => {
                let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
                // A sign before digits would be read as part of the number.
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                bytes.push(is_hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten().filter(|byte| *byte != 0)?);
                rest = &behind[2..];
            }
            byte if byte <= b' ' || b"~`!@#$^&*()[]{}\\;'\",<>?".contains(&byte) => return None,
            byte => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_as_git_reads_them_and_none_may_name_a_ref() {
        let cases = [
            ("blob:none", true),
            ("blob:limit=0", true),
            ("blob:limit=10m", true),
            ("tree:0", true),
            ("object:type=tag", true),
            ("sparse:oid=main:spec", false),
            ("combine:blob:none", true),
            ("combine:tree:1+blob:limit=1k", true),
            ("combine:combine:tree:1%2bblob:none+tree:3", true),
            ("combine:%62lob%3Anone", true),
            ("blob%3Anone", false),
            // However it is written, the name is seen.
            ("combine:tree:1+sparse:oid=main:spec", false),
            ("combine:%73parse:oid=main:spec", false),
            ("combine:combine:%2573parse:oid=a", false),
            ("", false),
            ("blob", false),
            ("blob=none", false),
            ("blob:", false),
            ("blob:limit=", false),
            ("blob:limit=x", false),
            ("blob:limit=-1", false),
            ("blob:limit=k", false),
            ("tree:", false),
            ("tree:x", false),
            ("tree:99999999999999999999", false),
            ("object:type=", false),
            ("object:type=snapshot", false),
            ("sparse:oid=", false),
            ("sparse:path=/etc/passwd", false),
            ("combine:", false),
            ("combine:+", false),
            ("combine:blob:none+", false),
            ("combine:combine:x", false),
            ("combine:tree:1%2", false),
            ("combine:tree:1%+1", false),
            ("combine:tree:%00", false),
            ("combine:tree: 1", false),
            ("combine:tree:1;", false),
        ];
        for (spec, expect) in cases {
            assert_eq!(is_served(spec), expect, "{spec}");
        }
        assert!(!is_served(&format!("{}blob:none", "combine:".repeat(10_000))));
    }
}
