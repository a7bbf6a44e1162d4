//! Masks what looks like a secret, so that a report may show the lines of a file.

use std::ops::Range;

/// Beginnings of the tokens that GitHub gives out, and of those that a mirror does.
const TOKENS: [&str; 7] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", WRITER_TOKEN];
/// The beginning of the tokens that `git-mirror token new` makes.
const WRITER_TOKEN: &str = "gmt_";

/// Puts an asterisk for each byte of every secret that is recognised, so that places in the text stay where they are.
pub(super) fn mask(text: &str) -> String {
    let mut secret = userinfo(text);
    secret.extend(tokens(text));
    secret.extend(values_of_secret_keys(text));
    secret.extend(private_keys(text));
    let mut bytes = text.as_bytes().to_vec();
    for range in secret {
        for byte in &mut bytes[range] {
            if *byte != b'\n' && *byte != b'\r' {
                *byte = b'*';
            }
        }
    }
    // Ranges begin and end at ASCII characters, so only whole characters were replaced.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What hides in a text that has no business in a configuration, wherever it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    /// One of GitHub's tokens.
    Token,
    /// A token of a mirror's server.
    WriterToken,
    /// A private key.
    PrivateKey,
}

/// Finds what hides in a text.
pub(super) fn hidden(text: &str) -> Option<Hidden> {
    let tokens = tokens(text);
    if tokens.iter().any(|range| !text[range.clone()].starts_with(WRITER_TOKEN)) {
        Some(Hidden::Token)
    } else if !tokens.is_empty() {
        Some(Hidden::WriterToken)
    } else if !private_keys(text).is_empty() {
        Some(Hidden::PrivateKey)
    } else {
        None
    }
}

/// Says what a key is about, whatever its spelling: `GITHUB_TOKEN`, `githubToken`, `access-token`.
pub(super) fn secret_key(key: &str) -> Option<SecretKey> {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match plain.as_str() {
        "token"
        | "ghtoken"
        | "gittoken"
        | "accesstoken"
        | "authtoken"
        | "apitoken"
        | "bearertoken"
        | "oauthtoken"
        | "personalaccesstoken"
        | "pat"
        | "ghpat" => Some(SecretKey::Token),
        "password" | "passphrase" | "privatekey" | "proxypassword" => Some(SecretKey::Secret),
        other if other.contains("githubtoken") => Some(SecretKey::Token),
        _ => None,
    }
}

/// What a key with a secret is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretKey {
    /// A token.
    Token,
    /// A password, a passphrase, a key.
    Secret,
}

/// Finds passwords: what stands between the first `:` and the last `@` of an address.
fn userinfo(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')) {
        // Only separators lie between the end of one word and the beginning of the next.
        let at = start + text[start..].find(word).unwrap_or(0);
        start = at + word.len();
        let authority_at = word.find("://").map_or(0, |scheme| scheme + 3);
        let authority = &word[authority_at..];
        let Some(end) = authority.rfind('@') else { continue };
        if authority_at == 0 && authority[..end].contains('/') {
            continue;
        }
        // A user without a password is no secret over SSH; before HTTPS it is mostly a token.
        let secret_at = match authority[..end].find(':') {
            Some(colon) => colon + 1,
            None if word[..authority_at].to_ascii_lowercase().starts_with("http") => 0,
            None => continue,
        };
        found.push(at + authority_at + secret_at..at + authority_at + end);
    }
    found
}

fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // Every beginning ends in an underscore, which most texts do not have.
    for (underscore, _) in text.match_indices('_') {
        let upto = &text[..=underscore];
        let Some(prefix) = TOKENS.into_iter().find(|prefix| upto.ends_with(prefix)) else { continue };
        let at = upto.len() - prefix.len();
        let begins = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let body = &text[upto.len()..];
        let length = body.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-')).unwrap_or(body.len());
        if begins && length >= 16 {
            found.push(at..upto.len() + length);
        }
    }
    found
}

/// Finds what stands behind a key such as `token:` on its line.
fn values_of_secret_keys(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut line_at = 0;
    for line in text.split_inclusive('\n') {
        for (colon, _) in line.match_indices(':') {
            let before = line[..colon].trim_end_matches(['"', '\'', ' ']);
            let key_at = before.rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.'));
            let key = &before[key_at.map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8))..];
            if secret_key(key).is_none() {
                continue;
            }
            let value = &line[colon + 1..];
            let start = value.len() - value.trim_start().len();
            found.push(line_at + colon + 1 + start..line_at + line.len());
        }
        line_at += line.len();
    }
    found
}

fn private_keys(text: &str) -> Vec<Range<usize>> {
    const END: &str = "PRIVATE KEY-----";
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(begin) = text[from..].find("-----BEGIN ").map(|at| from + at) {
        from = begin + 1;
        let Some(head) = text[begin..].find(END).map(|at| begin + at + END.len()) else { break };
        if text[begin..head].contains('\n') {
            continue;
        }
        let end = text[head..].find(END).map_or(text.len(), |at| head + at + END.len());
        found.push(head..end);
        from = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let masked = mask(text);
        assert_eq!(masked, expect);
        assert_eq!(masked.len(), text.len(), "places in the text move");
        assert_eq!(mask(&masked), masked);
    }

    #[test]
    fn secrets_are_masked_where_they_stand() {
        check("upstream: ssh://git:pass@host/r", "upstream: ssh://git:****@host/r");
        check("upstream: ssh://git:p,a{s}s@host/r", "upstream: ssh://git:*******@host/r");
        check("proxy: \"http://me:pa@ss@proxy:1\"", "proxy: \"http://me:*****@proxy:1\"");
        check("u: https://sometoken@github.com/o/r", "u: https://*********@github.com/o/r");
        check("u: git:pass@host:r", "u: git:****@host:r");
        check("a: ghp_0123456789abcdef0, b: 1", "a: *********************, b: 1");
        check("a: gmt_0123-56789_abcdef0, b: 1", "a: **********************, b: 1");
        check("githubToken: pässé # x\nnext: 1\n", "githubToken: ***********\nnext: 1\n");
        check("{ \"access-token\": x, password: y }", "{ \"access-token\": ****************");
        check(
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\n****\n*****************************\n",
        );
        check("-----BEGIN PRIVATE KEY-----\nAA", "-----BEGIN PRIVATE KEY-----\n**");
    }

    #[test]
    fn what_is_no_secret_is_left_alone() {
        for text in [
            "upstream: ssh://git@ssh.github.com:443/pikasTech/HWLAB.git",
            "upstream: git@github.com:pikasTech/HWLAB.git",
            "image: registry.example/git-mirror:1.0@sha256:0123456789abcdef",
            "tokens: { file: ./tokens.yaml }",
            "writers: { tokenSecret: writers }",
            "a: ghp_short",
            "identity: { secret: git-mirror-ssh, key: id_ed25519 }",
        ] {
            check(text, text);
        }
    }
}
