//! Rust text as words: comments and literals are blanked, so that a check sees code only.

/// Replaces comments, strings and character literals by spaces; line breaks stay, so places stay true.
pub(super) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'/', b'/', ..] => until(bytes, at, |rest| rest.first() == Some(&b'\n')),
            [b'/', b'*', ..] => block_comment(bytes, at),
            [b'"', ..] => quoted(bytes, at),
            [b'r', rest @ ..] if raw_hashes(rest).is_some() && !inside_word(bytes, at) => raw_string(bytes, at),
            [b'\'', b'\\', ..] => until(bytes, at + 3, |rest| rest.first() == Some(&b'\'')) + 1,
            [b'\'', _, b'\'', ..] => at + 3,
            _ => {
                out.push(bytes[at]);
                at += 1;
                continue;
            }
        }
        .min(bytes.len());
        out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
        at = end;
    }
    String::from_utf8(out).expect("because whole characters were copied or blanked")
}

fn inside_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn until(bytes: &[u8], mut at: usize, found: impl Fn(&[u8]) -> bool) -> usize {
    while at < bytes.len() && !found(&bytes[at..]) {
        at += 1;
    }
    at
}

fn block_comment(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_hashes(rest: &[u8]) -> Option<usize> {
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    (rest.get(hashes) == Some(&b'"')).then_some(hashes)
}

fn raw_string(bytes: &[u8], at: usize) -> usize {
    let hashes = raw_hashes(&bytes[at + 1..]).unwrap_or(0);
    let mut close = vec![b'"'];
    close.extend(std::iter::repeat_n(b'#', hashes));
    until(bytes, at + 2 + hashes, |rest| rest.starts_with(&close)) + close.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        let text = "a // std::fs\nb /* x /* y */ z */ c \"std::\\\"net\" d r#\"std::env\"# e 'x' f<'a> '\\n' g";
        let left: Vec<_> = code_only(text).split_whitespace().map(str::to_owned).collect();
        assert_eq!(left, ["a", "b", "c", "d", "e", "f<'a>", "g"]);
    }
}
