//! `token new`, `token list` and `token revoke`.

use std::path::PathBuf;

use jiff::Timestamp;
use mirror_core::config::SecretSource;
use mirror_core::name::LaneName;
use mirror_core::report::ExitCode;
use mirror_core::report::token::{ShownToken, TokenEntry, TokenListReport, TokenNewReport, TokenRevokeReport};
use mirror_engine::node::LocalNode;
use mirror_server::tokens::{self, TokenFile, TokenTerms, TokensError};

use super::Scene;
use crate::args::{NodeArgs, TargetArgs, TokenNewArgs, TokenRevokeArgs, TokenVerb, parse_end, parse_writer};
use crate::error::CliError;

/// Runs one of the verbs.
pub(super) fn run(verb: &TokenVerb, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    match verb {
        TokenVerb::New(args) => make(args, scene),
        TokenVerb::List(args) => list(args, scene),
        TokenVerb::Revoke(args) => revoke(args, scene),
    }
}

/// The file of a node's tokens, and what its server knows.
struct Kept {
    node: LocalNode,
    lanes: Vec<LaneName>,
    file: PathBuf,
    now: Timestamp,
}

impl Kept {
    fn find(target: &TargetArgs, scene: &Scene<'_, '_>) -> Result<Self, CliError> {
        let node = scene.aim(target)?.node;
        let Some(SecretSource::File(file)) = node.serve()?.tokens else {
            return Err(CliError::NoTokenFile { node: node.node.name.to_string() });
        };
        let lanes = node.node.lanes_in_order().into_iter().map(|lane| lane.name.clone()).collect();
        Ok(Self { node, lanes, file: file.into(), now: (scene.environment.clock)() })
    }

    fn told(&self, entry: &tokens::TokenEntry) -> TokenEntry {
        TokenEntry {
            name: entry.name.to_string(),
            limited_to: entry.lanes.as_ref().map(|lanes| lanes.iter().cloned().collect()),
            created_at: entry.created,
            expires_at: entry.expires,
            expired: entry.has_expired(self.now),
        }
    }

    fn shown_file(&self) -> String {
        self.file.display().to_string()
    }
}

fn make(args: &TokenNewArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let name = parse_writer(&args.name)?;
    let now = (scene.environment.clock)();
    let expires = args.expires.as_deref().map(|text| parse_end(text, now)).transpose()?;
    // What stands in the file is read by people: they need no fractions of a second.
    let created = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let kept = Kept::find(&args.target, scene)?;
    // Lanes that the node does not have end the verb here.
    let named = kept.node.lanes(&args.target.lanes)?;
    let lanes = (!args.target.lanes.is_empty()).then(|| named.into_iter().map(|lane| lane.name.clone()).collect());
    let terms = TokenTerms { name: name.clone(), lanes: lanes.clone(), expires, created };
    let token = tokens::add(&kept.file, terms)?;
    let entry = TokenEntry {
        name: name.to_string(),
        limited_to: lanes.map(|lanes| lanes.into_iter().collect()),
        created_at: created,
        expires_at: expires,
        expired: false,
    };
    let report = TokenNewReport::made(
        kept.node.node.name.clone(),
        &kept.lanes,
        ShownToken::new(token.expose()),
        entry,
        kept.shown_file(),
    );
    Ok(scene.out.report(report))
}

fn list(args: &NodeArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let kept = Kept::find(&args.target(), scene)?;
    let file = match TokenFile::read(&kept.file) {
        // Nobody was given a token yet: that is a list without entries.
        Err(TokensError::Missing { .. }) => TokenFile::default(),
        read => read?,
    };
    let mut listed: Vec<TokenEntry> = file.tokens.iter().map(|entry| kept.told(entry)).collect();
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    let report = TokenListReport::listed(kept.node.node.name.clone(), kept.lanes.clone(), listed, kept.shown_file());
    Ok(scene.out.report(report))
}

fn revoke(args: &TokenRevokeArgs, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let name = parse_writer(&args.name)?;
    let kept = Kept::find(&args.node.target(), scene)?;
    let entry = tokens::revoke(&kept.file, &name)?;
    let report =
        TokenRevokeReport::revoked(kept.node.node.name.clone(), &kept.lanes, kept.told(&entry), kept.shown_file());
    Ok(scene.out.report(report))
}
