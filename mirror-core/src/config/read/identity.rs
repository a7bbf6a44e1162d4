//! Where secrets are, who logs in, which hosts are trusted, and which proxy is on the road.

use super::block::{At, Block, Field, Found};
use super::kubernetes::{object_name, secret_key_name};
use crate::config::finding::Finding;
use crate::config::problem::ValueFault;
use crate::config::types::{Identity, KnownHosts, SecretSource};
use crate::config::url::ProxyUrl;

/// Takes `http://host:port`, or `direct`. An empty value is a fault: a forgotten address must not open a direct connection.
pub(super) fn read_proxy(field: &Field<'_>, found: &mut Found) -> Option<At<Option<ProxyUrl>>> {
    if field.is_null() {
        field.malformed(
            found,
            "the address of a proxy",
            "write `http://HOST:PORT`; for a direct connection write `direct`, or leave the key out",
        );
        return None;
    }
    field.parsed(found, |text| if text == "direct" { Ok(None) } else { ProxyUrl::parse(text).map(Some) })
}

/// Takes `{ file: … }` or `{ secret: …, key: … }`.
pub(super) fn read_secret_source(field: &Field<'_>, found: &mut Found) -> Option<At<SecretSource>> {
    const ONE_OF: &str = "`{ file: … }` on a local node, or `{ secret: …, key: … }` on a cluster node";
    let mut block = field.block(found)?;
    let file = block.take("file");
    let secret = take_secret(&mut block);
    block.finish(found);
    let value = match (file, secret) {
        (Some(file), None) => SecretSource::File(file.file_path(found)?),
        (None, Some(fields)) => {
            let (secret, key) = read_secret(fields, found)?;
            SecretSource::Secret { secret, key }
        }
        _ => return one_of(field, ONE_OF, found),
    };
    Some(At { value, span: field.span() })
}

pub(super) fn read_identity(field: &Field<'_>, found: &mut Found) -> Option<At<Identity>> {
    const ONE_OF: &str =
        "`{ file: … }` or `{ agent: true }` on a local node, or `{ secret: …, key: … }` on a cluster node";
    let mut block = field.block(found)?;
    let file = block.take("file");
    let passphrase = block.take("passphraseFile");
    let agent = block.take("agent");
    let secret = take_secret(&mut block);
    block.finish(found);
    if let (Some(passphrase), None) = (&passphrase, &file) {
        let fault = ValueFault::PassphraseAlone { path: passphrase.path.clone() };
        found.push(Finding::new(fault, passphrase.key.clone(), "for no file"));
        return None;
    }
    let value = match (file, agent, secret) {
        (Some(file), None, None) => {
            let passphrase_file = match passphrase {
                Some(passphrase) => Some(passphrase.file_path(found)?),
                None => None,
            };
            Identity::File { path: file.file_path(found)?, passphrase_file }
        }
        (None, Some(agent), None) => {
            if !agent.switch(found)? {
                agent.not_one_of(found, "false", "`agent: true`, or another identity");
                return None;
            }
            Identity::Agent
        }
        (None, None, Some(fields)) => {
            let (secret, key) = read_secret(fields, found)?;
            Identity::Secret { secret, key }
        }
        _ => return one_of(field, ONE_OF, found),
    };
    Some(At { value, span: field.span() })
}

pub(super) fn read_known_hosts(field: &Field<'_>, found: &mut Found) -> Option<At<KnownHosts>> {
    if field.is_block() {
        let at = read_secret_source(field, found)?;
        let value = match at.value {
            SecretSource::File(path) => KnownHosts::File(path),
            SecretSource::Secret { secret, key } => KnownHosts::Secret { secret, key },
        };
        return Some(At { value, span: at.span });
    }
    let text = field.text(found)?;
    if text.value != "github" {
        field.not_one_of(found, text.value, "`github`, `{ file: … }` or `{ secret: …, key: … }`");
        return None;
    }
    Some(At { value: KnownHosts::Github, span: text.span })
}

type SecretFields<'t> = (Option<Field<'t>>, Option<Field<'t>>, Field<'t>);

fn take_secret<'t>(block: &mut Block<'t>) -> Option<SecretFields<'t>> {
    let secret = block.take("secret");
    let key = block.take("key");
    let either = secret.clone().or_else(|| key.clone())?;
    Some((secret, key, either))
}

fn read_secret((secret, key, either): SecretFields<'_>, found: &mut Found) -> Option<(String, String)> {
    let missing = |key: &'static str, example: &'static str| {
        let path = either.path.rsplit_once('.').map_or("", |(path, _)| path).to_owned();
        Finding::new(
            ValueFault::MissingKey { key, path, example },
            either.key.clone(),
            format!("`{key}` is missing here"),
        )
    };
    match (secret, key) {
        (Some(secret), Some(key)) => {
            let secret = object_name(&secret, found);
            let key = secret_key_name(&key, found);
            Some((secret?, key?))
        }
        (None, _) => {
            found.push(missing("secret", "`secret: git-mirror-ssh`, the name of the Secret"));
            None
        }
        (Some(_), None) => {
            found.push(missing("key", "`key: id_ed25519`, the key in the Secret"));
            None
        }
    }
}

fn one_of<T>(field: &Field<'_>, rule: &'static str, found: &mut Found) -> Option<T> {
    let fault = ValueFault::OneOf { path: field.path.clone(), rule };
    field.report(found, fault, "one of its forms");
    None
}
