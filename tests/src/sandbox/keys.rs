//! SSH keys made on the spot, so that nothing but cargo and git is needed.

use std::convert::Infallible;
use std::fs::File;
use std::io::Read;

use russh::keys::ssh_key::rand_core::{TryCryptoRng, TryRng};
use russh::keys::{Algorithm, EcdsaCurve, PrivateKey};

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519.
    Ed25519,
    /// ECDSA on NIST P-256.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// RSA; making one takes a while.
    Rsa,
}

/// Makes a new private key.
///
/// # Panics
/// Where the system gives no random bytes.
pub fn private_key(kind: KeyKind) -> PrivateKey {
    let algorithm = match kind {
        KeyKind::Ed25519 => Algorithm::Ed25519,
        KeyKind::EcdsaP256 => Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        KeyKind::EcdsaP384 => Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        KeyKind::Rsa => Algorithm::Rsa { hash: None },
    };
    PrivateKey::random(&mut SystemBytes, algorithm).expect("because all four kinds are compiled in")
}

/// The system's random bytes in the form that key generation asks for.
struct SystemBytes;

impl TryRng for SystemBytes {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(bytes))
            .expect("because the system gives random bytes");
        Ok(())
    }
}

impl TryCryptoRng for SystemBytes {}
