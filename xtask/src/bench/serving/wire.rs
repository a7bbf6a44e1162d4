//! The requests of git's clients as bytes.

/// One pkt-line.
fn line(into: &mut Vec<u8>, text: &str) {
    into.extend_from_slice(format!("{:04x}{text}", text.len() + 4).as_bytes());
}

/// A version 2 `fetch` of one commit as a fresh clone sends it; `depth` cuts the history.
pub(super) fn fetch(commit: &str, depth: Option<u32>) -> Vec<u8> {
    let mut body = Vec::new();
    line(&mut body, "command=fetch");
    line(&mut body, "agent=git/2.39.5");
    line(&mut body, "object-format=sha1");
    body.extend_from_slice(b"0001");
    for text in ["thin-pack", "no-progress", "ofs-delta"] {
        line(&mut body, text);
    }
    if let Some(depth) = depth {
        line(&mut body, &format!("deepen {depth}"));
    }
    line(&mut body, &format!("want {commit}\n"));
    line(&mut body, "done\n");
    body.extend_from_slice(b"0000");
    body
}

/// A version 2 `ls-refs` as `git clone` and `git fetch` send it.
pub(super) fn ls_refs() -> Vec<u8> {
    let mut body = Vec::new();
    line(&mut body, "command=ls-refs\n");
    line(&mut body, "agent=git/2.39.5");
    line(&mut body, "object-format=sha1");
    body.extend_from_slice(b"0001");
    for text in ["peel\n", "symrefs\n", "ref-prefix HEAD\n", "ref-prefix refs/heads/\n", "ref-prefix refs/tags/\n"] {
        line(&mut body, text);
    }
    body.extend_from_slice(b"0000");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_pkt_lines() {
        let body = String::from_utf8(fetch(&"1".repeat(40), Some(1))).unwrap();
        assert!(body.starts_with("0011command=fetch0014agent="), "{body}");
        assert!(body.contains("000cdeepen 1") && body.ends_with("0009done\n0000"), "{body}");
        assert!(String::from_utf8(ls_refs()).unwrap().starts_with("0014command=ls-refs\n"));
    }
}
