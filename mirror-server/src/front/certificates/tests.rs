use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

struct Pair {
    certificate: String,
    key: String,
}

fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Pair { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

struct Folder(TempDir);

impl Folder {
    fn new(pair: &Pair) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.put("tls.crt", &pair.certificate);
        folder.put("tls.key", &pair.key);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file in another's place, as those who renew certificates do.
    fn put(&self, name: &str, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    fn read(&self) -> Result<Certificates, CertificatesError> {
        Certificates::read(self.path("tls.crt"), self.path("tls.key"))
    }
}

fn shown(certificates: &Certificates) -> Vec<u8> {
    certificates.current.pair.read().unwrap().cert[0].to_vec()
}

fn der(pair: &Pair) -> Vec<u8> {
    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap().to_vec()
}

#[test]
fn a_new_pair_is_taken_and_a_broken_one_is_not() {
    let (first, second) = (pair(), pair());
    let folder = Folder::new(&first);
    let certificates = folder.read().unwrap();
    assert_eq!(shown(&certificates), der(&first));

    // Half a renewal: the key does not fit, and the old pair goes on.
    folder.put("tls.crt", &second.certificate);
    certificates.look();
    assert_eq!(shown(&certificates), der(&first));

    folder.put("tls.key", &second.key);
    certificates.look();
    assert_eq!(shown(&certificates), der(&second));

    for broken in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        folder.put("tls.crt", broken);
        certificates.look();
        assert_eq!(shown(&certificates), der(&second), "{broken}");
    }
    fs::remove_file(folder.path("tls.crt")).unwrap();
    certificates.look();
    assert_eq!(shown(&certificates), der(&second));
}

#[test]
fn what_cannot_be_used_is_said() {
    let (first, second) = (pair(), pair());
    let code = |folder: &Folder| miette::Diagnostic::code(&folder.read().unwrap_err()).unwrap().to_string();

    let folder = Folder::new(&Pair { certificate: first.certificate.clone(), key: second.key.clone() });
    assert_eq!(code(&folder), "mirror::serve::certificate_key");

    folder.put("tls.crt", &first.key);
    assert_eq!(code(&folder), "mirror::serve::no_certificate");

    folder.put("tls.crt", &first.certificate);
    folder.put("tls.key", &first.certificate);
    assert_eq!(code(&folder), "mirror::serve::certificate_file");

    fs::remove_file(folder.path("tls.key")).unwrap();
    assert_eq!(code(&folder), "mirror::serve::certificate_file");
}

#[test]
fn nothing_of_a_key_is_formatted() {
    let made = pair();
    let folder = Folder::new(&made);
    fs::set_permissions(folder.path("tls.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!("{:?} {:?}", folder.read().unwrap(), folder.read().unwrap().current);
    assert!(text.contains("tls.key") && !text.contains("PRIVATE"), "{text}");
    folder.put("tls.key", &made.key.replace('M', "x"));
    let error = folder.read().unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!made.key.lines().filter(|line| line.len() > 20).any(|line| text.contains(&line[..20])), "{text}");
}
