//! Tokens, made, listed and revoked.

use mirror_core::report::token::{ShownToken, TokenEntry, TokenListReport, TokenNewReport, TokenRevokeReport};

use super::*;

#[test]
fn tokens_made_listed_and_revoked() {
    let entry = |name: &str, limited: &[&str], expires: Option<i64>| TokenEntry {
        name: name.to_owned(),
        limited_to: (!limited.is_empty()).then(|| limited.iter().map(|lane| lane_name(lane)).collect()),
        created_at: before(3600),
        expires_at: expires.map(before),
        expired: expires.is_some_and(|seconds| seconds >= 0),
    };
    let lanes = [lane_name("v02"), lane_name("v03")];
    let limited = || entry("ci-promoter", &["v03"], Some(-86_400 * 90));
    let token = ShownToken::new("gmt_0123456789abcdefghijABCDEFGHIJ0123456789-_A");
    let made = texts(&TokenNewReport::made(node(), &lanes, token, limited(), "/srv/mirror/tokens.yaml"));
    assert_eq!(made.lines().filter(|line| line.starts_with("gmt_")).count(), 1, "one line to copy:\n{made}");
    let all = vec![limited(), entry("everybody", &[], None), entry("old", &["v02", "v03"], Some(42))];
    let listed = texts(&TokenListReport::listed(node(), lanes.to_vec(), all, "/srv/mirror/tokens.yaml"));
    let revoked = texts(&TokenRevokeReport::revoked(node(), &lanes, limited(), "/srv/mirror/tokens.yaml"));
    insta::assert_snapshot!([made, listed, revoked].join("\n====\n"));
}
