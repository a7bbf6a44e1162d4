//! What is refused wherever it stands: tokens, secrets written out, repositories over HTTPS.

use super::block::Found;
use crate::config::finding::Finding;
use crate::config::mask::{Hidden, SecretKey, secret_key};
use crate::config::problem::RefusedFault;
use crate::config::tree::{Key, Scalar, Span, Tree, Value};

/// The Secret that a token used to be kept in.
const TOKEN_SECRET: &str = "git-mirror-github-token";
/// The variable that a token used to be handed over in.
const TOKEN_VARIABLE: &str = "GITHUB_TOKEN";

/// Looks through the whole document, known keys or not.
pub(in crate::config) fn refuse_by_design(tree: &Tree, found: &mut Found) {
    walk(tree, "", None, found);
}

fn walk(tree: &Tree, path: &str, key: Option<&Key>, found: &mut Found) {
    match &tree.value {
        Value::Null => {}
        Value::Scalar(text) => {
            let span = if tree.span.is_empty() { key.map_or(0..0, |key| key.span.clone()) } else { tree.span.clone() };
            if let Some(finding) = refused_text(text, path, key, span) {
                found.push(finding);
            }
        }
        Value::List(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{at}]"), key, found);
            }
        }
        Value::Block(entries) => {
            // A repository may well be called `token`.
            let keys_are_names =
                matches!(path, "repositories" | "nodes") || (path.starts_with("nodes.") && path.ends_with(".lanes"));
            for (key, value) in entries {
                let path = if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
                match secret_key(&key.text).filter(|_| !keys_are_names) {
                    Some(SecretKey::Token) => {
                        found.push(Finding::new(RefusedFault::Token { path }, key.span.clone(), "no token is used"));
                    }
                    Some(SecretKey::Secret) => {
                        found.push(Finding::new(
                            RefusedFault::Secret { path },
                            key.span.clone(),
                            "refer to it instead",
                        ));
                    }
                    None => walk(value, &path, Some(key), found),
                }
            }
        }
    }
}

fn refused_text(Scalar { text, hidden }: &Scalar, path: &str, key: Option<&Key>, span: Span) -> Option<Finding> {
    let path = path.to_owned();
    if text.contains(TOKEN_SECRET) {
        Some(Finding::new(RefusedFault::TokenSecret { path }, span, "no token is used"))
    } else if *hidden == Some(Hidden::Token) || text.contains(TOKEN_VARIABLE) {
        Some(Finding::new(RefusedFault::Token { path }, span, "no token is used"))
    } else if *hidden == Some(Hidden::WriterToken) {
        Some(Finding::new(RefusedFault::Secret { path }, span, "a token of a mirror"))
    } else if *hidden == Some(Hidden::PrivateKey) {
        Some(Finding::new(RefusedFault::Secret { path }, span, "a private key"))
    } else if key.is_some_and(|key| key.text != "upstream" && key.text != "proxy") && is_https_repository(text) {
        Some(Finding::new(RefusedFault::HttpsSource { path }, span, "a repository over HTTPS"))
    } else {
        None
    }
}

fn is_https_repository(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.match_indices("https://").any(|(at, scheme)| {
        let url = lower[at + scheme.len()..].split(char::is_whitespace).next().unwrap_or_default();
        let (authority, path) = url.split_once('/').unwrap_or((url, ""));
        let host = authority.rsplit('@').next().unwrap_or_default();
        path.trim_end_matches('/').ends_with(".git") || host == "github.com" || host.ends_with(".github.com")
    })
}
