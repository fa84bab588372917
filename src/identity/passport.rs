//! [`Passport`]: a signed token of who calls whom (PASSporT, RFC 8225), with the claims of SHAKEN (RFC 8588).
//!
//! ```
//! use sip_stack::identity::passport::{Claims, Party, Passport};
//! let claims = Claims::new(Party::Number("12155551212".into()), [Party::Number("12155551213".into())], 1_443_208_345);
//! let passport = Passport::new("https://cert.example.org/passport.cer", claims);
//! assert_eq!(passport.header_json(), r#"{"alg":"ES256","typ":"passport","x5u":"https://cert.example.org/passport.cer"}"#);
//! assert_eq!(passport.claims_json(), r#"{"dest":{"tn":["12155551213"]},"iat":1443208345,"orig":{"tn":"12155551212"}}"#);
//! ```

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use sip_message::{Uri, UriRef};

use crate::routing::user_part;

/// Who calls, or is called: a telephone number in digits, or a URI (RFC 8225 §5.2.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "RFC 8225 has these two")]
pub enum Party {
    /// `tn`: digits alone, with the country code and without a plus sign (RFC 8224 §8.3).
    Number(Box<str>),
    /// `uri`: in canonical form (RFC 8224 §8.5).
    Uri(Box<str>),
}

impl Party {
    /// The party that a URI names in canonical form: a number if it is a `tel` URI, or has `user=phone` or a global number
    /// for its user (RFC 8224 §8.1), else the URI with nothing but user and host. `None` for other schemes.
    #[must_use]
    pub fn of(uri: UriRef<'_>) -> Option<Self> {
        let is_telephone = uri.scheme_str().eq_ignore_ascii_case("tel");
        if !uri.is_sip() && !is_telephone {
            return None;
        }
        let user = user_part(uri);
        let number = user.split(';').next().unwrap_or_default();
        let is_number =
            is_telephone || uri.param("user") == Some("phone") || number.starts_with('+');
        let digits: String = number
            .chars()
            .filter(|c| !matches!(c, '+' | '-' | '.' | '(' | ')'))
            .collect();
        let is_digits = !digits.is_empty()
            && digits
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#'));
        if is_number && is_digits {
            return Some(Self::Number(digits.into()));
        }
        if is_telephone {
            return None;
        }
        // §8.5: neither password nor port nor parameters, all in lower case.
        let scheme = if uri.is_secure() { "sips" } else { "sip" };
        let host = uri.host_str()?.trim_end_matches('.');
        let text = match uri.user_unescaped() {
            Some(user) => format!("{scheme}:{}@{host}", sip_message::uri::escape_user(&user)),
            None => format!("{scheme}:{host}"),
        };
        Some(Self::Uri(text.to_lowercase().into()))
    }

    /// Its host, if it is a URI.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        match self {
            Self::Number(_) => None,
            Self::Uri(uri) => Uri::parse(uri).ok()?.as_ref().host_str().map(str::to_owned),
        }
    }
}

/// What a token claims (RFC 8225 §5.2).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// Who calls.
    pub orig: Party,
    /// Who is called: one at least.
    pub dest: Vec<Party>,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// How well the signer knows the caller: A, B or C (RFC 8588 §4).
    pub attest: Option<char>,
    /// Where the call came from, for who traces it (RFC 8588 §5).
    pub origid: Option<Box<str>>,
    /// Other claims, each with its JSON value in canonical form, such as `div` and `mky`.
    pub others: Vec<(Box<str>, Box<str>)>,
}

impl Claims {
    /// The claims that every token has. Who is called is put in order.
    #[must_use]
    pub fn new(orig: Party, dest: impl IntoIterator<Item = Party>, iat: u64) -> Self {
        let mut dest: Vec<Party> = dest.into_iter().collect();
        dest.sort();
        dest.dedup();
        Self {
            orig,
            dest,
            iat,
            attest: None,
            origid: None,
            others: Vec::new(),
        }
    }

    /// The claims of SHAKEN (RFC 8588 §4, §5).
    #[must_use]
    pub fn shaken(mut self, attest: char, origid: &str) -> Self {
        self.attest = Some(attest);
        self.origid = Some(origid.into());
        self
    }

    /// The call was for this party before it was sent elsewhere (`div`, RFC 8946 §3).
    #[must_use]
    pub fn diverted_from(mut self, from: &Party) -> Self {
        let (name, text) = match from {
            Party::Number(number) => ("tn", number),
            Party::Uri(uri) => ("uri", uri),
        };
        let value = format!("{{\"{name}\":{}}}", quoted(text));
        self.others.retain(|(name, _)| &**name != "div");
        self.others.push(("div".into(), value.into()));
        self
    }

    /// These took the place of the claims of this full token (`opt`, RFC 8946 §6).
    #[must_use]
    pub fn made_of(mut self, token: &str) -> Self {
        self.others.retain(|(name, _)| &**name != "opt");
        self.others.push(("opt".into(), quoted(token).into()));
        self
    }

    /// The token whose place these took, if they did.
    #[must_use]
    pub fn original(&self) -> Option<String> {
        let (_, value) = self.others.iter().find(|(name, _)| &**name == "opt")?;
        serde_json::from_str(value).ok()
    }

    /// Whom the call was for before, if these claims say that it was sent elsewhere.
    #[must_use]
    pub fn diverted(&self) -> Option<Party> {
        let (_, value) = self.others.iter().find(|(name, _)| &**name == "div")?;
        let value: Value = serde_json::from_str(value).ok()?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(Box::from);
        match (text("tn"), text("uri")) {
            (Some(number), None) => Some(Party::Number(number)),
            (None, Some(uri)) => Some(Party::Uri(uri)),
            _ => None,
        }
    }
}

/// A token that is not signed yet, or whose signature was looked at.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Passport {
    /// Where the certificate is (`x5u`).
    pub x5u: Box<str>,
    /// The extension that is used: `shaken`, `div`, ... (`ppt`, RFC 8225 §8.1).
    pub ppt: Option<Box<str>>,
    /// The claims.
    pub claims: Claims,
}

/// Why a token is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PassportError {
    /// It is not three parts of base64, or no JSON with the claims of RFC 8225.
    #[error("the token is malformed")]
    Malformed,
    /// It is signed otherwise than by ES256, the one algorithm of RFC 8225 §6.
    #[error("the token has another algorithm than ES256")]
    Algorithm,
    /// The signature is not of this key over this token.
    #[error("the signature is not good")]
    Signature,
}

/// The longest token that is looked at.
const LONGEST: usize = 8_192;

impl Passport {
    /// A token for these claims; with those of SHAKEN its type is that.
    #[must_use]
    pub fn new(x5u: &str, claims: Claims) -> Self {
        Self {
            x5u: x5u.into(),
            ppt: claims.attest.is_some().then(|| "shaken".into()),
            claims,
        }
    }

    /// Of another type.
    #[must_use]
    pub fn of_type(mut self, ppt: &str) -> Self {
        self.ppt = Some(ppt.into());
        self
    }

    /// Reads a full token. The signature is not looked at: [`Signed::verify`] does.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(token: &str) -> Result<Signed, PassportError> {
        if token.len() > LONGEST {
            return Err(PassportError::Malformed);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(PassportError::Malformed);
        };
        let input = format!("{header}.{claims}");
        let signature = decode(signature)?;
        let header: Value = json(header)?;
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        if text("typ") != Some("passport") {
            return Err(PassportError::Malformed);
        }
        if text("alg") != Some("ES256") {
            return Err(PassportError::Algorithm);
        }
        let x5u = text("x5u").ok_or(PassportError::Malformed)?.into();
        let ppt = text("ppt").map(Box::from);
        let claims = read_claims(&json(claims)?)?;
        Ok(Signed {
            passport: Self { x5u, ppt, claims },
            input,
            signature,
        })
    }

    /// A compact token, `..signature`, with what it leaves out (RFC 8225 §7).
    ///
    /// # Errors
    /// When it is none.
    pub fn parse_compact(self, token: &str) -> Result<Signed, PassportError> {
        let signature = token
            .strip_prefix("..")
            .filter(|rest| rest.len() <= LONGEST)
            .ok_or(PassportError::Malformed)?;
        Ok(Signed {
            input: self.signing_input(),
            signature: decode(signature)?,
            passport: self,
        })
    }

    /// The header: keys in their order, no white space (RFC 8225 §9).
    #[must_use]
    pub fn header_json(&self) -> String {
        let ppt = self
            .ppt
            .as_ref()
            .map(|ppt| format!("\"ppt\":{},", quoted(ppt)))
            .unwrap_or_default();
        format!(
            "{{\"alg\":\"ES256\",{ppt}\"typ\":\"passport\",\"x5u\":{}}}",
            quoted(&self.x5u)
        )
    }

    /// The claims, likewise.
    #[must_use]
    pub fn claims_json(&self) -> String {
        let claims = &self.claims;
        let list = |of: fn(&Party) -> Option<&str>| {
            let all: Vec<String> = claims.dest.iter().filter_map(of).map(quoted).collect();
            all.join(",")
        };
        let (numbers, uris) = (list(as_number), list(as_uri));
        let mut dest = Vec::new();
        if !numbers.is_empty() {
            dest.push(format!("\"tn\":[{numbers}]"));
        }
        if !uris.is_empty() {
            dest.push(format!("\"uri\":[{uris}]"));
        }
        let orig = match &claims.orig {
            Party::Number(number) => format!("\"tn\":{}", quoted(number)),
            Party::Uri(uri) => format!("\"uri\":{}", quoted(uri)),
        };
        let mut members = vec![
            ("dest", format!("{{{}}}", dest.join(","))),
            ("iat", claims.iat.to_string()),
            ("orig", format!("{{{orig}}}")),
        ];
        if let Some(attest) = claims.attest {
            members.push(("attest", format!("\"{attest}\"")));
        }
        if let Some(origid) = &claims.origid {
            members.push(("origid", quoted(origid)));
        }
        let others = claims.others.iter();
        members.extend(others.map(|(name, value)| (&**name, value.to_string())));
        members.sort();
        let members: Vec<String> = members
            .into_iter()
            .map(|(name, value)| format!("{}:{value}", quoted(name)))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    /// What is signed.
    #[must_use]
    pub fn signing_input(&self) -> String {
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(self.header_json()),
            URL_SAFE_NO_PAD.encode(self.claims_json())
        )
    }

    /// The full token, signed.
    ///
    /// # Errors
    /// When the system gives no random numbers, which a signature needs.
    pub fn sign(&self, key: &SigningKey) -> Result<String, PassportError> {
        let input = self.signing_input();
        let signature = key
            .pair
            .sign(&SystemRandom::new(), input.as_bytes())
            .map_err(|_| PassportError::Signature)?;
        Ok(format!(
            "{input}.{}",
            URL_SAFE_NO_PAD.encode(signature.as_ref())
        ))
    }
}

/// A token with its signature.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Signed {
    /// The token.
    pub passport: Passport,
    input: String,
    signature: Vec<u8>,
}

impl Signed {
    /// Is the signature that of the owner of this key: an uncompressed point of the curve P-256?
    ///
    /// # Errors
    /// [`PassportError::Signature`] when it is not.
    pub fn verify(&self, public_key: &[u8]) -> Result<(), PassportError> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key)
            .verify(self.input.as_bytes(), &self.signature)
            .map_err(|_| PassportError::Signature)
    }
}

/// A private key on the curve P-256.
pub struct SigningKey {
    pair: EcdsaKeyPair,
}

impl SigningKey {
    /// From PEM: PKCS#8 (`PRIVATE KEY`). `None` when it is none, or of another curve.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        let body = pem
            .split_once("-----BEGIN PRIVATE KEY-----")?
            .1
            .split_once("-----END PRIVATE KEY-----")?
            .0;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).ok()?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok()?;
        Some(Self { pair })
    }

    /// Its public half, as an uncompressed point.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        use aws_lc_rs::signature::KeyPair as _;
        self.pair.public_key().as_ref()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

fn as_number(party: &Party) -> Option<&str> {
    match party {
        Party::Number(number) => Some(number),
        Party::Uri(_) => None,
    }
}

fn as_uri(party: &Party) -> Option<&str> {
    match party {
        Party::Number(_) => None,
        Party::Uri(uri) => Some(uri),
    }
}

fn decode(text: &str) -> Result<Vec<u8>, PassportError> {
    URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| PassportError::Malformed)
}

fn json(text: &str) -> Result<Value, PassportError> {
    serde_json::from_slice(&decode(text)?).map_err(|_| PassportError::Malformed)
}

fn read_claims(value: &Value) -> Result<Claims, PassportError> {
    let malformed = PassportError::Malformed;
    let members = value.as_object().ok_or(malformed)?;
    let text = |value: &Value| value.as_str().map(Box::<str>::from);
    let orig = value.get("orig").ok_or(malformed)?;
    let orig = match (
        orig.get("tn").and_then(text),
        orig.get("uri").and_then(text),
    ) {
        (Some(number), None) => Party::Number(number),
        (None, Some(uri)) => Party::Uri(uri),
        _ => return Err(malformed),
    };
    let mut dest = Vec::new();
    for (name, party) in [
        ("tn", Party::Number as fn(Box<str>) -> Party),
        ("uri", Party::Uri),
    ] {
        let Some(list) = value.get("dest").and_then(|dest| dest.get(name)) else {
            continue;
        };
        for one in list.as_array().ok_or(malformed)? {
            dest.push(party(text(one).ok_or(malformed)?));
        }
    }
    if dest.is_empty() {
        return Err(malformed);
    }
    // RFC 7519 §2: a number; the example of RFC 8225 §7.1 has a string, which is read nowhere.
    let iat = value.get("iat").and_then(Value::as_u64).ok_or(malformed)?;
    let mut claims = Claims::new(orig, dest, iat);
    claims.attest = value
        .get("attest")
        .and_then(Value::as_str)
        .and_then(|text| text.chars().next());
    claims.origid = value.get("origid").and_then(text);
    let known = ["orig", "dest", "iat", "attest", "origid"];
    claims.others = members
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str().into(), canonical(value).into()))
        .collect();
    claims.others.sort();
    Ok(claims)
}

/// JSON with the keys of every object in lexicographic order and no white space (RFC 8225 §9). The depth of a value is
/// bounded by the parser.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by(|one, other| one.0.cmp(other.0));
            let members: Vec<String> = members
                .into_iter()
                .map(|(name, value)| format!("{}:{}", quoted(name), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(canonical).collect();
            format!("[{}]", list.join(","))
        }
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
pub(crate) mod tests;
