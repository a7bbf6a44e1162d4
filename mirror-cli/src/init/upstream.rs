//! Understands what was given as upstream, and explains what can be no upstream.

use mirror_core::config::UpstreamUrl;

use super::InitError;

/// Reads what was given as upstream.
///
/// # Errors
/// [`InitError::Upstream`], with the address that may have been meant.
pub fn understand(given: &str) -> Result<UpstreamUrl, InitError> {
    let given = given.trim();
    UpstreamUrl::parse(given).map_err(|source| InitError::Upstream { source, guess: owner_and_name(given) })
}

/// `OWNER/REPO` alone is how people name repositories of GitHub, which takes SSH on port 443 too.
fn owner_and_name(given: &str) -> Option<String> {
    let is_word = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let (owner, name) = given.split_once('/')?;
    (is_word(owner) && is_word(name))
        .then(|| format!("ssh://git@ssh.github.com:443/{owner}/{}.git", name.strip_suffix(".git").unwrap_or(name)))
}

#[cfg(test)]
mod tests {
    use mirror_core::fault::Fault;

    use super::*;

    #[test]
    fn r12_https_is_refused_with_the_ssh_form_to_use_and_no_token_in_the_text() {
        let check = |given: &str, instead: &str| {
            let fault = Fault::of(&understand(given).expect_err(given));
            let text = format!("{fault} / {}", fault.help.clone().unwrap());
            assert!(text.contains(instead), "{given}: {text}");
            assert!(!text.contains("SECRET"), "{text}");
        };
        check("https://github.com/octo/app.git", "git-mirror init ssh://git@ssh.github.com:443/octo/app.git");
        check(
            "https://user:SECRET@github.com/octo/app.git",
            "git-mirror init ssh://git@ssh.github.com:443/octo/app.git",
        );
        check("https://SECRET@git.example.org/octo/app.git", "git-mirror init ssh://git@git.example.org/octo/app.git");
        check("git://github.com/octo/app.git", "ssh://git@HOST");
        check("octo/app", "git-mirror init ssh://git@ssh.github.com:443/octo/app.git");
        check("ssh://git:SECRET@github.com/octo/app.git", "password");
        check("git:SECRET@github.com:octo/app.git", "password");
    }

    #[test]
    fn ssh_and_scp_like_forms_are_understood() {
        let canonical = |given: &str| understand(given).unwrap().to_string();
        assert_eq!(canonical("ssh://git@ssh.github.com:443/octo/app.git"), "ssh://git@ssh.github.com:443/octo/app.git");
        assert_eq!(canonical("git@github.com:octo/app.git"), "ssh://git@github.com/octo/app.git");
    }
}
