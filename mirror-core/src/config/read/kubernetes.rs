//! The names and quantities of Kubernetes that stand in a configuration.

use super::block::{Field, Found};

/// Takes the name of a namespace or a Service.
///
/// # Source
/// RFC 1123 labels, <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>
pub(super) fn label_name(field: &Field<'_>, found: &mut Found) -> Option<String> {
    field.checked(
        found,
        is_label,
        "a name that Kubernetes takes here",
        "use at most 63 lower-case letters, digits and `-`, with a letter or digit at both ends",
    )
}

/// Takes the name of any other object.
///
/// # Source
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>
pub(super) fn object_name(field: &Field<'_>, found: &mut Found) -> Option<String> {
    field.checked(
        found,
        is_subdomain,
        "a name that Kubernetes takes here",
        "use at most 253 lower-case letters, digits, `-` and `.`, with a letter or digit at both ends",
    )
}

/// Takes a key of a Secret.
///
/// # Source
/// <https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data>
pub(super) fn secret_key_name(field: &Field<'_>, found: &mut Found) -> Option<String> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    field.checked(
        found,
        |text| text.len() <= 253 && text.chars().all(harmless) && text != "." && text != "..",
        "a key that a Secret can have",
        "use letters, digits, `-`, `_` and `.`, such as `id_ed25519`",
    )
}

/// Takes a service account with its namespace.
pub(super) fn service_account(field: &Field<'_>, found: &mut Found) -> Option<String> {
    field.checked(
        found,
        |text| text.split_once('/').is_some_and(|(namespace, name)| is_label(namespace) && is_subdomain(name)),
        "a service account with its namespace",
        "write `NAMESPACE/NAME`, such as `hwlab-ci/promoter`",
    )
}

/// Takes the size of a volume.
///
/// # Source
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
pub(super) fn volume_size(field: &Field<'_>, found: &mut Found) -> Option<String> {
    const UNITS: [&str; 8] = ["Ki", "Mi", "Gi", "Ti", "k", "M", "G", "T"];
    let holds = |text: &str| {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        (1..=12).contains(&number.len())
            && number.bytes().any(|b| b != b'0')
            && (unit.is_empty() || UNITS.contains(&unit))
    };
    field.checked(found, holds, "a size of a volume", "write it as Kubernetes does, such as `20Gi`")
}

/// Takes a range of addresses.
///
/// # Source
/// RFC 4632, section 3.1
pub(super) fn cidr(field: &Field<'_>, found: &mut Found) -> Option<String> {
    let holds = |text: &str| {
        let Some((address, bits)) = text.split_once('/') else { return false };
        let most = match address.parse::<core::net::IpAddr>() {
            Ok(core::net::IpAddr::V4(_)) => 32,
            Ok(core::net::IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    };
    field.checked(found, holds, "a range of addresses", "write it in CIDR notation, such as `172.26.0.1/32`")
}

/// Takes a reference to an image.
pub(super) fn image(field: &Field<'_>, found: &mut Found) -> Option<String> {
    field.checked(
        found,
        |text| !text.starts_with('-') && !text.contains(|c: char| c.is_whitespace() || c.is_control()),
        "a reference to an image",
        "write `REGISTRY/NAME:TAG` or `REGISTRY/NAME@sha256:…`",
    )
}

fn is_label(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_subdomain(text)
}

fn is_subdomain(text: &str) -> bool {
    let part = |part: &str| {
        part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && part.starts_with(|c: char| c != '-')
            && part.ends_with(|c: char| c != '-')
    };
    !text.is_empty() && text.len() <= 253 && text.split('.').all(part)
}
