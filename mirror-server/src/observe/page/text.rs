//! Values on the page: they stay text, and what turns or hides text is replaced.

use std::fmt::{self, Display, Write as _};

use maud::Render;

/// A value that is shown as text. `maud` escapes whatever is put into markup; this also replaces characters that turn the direction of text
/// or hide in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<T>(pub(super) T);

impl<T: Display> Render for Text<T> {
    fn render_to(&self, buffer: &mut String) {
        write!(Escaped(buffer), "{}", self.0).expect("because a text takes whatever is written to it");
    }
}

/// Writes text so that it is text, in an element as well as in a quoted attribute.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Nothing that turns the direction of text or hides in it.
                c if c.is_control() && c != '\n' || is_invisible(c) => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_put_in_stays_text() {
        let check = |text: &str, expect: &str| {
            assert_eq!(Text(text).render().into_string(), expect);
        };
        check("a < b && c > \"d\"", "a &lt; b &amp;&amp; c &gt; &quot;d&quot;");
        check("</script><script>alert('x')</script>", "&lt;/script&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
        check("a\u{202e}b\u{0}c", "a\u{fffd}b\u{fffd}c");
        check("größer", "größer");
    }
}
