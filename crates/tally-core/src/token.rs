//! Tokens: who asks, for a few minutes, signed by a ledger key
//!
//! Compact JWS (RFC 7515) with EdDSA (RFC 8037) over JWT claims (RFC 7519), and no other form: what the standards leave
//! open is refused. Written here rather than taken from a library because the one rule of signatures of this ledger
//! ([`PublicKey::verify`]) must be the one of tokens, too, and because this must also run in a browser.
//!
//! The signed bytes are ASCII that begins with `eyJ`, those of events and statements are a PAE that begins with
//! `DSSEv1`: a signature of one is never one of the other.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Number, Value};
use tally_proto::v1::Role;

use crate::{
    authority::{ROLES, role_name},
    id::OrganisationId,
    key::{KeyId, PublicKey, SIGNATURE_BYTES},
    time::Timestamp,
};

/// The longest token that is read: one of ours has about 500 bytes.
pub const TOKEN_BYTES_MAX: usize = 4_096;
/// The longest life, from `iat` to `exp`.
pub const LIFE_SECONDS_MAX: i64 = 15 * 60;
/// How far the clocks of caller and server may lie apart.
pub const LEEWAY_SECONDS: i64 = 60;

const MICROS: i64 = 1_000_000;
/// Whole seconds that a number of JSON holds exactly; a `NumericDate` past them is none.
const SECONDS_MAX: f64 = 9_007_199_254_740_992.0;

/// Why a token is not taken. It says nothing that its bearer, or anybody with the public ledger, does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// It is no token of this form.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// It names another algorithm than EdDSA.
    #[error("the token's alg is not EdDSA")]
    Algorithm,
    /// It names no key in force of the organisation.
    #[error("the token's kid is no key of its iss that is registered and may sign tokens")]
    KeyUnknown,
    /// It names a key that was revoked.
    #[error("the token's key was revoked")]
    KeyRevoked,
    /// Its signature is not valid.
    #[error("the token's signature does not verify under its kid")]
    Signature,
    /// It has expired.
    #[error("the token has expired; sign a new one")]
    Expired,
    /// It was issued in the future.
    #[error("the token is not valid yet; compare the clocks")]
    NotYetValid,
    /// It lives longer than a token may.
    #[error("the token lives longer than {LIFE_SECONDS_MAX} s")]
    LifeTooLong,
    /// It is for another log.
    #[error("the token's aud is not the origin of this log")]
    WrongOrigin,
    /// Its organisation does not hold its role.
    #[error("the token's iss does not hold its role now")]
    RoleNotHeld,
}

impl TokenError {
    /// The name under which callers match on it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Malformed(_) => "TOKEN_MALFORMED",
            Self::Algorithm => "TOKEN_ALGORITHM",
            Self::KeyUnknown => "TOKEN_KEY_UNKNOWN",
            Self::KeyRevoked => "TOKEN_KEY_REVOKED",
            Self::Signature => "TOKEN_SIGNATURE",
            Self::Expired => "TOKEN_EXPIRED",
            Self::NotYetValid => "TOKEN_NOT_YET_VALID",
            Self::LifeTooLong => "TOKEN_LIFE_TOO_LONG",
            Self::WrongOrigin => "TOKEN_WRONG_ORIGIN",
            Self::RoleNotHeld => "TOKEN_ROLE_NOT_HELD",
        }
    }
}

/// Who wants a token, and for how long.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    /// Origin of the log that it is for.
    pub origin: &'a str,
    /// Who asks.
    pub organisation: OrganisationId,
    /// In which role.
    pub role: Role,
    /// Key that will sign it.
    pub key_id: KeyId,
    /// When it is issued.
    pub issued_at: Timestamp,
    /// How long it lives, in seconds: 1 to [`LIFE_SECONDS_MAX`].
    pub life_seconds: i64,
    /// Random bytes that name it.
    pub id: [u8; 16],
}

impl NewToken<'_> {
    /// Signs it: `sign` gives the Ed25519 signature of the key over exactly these bytes.
    #[must_use]
    pub fn sign(&self, sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE_BYTES]) -> String {
        let header = serde_json::json!({ "alg": "EdDSA", "kid": self.key_id.to_string(), "typ": "JWT" });
        let issued_at = self.issued_at.micros().div_euclid(MICROS);
        let claims = serde_json::json!({
            "iss": self.organisation.to_string(),
            "aud": self.origin,
            "role": role_name(self.role),
            "iat": issued_at,
            "exp": issued_at.saturating_add(self.life_seconds),
            "jti": hex::encode(self.id),
        });
        let encoded = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let mut token = [encoded(&header), encoded(&claims)].join(".");
        let signature = sign(token.as_bytes());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        token
    }
}

#[derive(Deserialize)]
struct Header {
    alg: Value,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Value,
    role: Option<String>,
    iat: Number,
    nbf: Option<Number>,
    exp: Number,
}

/// A token as it came: its form is right, and nothing that it says is known to be true.
#[derive(Clone, Debug)]
pub struct UnverifiedToken {
    key_id: KeyId,
    issuer: String,
    audiences: Vec<String>,
    role: Option<String>,
    issued_at: i64,
    not_before: Option<i64>,
    expires_at: i64,
    signed: Vec<u8>,
    signature: [u8; SIGNATURE_BYTES],
}

impl UnverifiedToken {
    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenError::Malformed`], [`TokenError::Algorithm`]; [`TokenError::KeyUnknown`] for a `kid` that is no key id.
    pub fn parse(token: &str) -> Result<Self, TokenError> {
        use TokenError::Malformed;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Malformed("it is too long"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed("it has not three parts"));
        };
        let signed = token.get(..header.len() + 1 + claims.len()).unwrap_or_default().as_bytes().to_vec();
        let header: Header = object(header).ok_or(Malformed("its header is no object of JSON with known members"))?;
        // RFC 7515, section 4.1.11: an extension that is critical and not understood MUST be refused; none is.
        if header.crit.is_some() {
            return Err(Malformed("it has critical extensions"));
        }
        if header.typ.is_some_and(|typ| typ != "JWT") {
            return Err(Malformed("its typ is not JWT"));
        }
        // RFC 8725, section 3.1: the algorithm is ours to choose, never the token's.
        if header.alg != "EdDSA" {
            return Err(TokenError::Algorithm);
        }
        let key_id = header.kid.ok_or(Malformed("it has no kid"))?;
        let key_id = key_id.parse().map_err(|_| TokenError::KeyUnknown)?;
        let claims: Claims =
            object(claims).ok_or(Malformed("its claims are no object of JSON with iss, aud, iat, exp"))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok().and_then(|bytes| bytes.try_into().ok());
        let micros = |date: &Number| micros(date).ok_or(Malformed("a date in it is no number of seconds"));
        Ok(Self {
            key_id,
            issuer: claims.iss,
            audiences: audiences(claims.aud).ok_or(Malformed("its aud is neither text nor a list of texts"))?,
            role: claims.role,
            issued_at: micros(&claims.iat)?,
            not_before: claims.nbf.as_ref().map(micros).transpose()?,
            expires_at: micros(&claims.exp)?,
            signed,
            signature: signature.ok_or(Malformed("its signature is not 64 bytes in base64url"))?,
        })
    }

    /// The key that it names.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Who it says that asks.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Verifies it for a log at a time; `key` must be the registered key that it names, in force, and of its issuer.
    ///
    /// # Errors
    /// [`TokenError`]; the signature is checked first, so that a forger learns nothing else.
    pub fn verify(
        self,
        key: &PublicKey,
        origin: &str,
        now: Timestamp,
        leeway_seconds: i64,
    ) -> Result<VerifiedToken, TokenError> {
        if key.key_id() != self.key_id {
            return Err(TokenError::KeyUnknown);
        }
        key.verify(&self.signed, &self.signature).map_err(|_| TokenError::Signature)?;
        let (now, leeway) = (now.micros(), leeway_seconds.saturating_mul(MICROS));
        // RFC 7519, section 4.1.4: the current time MUST be before exp; a little leeway MAY be given.
        if now >= self.expires_at.saturating_add(leeway) {
            return Err(TokenError::Expired);
        }
        let begins = self.not_before.map_or(self.issued_at, |not_before| not_before.max(self.issued_at));
        if now < begins.saturating_sub(leeway) {
            return Err(TokenError::NotYetValid);
        }
        if self.expires_at.saturating_sub(self.issued_at) > LIFE_SECONDS_MAX * MICROS {
            return Err(TokenError::LifeTooLong);
        }
        if !self.audiences.iter().any(|audience| audience == origin) {
            return Err(TokenError::WrongOrigin);
        }
        Ok(VerifiedToken { issuer: self.issuer, role: self.role, key_id: self.key_id })
    }
}

/// A token that was signed by the key that it names, for this log, and is in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedToken {
    issuer: String,
    role: Option<String>,
    key_id: KeyId,
}

impl VerifiedToken {
    /// Who asks, as the token says it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who asks.
    ///
    /// # Errors
    /// [`TokenError::KeyUnknown`] for an issuer that is no organisation's id: it has no key.
    pub fn organisation(&self) -> Result<OrganisationId, TokenError> {
        self.issuer.parse().map_err(|_| TokenError::KeyUnknown)
    }

    /// In which role. Whether the organisation holds it, the ledger says.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] without a role; [`TokenError::RoleNotHeld`] for a name that is none.
    pub fn role(&self) -> Result<Role, TokenError> {
        let name = self.role.as_deref().ok_or(TokenError::Malformed("it has no role"))?;
        let known = ROLES.iter().copied().find(|role| role_name(*role) == name);
        known.ok_or(TokenError::RoleNotHeld)
    }

    /// The key that signed it.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }
}

/// Decodes a part that must be a JSON object; members that we know must not stand in it twice.
fn object<T: DeserializeOwned>(part: &str) -> Option<T> {
    let json = String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    // A list of values would also be taken for a struct.
    if !json.trim_ascii_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(&json).ok()
}

fn audiences(aud: Value) -> Option<Vec<String>> {
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    };
    match aud {
        Value::Array(several) => several.into_iter().map(text).collect(),
        one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            text(one).map(|one| vec![one])
        }
    }
}

/// A `NumericDate` in microseconds; `None` past what is exact.
#[expect(clippy::cast_possible_truncation, reason = "the bounds are checked before")]
fn micros(date: &Number) -> Option<i64> {
    if let Some(seconds) = date.as_i64() {
        return seconds.checked_mul(MICROS);
    }
    // RFC 7519, section 2: a NumericDate may have a fraction.
    let seconds = date.as_f64().filter(|seconds| seconds.abs() < SECONDS_MAX)?;
    (seconds.trunc() as i64).checked_mul(MICROS)?.checked_add((seconds.fract() * 1e6) as i64)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_500_000);
    const ORIGIN: &str = "log.example/a";

    fn key() -> (SigningKey, PublicKey) {
        let secret = SigningKey::from_bytes(&[7; 32]);
        let public = PublicKey::parse(secret.verifying_key().as_bytes()).unwrap();
        (secret, public)
    }

    fn token(edit: impl FnOnce(&mut NewToken<'_>)) -> UnverifiedToken {
        let (secret, public) = key();
        let mut token = NewToken {
            origin: ORIGIN,
            organisation: OrganisationId::new([1; 16]),
            role: Role::Mine,
            key_id: public.key_id(),
            issued_at: NOW,
            life_seconds: 600,
            id: [9; 16],
        };
        edit(&mut token);
        UnverifiedToken::parse(&token.sign(|bytes| secret.sign(bytes).to_bytes())).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        NOW.checked_add_micros(seconds * MICROS).unwrap()
    }

    #[test]
    fn what_is_signed_is_what_is_read() {
        let (_, public) = key();
        let verified = token(|_| {}).verify(&public, ORIGIN, NOW, LEEWAY_SECONDS).unwrap();
        assert_eq!(verified.organisation(), Ok(OrganisationId::new([1; 16])));
        assert_eq!((verified.role(), verified.key_id()), (Ok(Role::Mine), public.key_id()));
    }

    #[test]
    fn both_sides_of_every_bound_of_time() {
        let (_, public) = key();
        let verdict = |token: UnverifiedToken, now| token.verify(&public, ORIGIN, now, LEEWAY_SECONDS).err();
        // Issued in whole seconds, so half a second before NOW.
        assert_eq!(verdict(token(|_| {}), at(659)), None);
        assert_eq!(verdict(token(|_| {}), at(660)), Some(TokenError::Expired));
        assert_eq!(verdict(token(|_| {}), at(-60)), None);
        assert_eq!(verdict(token(|_| {}), at(-61)), Some(TokenError::NotYetValid));
        assert_eq!(verdict(token(|token| token.life_seconds = LIFE_SECONDS_MAX), NOW), None);
        let long = token(|token| token.life_seconds = LIFE_SECONDS_MAX + 1);
        assert_eq!(verdict(long, NOW), Some(TokenError::LifeTooLong));
    }

    #[test]
    fn another_log_and_another_key_are_refused() {
        let (_, public) = key();
        let other = SigningKey::from_bytes(&[8; 32]);
        let other = PublicKey::parse(other.verifying_key().as_bytes()).unwrap();
        assert_eq!(token(|_| {}).verify(&public, "log.example/b", NOW, 0).err(), Some(TokenError::WrongOrigin));
        assert_eq!(token(|_| {}).verify(&other, ORIGIN, NOW, 0).err(), Some(TokenError::KeyUnknown));
        let forged = token(|token| token.key_id = other.key_id());
        assert_eq!(forged.verify(&other, ORIGIN, NOW, 0).err(), Some(TokenError::Signature));
    }

    #[test]
    fn what_is_too_long_is_not_even_decoded() {
        let long = "a".repeat(TOKEN_BYTES_MAX + 1);
        assert_eq!(UnverifiedToken::parse(&long).err(), Some(TokenError::Malformed("it is too long")));
    }
}
