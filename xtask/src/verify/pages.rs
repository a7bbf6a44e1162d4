//! What the pages for people show is true and whole: configurations in them are configurations, every key of the format is shown in one, and
//! files that are named are there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::Finding;
use crate::run::{Outcome, files, root};

/// Folders of this repository whose files pages name by their path from the top.
const FOLDERS: [&str; 11] = [
    "docs/",
    "mirror-core/",
    "mirror-git/",
    "mirror-store/",
    "mirror-transport/",
    "mirror-engine/",
    "mirror-server/",
    "mirror-cli/",
    "xtask/",
    "tests/",
    ".ci/",
];

/// The page whose examples show every key.
const EXAMPLES: &str = "docs/configuration.md";

/// Checks every Markdown page of the repository.
pub(super) fn check() -> Outcome<Vec<Finding>> {
    let mut findings = Vec::new();
    for page in files(".md")? {
        let text =
            std::fs::read_to_string(root().join(&page)).map_err(|error| format!("{}: {error}", page.display()))?;
        let page = page.display().to_string();
        findings.extend(wrong_configurations(&page, &text));
        findings.extend(missing_files(&page, &text, |path| root().join(path).exists()));
        if page == EXAMPLES {
            findings.extend(keys_not_shown(&page, &text, &mirror_core::config::schema()));
        }
    }
    Ok(findings)
}

/// Every block of YAML on a page is a whole configuration, and is read as one. A part of one, and what other programs read, is fenced as `yml`.
fn wrong_configurations(page: &str, text: &str) -> Vec<Finding> {
    let refused = |(line, block): (usize, String)| {
        let error = mirror_core::config::parse(page, &block).err()?;
        let each: Vec<_> = error.findings().iter().map(ToString::to_string).collect();
        Some(Finding::new(format!("{page}:{line}"), format!("this is no configuration: {}", each.join("; "))))
    };
    blocks(text, "yaml").into_iter().filter_map(refused).collect()
}

/// Every key of the format stands in one of the page's configurations.
fn keys_not_shown(page: &str, text: &str, schema: &Value) -> Vec<Finding> {
    let defined = schema["$defs"].as_object().into_iter().flat_map(|defined| defined.values());
    let keys: BTreeSet<_> = defined
        .chain([schema])
        .filter_map(|block| block["properties"].as_object())
        .flat_map(|keys| keys.keys())
        .collect();
    let examples: String = blocks(text, "yaml").into_iter().map(|(_, block)| block).collect();
    let shown = |key: &str| {
        examples
            .match_indices(&format!("{key}:"))
            .any(|(at, _)| !examples[..at].ends_with(|c: char| c.is_alphanumeric()))
    };
    keys.into_iter()
        .filter(|key| !shown(key))
        .map(|key| Finding::new(page, format!("no configuration on this page shows the key `{key}`")))
        .collect()
}

/// The fenced blocks of a language, each with the line its fence stands on; blocks may be indented.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, usize, String)> = None;
    for (at, line) in text.lines().enumerate() {
        match &mut open {
            Some((start, indent, block)) => {
                if line.trim() == "```" {
                    blocks.push((*start, std::mem::take(block)));
                    open = None;
                } else {
                    block.push_str(line.get(*indent..).unwrap_or_default());
                    block.push('\n');
                }
            }
            None if line.trim_start().strip_prefix("```") == Some(language) => {
                open = Some((at + 1, line.len() - line.trim_start().len(), String::new()));
            }
            None => {}
        }
    }
    blocks
}

/// Every path of this repository that stands in code marks is there; one with `*`, `<` or `…` in it stands for many.
fn missing_files(page: &str, text: &str, exists: impl Fn(&PathBuf) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for word in line.split('`').skip(1).step_by(2) {
            let ours = FOLDERS.iter().any(|folder| word.starts_with(folder));
            if ours && !word.contains([' ', '*', '<', '…', '{']) && !exists(&PathBuf::from(word)) {
                findings.push(Finding::new(format!("{page}:{}", at + 1), format!("`{word}` is not there")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_configuration_fails_with_its_line() {
        let text =
            "words\n\n   ```yaml\n   apiVersion: git-mirror/v1\n   kind: MirrorConfig\n   repositries: {}\n   ```\n";
        let found = wrong_configurations("page.md", text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "page.md:3");
        assert!(found[0].problem.contains("unknown key `repositries`"), "{}", found[0].problem);
    }

    #[test]
    fn a_key_that_no_example_shows_fails() {
        let schema = serde_json::json!({
            "properties": { "name": {}, "port": {} },
            "$defs": { "A": { "properties": { "nickname": {}, "key": {} } } }
        });
        let text = "a name: or port: in words does not count\n```yaml\nnickname: { key: k }\nport: 1\n```\n";
        let found = keys_not_shown("page.md", text, &schema);
        assert_eq!(found, [Finding::new("page.md", "no configuration on this page shows the key `name`")]);
    }

    #[test]
    fn other_blocks_are_ignored_and_indents_removed() {
        let text = "```sh\nls\n```\n  ```yaml\n  a:\n    b: c\n  ```\n```yaml\nd: e\n```\n";
        assert_eq!(blocks(text, "yaml"), [(4, "a:\n  b: c\n".to_owned()), (8, "d: e\n".to_owned())]);
    }

    #[test]
    fn a_file_that_is_not_there_fails() {
        let text = "see `docs/here.md`, `docs/gone.md`, `docs/schemas/*.json`, `docs/x/ y` and `elsewhere/z`";
        let found = missing_files("page.md", text, |path| path.ends_with("here.md"));
        assert_eq!(found, [Finding::new("page.md:1", "`docs/gone.md` is not there")]);
    }

    #[test]
    fn the_pages_of_this_project_are_true() {
        assert_eq!(check().unwrap(), []);
    }
}
