//! The ways in and out of the format: text to configuration, configuration to text, and the schema.

use super::finding::{ConfigError, Finding};
use super::form::ConfigForm;
use super::mask::mask;
use super::problem::FormFault;
use super::read::{read_config, refuse_by_design};
use super::tree::parse_tree;
use super::types::MirrorConfig;

/// Reads a configuration; `file` is the name that errors show.
///
/// # Errors
/// Everything that is wrong with it, as far as it can be told in one go, each with its place and its repair.
pub fn parse(file: &str, text: &str) -> Result<MirrorConfig, ConfigError> {
    let mut found = Vec::new();
    let tree = match parse_tree(text, &mut found) {
        Ok(tree) => tree,
        Err(finding) => {
            let shown = finding.span().is_some().then(|| mask(text));
            found.push(finding);
            return Err(ConfigError::new(file, shown, found));
        }
    };
    refuse_by_design(&tree, &mut found);
    let config = read_config(&tree, &mut found);
    match config {
        Some(config) if found.is_empty() => Ok(config),
        _ => Err(ConfigError::new(file, Some(mask(text)), found)),
    }
}

/// Reads a configuration from bytes as they stand in a file.
///
/// # Errors
/// As [`parse`]; and bytes that are not text.
pub fn parse_bytes(file: &str, bytes: &[u8]) -> Result<MirrorConfig, ConfigError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(file, text),
        Err(error) => {
            let at = error.valid_up_to();
            let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
            let byte = bytes.get(at).copied().map_or(0, u32::from);
            Err(ConfigError::new(file, None, vec![Finding::bare(FormFault::Binary { at, line, byte })]))
        }
    }
}

/// Gives the JSON Schema of the file.
///
/// # Source
/// <https://json-schema.org/draft/2020-12/schema>
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ConfigForm).to_value()
}

impl MirrorConfig {
    /// Writes the configuration as YAML with every default in it, so that it reads back as the same configuration.
    pub fn show(&self) -> String {
        serde_yaml::to_string(&ConfigForm::from(self))
            .expect("because the form holds only texts, numbers, lists and blocks")
    }
}
