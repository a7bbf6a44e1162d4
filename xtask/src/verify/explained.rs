//! Every word and error code that the program can say is explained in `docs/operations.md`, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mirror_core::report;
use serde_json::Value;

use super::{Finding, sources};
use crate::run::{Outcome, root};

/// The page that explains them.
const PAGE: &str = "docs/operations.md";
/// What every code begins with.
const AREA: &str = "mirror::";

/// The headings under which outcome words stand, and the type in the published schemas that holds those words.
const WORDS: [(&str, &str); 12] = [
    ("Refs of a sync", "RefOutcome"),
    ("Snapshots of a sync", "SnapshotOutcome"),
    ("Outcome of a flush", "FlushWord"),
    ("Push of a flush", "PushOutcome"),
    ("Rejections of a push", "RejectionClass"),
    ("Partial success of a flush", "PartialSuccess"),
    ("Outcome of a resolve", "ResolveOutcome"),
    ("Why a snapshot stays", "KeepReason"),
    ("Steps of maintain", "UpkeepTask"),
    ("Outcome of a step of maintain", "TaskOutcome"),
    ("Operations in the history", "HistoryState"),
    ("Steps of doctor", "RoadStep"),
];

/// Compares the page with the sources, the findings and the schemas.
pub(super) fn check() -> Outcome<Vec<Finding>> {
    let is_test = |file: &str| file.ends_with("tests.rs") || file.contains("/tests/");
    let product = sources(|file| file.starts_with("mirror-") && file.contains("/src/") && !is_test(file))?;
    let page = std::fs::read_to_string(root().join(PAGE)).map_err(|error| format!("{PAGE}: {error}"))?;
    Ok(findings(&page, &codes(&product), &words(&report::schemas())?))
}

/// Where a code is said first.
type Codes = BTreeMap<String, String>;
/// The words that belong under each heading.
type Words = BTreeMap<String, BTreeSet<String>>;

fn findings(page: &str, codes: &Codes, words: &Words) -> Vec<Finding> {
    let rows = Row::all(page);
    let mut findings = Vec::new();
    let mut explained = BTreeMap::new();
    for row in rows.iter().filter(|row| row.word.starts_with(AREA)) {
        let place = format!("{PAGE}:{}", row.line);
        if let Some(before) = explained.insert(row.word.as_str(), row.line) {
            findings.push(Finding::new(&place, format!("`{}` is explained on line {before} already", row.word)));
        } else if !codes.contains_key(&row.word) {
            findings.push(Finding::new(&place, format!("`{}` is said by nothing; remove its row", row.word)));
        }
    }
    for (code, place) in codes.iter().filter(|(code, _)| !explained.contains_key(code.as_str())) {
        findings.push(Finding::new(place, format!("`{code}` is not explained; add a row to {PAGE}")));
    }
    for (heading, wanted) in words {
        let under: BTreeSet<_> =
            rows.iter().filter(|row| row.heading == *heading).map(|row| row.word.clone()).collect();
        for word in wanted.difference(&under) {
            findings.push(Finding::new(PAGE, format!("`{word}` is not explained under “{heading}”")));
        }
        for word in under.difference(wanted) {
            findings.push(Finding::new(PAGE, format!("`{word}` stands under “{heading}” and is no such word")));
        }
    }
    findings
}

/// A row of a table that explains a word, which is its first cell.
struct Row {
    line: usize,
    heading: String,
    word: String,
}

impl Row {
    fn all(page: &str) -> Vec<Self> {
        let mut heading = String::new();
        let mut rows = Vec::new();
        for (at, text) in page.lines().enumerate() {
            if let Some(found) = text.strip_prefix('#') {
                heading = found.trim_start_matches('#').trim().to_owned();
            }
            let word = text.strip_prefix("| `").and_then(|rest| rest.split_once("` |"));
            if let Some((word, _)) = word {
                rows.push(Self { line: at + 1, heading: heading.clone(), word: word.to_owned() });
            }
        }
        rows
    }
}

/// Finds the codes of diagnostics, derived (`code(…)`) or made by hand (a literal); comments and test modules are passed over.
fn codes(sources: &[(PathBuf, String)]) -> Codes {
    let mut codes = Codes::new();
    for (file, text) in sources {
        let mut lines = text.lines().enumerate().peekable();
        while let Some((at, line)) = lines.next() {
            let tests_follow = lines.peek().is_some_and(|(_, next)| next.starts_with("mod ") && next.ends_with('{'));
            if line == "#[cfg(test)]" && tests_follow {
                break;
            }
            if line.trim_start().starts_with("//") {
                continue;
            }
            for code in codes_of(line) {
                codes.entry(code).or_insert_with(|| format!("{}:{}", file.display(), at + 1));
            }
        }
    }
    codes
}

fn codes_of(line: &str) -> impl Iterator<Item = String> {
    line.match_indices(AREA).filter_map(|(at, _)| {
        let (before, code) = line.split_at(at);
        let end = code.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))).unwrap_or(code.len());
        let (code, after) = code.split_at(end);
        let derived = before.ends_with("code(") && after.starts_with(')');
        // The target of a log line is spelt like a code, and is none.
        let literal = before.ends_with('"') && !before.ends_with("target: \"") && after.starts_with('"');
        (derived || literal).then(|| code.to_owned())
    })
}

/// Takes the words from where they are defined: findings from the core, the others from the schemas that programs read.
fn words(schemas: &BTreeMap<String, Value>) -> Outcome<Words> {
    let mut words = Words::new();
    words.insert("Findings".to_owned(), report::Finding::ALL.iter().map(|word| word.as_str().to_owned()).collect());
    for (heading, name) in WORDS {
        let defined = schemas.values().find_map(|schema| schema["$defs"].get(name));
        let defined = defined.ok_or_else(|| format!("no published schema has the type {name}"))?;
        words.insert(heading.to_owned(), words_of(defined));
    }
    Ok(words)
}

fn words_of(defined: &Value) -> BTreeSet<String> {
    let entries = |key: &str| defined[key].as_array().into_iter().flatten();
    let described =
        entries("oneOf").flat_map(|one| one["enum"].as_array().into_iter().flatten().chain(one.get("const")));
    described.chain(entries("enum")).filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(page: &str, codes: &[&str]) -> Vec<String> {
        let codes = codes.iter().map(|code| ((*code).to_owned(), "source.rs:1".to_owned())).collect();
        let words = Words::from([("Findings".to_owned(), BTreeSet::from(["gone".to_owned()]))]);
        findings(page, &codes, &words).into_iter().map(|found| format!("{}: {}", found.place, found.problem)).collect()
    }

    const GOOD: &str =
        "## Findings\n| finding | means |\n| --- | --- |\n| `gone` | … |\n## Codes\n| `mirror::a::b` | … |\n";

    #[test]
    fn a_page_that_explains_everything_passes() {
        assert_eq!(places(GOOD, &["mirror::a::b"]), Vec::<String>::new());
    }

    #[test]
    fn unmatched_codes_and_rows_fail() {
        assert_eq!(
            places(GOOD, &["mirror::a::c"]),
            [
                "docs/operations.md:6: `mirror::a::b` is said by nothing; remove its row",
                "source.rs:1: `mirror::a::c` is not explained; add a row to docs/operations.md",
            ]
        );
        let doubled = format!("{GOOD}| `mirror::a::b` | … |\n");
        assert_eq!(places(&doubled, &["mirror::a::b"]).len(), 1);
    }

    #[test]
    fn missing_and_unknown_words_fail() {
        assert_eq!(
            places(&GOOD.replace("`gone`", "`went`"), &["mirror::a::b"]),
            [
                "docs/operations.md: `gone` is not explained under “Findings”",
                "docs/operations.md: `went` stands under “Findings” and is no such word",
            ]
        );
    }

    #[test]
    fn codes_are_found_in_product_code_only() {
        let text = "    code(mirror::a::derived),\n/// \"mirror::a::comment\"\n    target: \"mirror::a::log\",\nlet code = \"mirror::a::literal\";\n\
                    use mirror::a::path;\n#[cfg(test)]\nmod tests;\ncode(mirror::a::later)\n#[cfg(test)]\nmod tests {\n\
                    code(mirror::a::tested)\n";
        let found = codes(&[(PathBuf::from("x.rs"), text.to_owned())]);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["mirror::a::derived", "mirror::a::later", "mirror::a::literal"]);
        assert_eq!(found["mirror::a::literal"], "x.rs:4");
    }

    #[test]
    fn words_are_read_from_both_schema_forms() {
        let schema = serde_json::json!({ "oneOf": [{ "enum": ["a", "b"] }, { "const": "c" }], "enum": ["d"] });
        assert_eq!(words_of(&schema).into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn the_page_of_this_project_explains_everything() {
        assert_eq!(check().unwrap(), []);
    }
}
