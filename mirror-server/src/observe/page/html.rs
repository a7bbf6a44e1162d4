//! Text that becomes HTML: whatever is put in is escaped, unless it is HTML by its type.

use std::fmt::{self, Display, Write as _};

/// HTML that was made here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Html(String);

impl Html {
    /// Takes markup that stands in the program's own text.
    pub(super) fn markup(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// Adds markup that stands in the program's own text.
    pub(super) fn raw(&mut self, text: &'static str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    /// Adds a value, escaped.
    pub(super) fn text(&mut self, value: impl Display) -> &mut Self {
        write!(Escaped(&mut self.0), "{value}").expect("because a text takes whatever is written to it");
        self
    }

    /// Adds HTML.
    pub(super) fn html(&mut self, other: &Html) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// Gives the whole.
    pub(super) fn finish(self) -> String {
        self.0
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
            let mut html = Html::default();
            html.text(text);
            assert_eq!(html.finish(), expect);
        };
        check("a < b && c > \"d\"", "a &lt; b &amp;&amp; c &gt; &quot;d&quot;");
        check("</script><script>alert('x')</script>", "&lt;/script&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
        check("a\u{202e}b\u{0}c", "a\u{fffd}b\u{fffd}c");
        check("größer", "größer");
    }
}
