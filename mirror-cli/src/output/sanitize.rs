//! Words from outside, made harmless for a terminal.

/// Replaces what could move a cursor, hide text or turn its direction by a visible escape; newlines become ` / `.
///
/// A server's messages, file names and errors of other programs pass through here before they reach text output.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.trim_end_matches(['\n', '\r']).chars() {
        match part {
            '\n' => out.push_str(" / "),
            '\r' => {}
            '\t' => out.push(' '),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                out.extend(part.escape_unicode());
            }
            part if part.is_control() => out.extend(part.escape_default()),
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn words_from_outside_cannot_steer_a_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r\nc\u{202e}d\n"), r"a\u{1b}[2Jb / c\u{202e}d");
        assert_eq!(clean("häßlich ✓"), "häßlich ✓");
    }
}
