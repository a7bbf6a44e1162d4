//! Errors, drawn for people: code, help and the place in the file.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use super::style::{Colour, Look, Marks};

/// Draws an error for people.
#[must_use]
pub fn draw(error: &dyn Diagnostic, look: Look) -> String {
    let theme = match (look.colour, look.marks) {
        (Colour::On, Marks::Unicode) => GraphicalTheme::unicode(),
        (Colour::On, Marks::Ascii) => GraphicalTheme::ascii(),
        (Colour::Off, Marks::Unicode) => GraphicalTheme::unicode_nocolor(),
        (Colour::Off, Marks::Ascii) => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(look.width)
        .with_links(false)
        .with_context_lines(2)
        // A command in a help text must come out of a copy as one line; terminals break lines by themselves.
        .with_wrap_lines(false);
    let mut text = String::new();
    match handler.render_report(&mut text, error) {
        Ok(()) => text,
        // A drawing that fails (a span outside its source) must not hide the error itself.
        Err(_) => format!("error: {error}\n"),
    }
}
