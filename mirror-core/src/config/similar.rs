//! The known word that a wrong one was probably meant to be.

/// So many letters of a word are compared at most: no name and no key is longer.
const LONGEST: usize = 64;

/// Finds the known word that a wrong one was probably meant to be.
///
/// One that differs only in case or punctuation is always taken; else up to a third of the letters may be wrong.
pub(super) fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(given);
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&wanted, &plain(word)), word))
        .filter(|(distance, word)| *distance * 3 <= word.chars().count().max(3))
        .min()
        .map(|(_, word)| word)
}

fn plain(text: &str) -> String {
    let letters: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    letters.to_lowercase().chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_is_meant() {
        let check = |given: &str, known: &[&'static str], expect: Option<&str>| {
            assert_eq!(closest(given, known.iter().copied()), expect, "{given} among {known:?}");
        };
        check("mian", &["main", "next"], Some("main"));
        check("V-03", &["v03", "v04"], Some("v03"));
        check("v3", &["v03"], Some("v03"));
        check("github_transport", &["nodes", "githubTransport"], Some("githubTransport"));
        check("elsewhere", &["D601", "local"], None);
        check("ab", &["cd"], None);
        check("", &[], None);
        check(&"x".repeat(1 << 20), &["x"], None);
    }
}
