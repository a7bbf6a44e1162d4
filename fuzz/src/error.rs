//! What must hold of every error, whatever made it.

use mirror_core::fault::{Classified, Fault};

/// No message is longer, causes included.
const LONGEST: usize = 4000;

/// Asserts that an error can be shown to people: it has a code and a help, and nothing from outside reaches a terminal as a command.
pub fn assert_presentable(error: &dyn Classified) {
    let fault = Fault::of(error);
    let text = fault.to_string();
    assert!(!text.contains(char::is_control), "a control character in {text:?}");
    assert!(text.chars().count() <= LONGEST, "{} characters in one message", text.chars().count());
    assert!(fault.code.starts_with("mirror::"), "the code {:?} of {text:?}", fault.code);
    assert!(fault.help.is_some(), "no help for {text:?}");
}
