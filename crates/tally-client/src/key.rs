//! Signing keys and their files
//!
//! A key file is PKCS#8 PEM, as every other tool writes it, and readable by its owner only.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use tally_core::key::{KeyError, KeyId, PublicKey, SIGNATURE_BYTES};
use zeroize::{Zeroize as _, Zeroizing};

/// The longest key file that is read: one of ours has 119 bytes, other tools add a public key and comments.
const KEY_FILE_BYTES_MAX: u64 = 8_192;

/// Why a key cannot be made, read or written. No key was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The text is no PKCS#8 PEM of an Ed25519 key.
    #[error("no PKCS#8 PEM of an Ed25519 private key: {0}")]
    Pem(String),
    /// The public key in the file is not the one of the private key.
    #[error("the public key in the file is {found}, the private key has {due}")]
    PublicKeyDiffers {
        /// Id of the key in the file.
        found: KeyId,
        /// Id of the key that belongs to the private key.
        due: KeyId,
    },
    /// The public key is none that can be registered.
    #[error("the public key cannot be registered")]
    Public(#[from] KeyError),
    /// Somebody else may read or write the file.
    #[error(
        "{} has mode {mode:04o}; a private key is for its owner only: chmod 600 {}",
        path.display(), path.display()
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is longer than any key.
    #[error("{} has more than {KEY_FILE_BYTES_MAX} bytes and is no key file", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The file is there already; a key is never overwritten.
    #[error("{} is there already and was not changed", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
}

/// Makes the id of a person from the operating system's random numbers: it says nothing about anybody.
///
/// # Errors
/// [`KeyFileError::Random`].
pub fn new_person_id() -> Result<[u8; 16], KeyFileError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(KeyFileError::Random)?;
    Ok(id)
}

/// A private key of an organisation, a device or a person. Its bytes are wiped when it is dropped.
///
/// One key has one use: a key of the ledger signs events, statements and tokens, and never checkpoints.
pub struct SigningKey {
    /// Wipes itself on drop.
    secret: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyFileError::Random`].
    pub fn generate() -> Result<Self, KeyFileError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(KeyFileError::Random)?;
        Self::from_seed(*seed)
    }

    /// The key of these 32 secret bytes (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// [`KeyFileError::Public`] if its public key cannot be registered, which no random seed leads to.
    pub fn from_seed(mut seed: [u8; 32]) -> Result<Self, KeyFileError> {
        let secret = ed25519_dalek::SigningKey::from_bytes(&seed);
        seed.zeroize();
        let public = PublicKey::parse(secret.verifying_key().as_bytes())?;
        Ok(Self { secret, public })
    }

    /// Reads PKCS#8 PEM, with or without the public key inside.
    ///
    /// # Errors
    /// [`KeyFileError::Pem`], [`KeyFileError::PublicKeyDiffers`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyFileError> {
        let pair = KeypairBytes::from_pkcs8_pem(pem).map_err(|error| KeyFileError::Pem(error.to_string()))?;
        let key = Self::from_seed(pair.secret_key)?;
        match &pair.public_key {
            Some(public) if public.to_bytes() != *key.public.as_bytes() => {
                Err(KeyFileError::PublicKeyDiffers { found: KeyId::of(&public.to_bytes()), due: key.key_id() })
            }
            Some(_) | None => Ok(key),
        }
    }

    /// PKCS#8 PEM without the public key: the form that every version of OpenSSL reads.
    ///
    /// # Errors
    /// [`KeyFileError::Pem`], which no key leads to.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyFileError> {
        let pair = KeypairBytes { secret_key: *self.seed(), public_key: None };
        pair.to_pkcs8_pem(LineEnding::LF).map_err(|error| KeyFileError::Pem(error.to_string()))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyFileError::Mode`] if anybody but its owner has a right to the file; all that [`SigningKey::from_pem`] gives.
    pub fn read_file(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |cause| KeyFileError::File { path: path.to_owned(), cause };
        let file = File::open(path).map_err(failed)?;
        // Asked of the open file, so that nobody can put another one in its place in between.
        check_mode(path, &file)?;
        let mut pem = Zeroizing::new(String::new());
        file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut pem).map_err(failed)?;
        if pem.len() as u64 > KEY_FILE_BYTES_MAX {
            return Err(KeyFileError::TooLong { path: path.to_owned() });
        }
        Self::from_pem(&pem)
    }

    /// Writes the key to a new file, mode 0600, and syncs it: a key that was registered must not be lost.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`]: no key file is ever overwritten. [`KeyFileError::File`].
    pub fn create_file(&self, path: &Path) -> Result<(), KeyFileError> {
        let failed = |cause: io::Error| {
            if cause.kind() == io::ErrorKind::AlreadyExists {
                KeyFileError::Exists { path: path.to_owned() }
            } else {
                KeyFileError::File { path: path.to_owned(), cause }
            }
        };
        let pem = self.to_pem()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        file.write_all(pem.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        crate::state::sync_directory_of(path).map_err(failed)
    }

    /// The 32 secret bytes, for the one other use of a key file: the log's own key signs checkpoints.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// Signs these bytes as they are; what is signed for the ledger is always a PAE.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.secret.sign(message).to_bytes()
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// SHA-256 of the public key.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.public.key_id()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SigningKey({})", self.key_id())
    }
}

#[cfg(unix)]
fn check_mode(path: &Path, file: &File) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|cause| KeyFileError::File { path: path.to_owned(), cause })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(KeyFileError::Mode { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &File) -> Result<(), KeyFileError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, section 10.3: the private key without and with its public key.
    const PUBLISHED: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

    #[test]
    fn published_key_is_read_and_written_byte_for_byte() {
        let key = SigningKey::from_pem(PUBLISHED).unwrap();
        assert_eq!(
            hex::encode(key.public().as_bytes()),
            "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
        );
        assert_eq!(*key.to_pem().unwrap(), PUBLISHED);
        assert!(matches!(SigningKey::from_pem("-----BEGIN"), Err(KeyFileError::Pem(_))));
        assert!(!format!("{key:?}").contains("d4ee72"), "debug output must not show the secret");
    }

    #[test]
    fn foreign_public_key_in_a_file_is_refused() {
        let public = SigningKey::from_seed([1; 32]).unwrap();
        let pair = KeypairBytes {
            secret_key: [2; 32],
            public_key: Some(ed25519_dalek::pkcs8::PublicKeyBytes(*public.public().as_bytes())),
        };
        let pem = pair.to_pkcs8_pem(LineEnding::LF).unwrap();
        assert!(matches!(SigningKey::from_pem(&pem), Err(KeyFileError::PublicKeyDiffers { .. })));
    }

    #[test]
    fn key_files_come_back_and_are_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("device.key");
        let key = SigningKey::generate().unwrap();
        key.create_file(&path).unwrap();
        assert_eq!(SigningKey::read_file(&path).unwrap().key_id(), key.key_id());
        let other = SigningKey::generate().unwrap();
        assert_ne!(other.key_id(), key.key_id());
        assert!(matches!(other.create_file(&path), Err(KeyFileError::Exists { .. })));
        assert_eq!(SigningKey::read_file(&path).unwrap().key_id(), key.key_id());
    }

    #[cfg(unix)]
    #[test]
    fn key_files_that_others_can_read_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("device.key");
        SigningKey::generate().unwrap().create_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert!(
                matches!(SigningKey::read_file(&path), Err(KeyFileError::Mode { mode: found, .. }) if found == mode)
            );
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
        SigningKey::read_file(&path).unwrap();
    }
}
