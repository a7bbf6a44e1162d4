//! What a filter leaves out of a pack: read as git reads it, so that git is never started for one that it does not know.

use super::MAX_WORD;

/// What the answer to a filter depends on, beside the objects themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depends {
    /// Nothing.
    OnNothing,
    /// What a name stands for at that moment.
    OnNames,
}

/// Reads a filter; nothing where git knows none such.
///
/// # Source
/// `git-rev-list(1)`, `--filter`; for `combine:`, whose parts are percent-encoded and may be combined themselves, git's
/// `list-objects-filter-options`.
pub(super) fn read(spec: &str) -> Option<Depends> {
    if spec.len() > MAX_WORD || spec.chars().any(char::is_control) {
        return None;
    }
    match spec.split_once(':')? {
        ("blob", "none") => Some(Depends::OnNothing),
        ("blob", limit) => limit.strip_prefix("limit=").filter(|limit| is_size(limit)).map(|_| Depends::OnNothing),
        ("tree", depth) => is_size(depth).then_some(Depends::OnNothing),
        ("object", kind) => {
            ["type=commit", "type=tree", "type=blob", "type=tag"].contains(&kind).then_some(Depends::OnNothing)
        }
        ("sparse", name) => name.strip_prefix("oid=").filter(|name| !name.is_empty()).map(|_| Depends::OnNames),
        ("combine", parts) => {
            let mut depends = Depends::OnNothing;
            for part in parts.split('+') {
                // Each step takes more off than it leaves encoded, so that this ends.
                depends = depends.max(read(&decoded(part)?)?);
            }
            Some(depends)
        }
        _ => None,
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
    fn filters_are_read_as_git_reads_them() {
        let cases = [
            ("blob:none", Some(Depends::OnNothing)),
            ("blob:limit=0", Some(Depends::OnNothing)),
            ("blob:limit=10m", Some(Depends::OnNothing)),
            ("tree:0", Some(Depends::OnNothing)),
            ("object:type=tag", Some(Depends::OnNothing)),
            ("sparse:oid=main:spec", Some(Depends::OnNames)),
            ("combine:blob:none", Some(Depends::OnNothing)),
            ("combine:tree:1+blob:limit=1k", Some(Depends::OnNothing)),
            ("combine:combine:tree:1%2bblob:none+tree:3", Some(Depends::OnNothing)),
            // However it is written, the name is seen.
            ("combine:tree:1+sparse:oid=main:spec", Some(Depends::OnNames)),
            ("combine:%73parse:oid=main:spec", Some(Depends::OnNames)),
            ("combine:combine:%2573parse:oid=a", Some(Depends::OnNames)),
            ("", None),
            ("blob", None),
            ("blob=none", None),
            ("blob:", None),
            ("blob:limit=", None),
            ("blob:limit=x", None),
            ("blob:limit=-1", None),
            ("blob:limit=k", None),
            ("tree:", None),
            ("tree:x", None),
            ("tree:99999999999999999999", None),
            ("object:type=", None),
            ("object:type=snapshot", None),
            ("sparse:oid=", None),
            ("sparse:path=/etc/passwd", None),
            ("combine:", None),
            ("combine:+", None),
            ("combine:blob:none+", None),
            ("combine:combine:x", None),
            ("combine:tree:1%2", None),
            ("combine:tree:1%+1", None),
            ("combine:tree:%00", None),
            ("combine:tree: 1", None),
            ("combine:tree:1;", None),
        ];
        for (spec, expect) in cases {
            assert_eq!(read(spec), expect, "{spec}");
        }
        assert_eq!(read(&format!("{}blob:none", "combine:".repeat(10_000))), None);
    }
}
