//! What the sender says about the signature: the fields `signature-input` and `signature`.

use http::HeaderMap;
use sfv::BareItemFromInput;

use crate::sf::{self, BareItem, DictionaryMember};
use crate::{Component, VerifyError};

const INPUT: &str = "signature-input";

/// No vendor client covers more than fifteen; the limit keeps the search for duplicates cheap.
const MOST_COMPONENTS: usize = 100;
/// `;key` and `@query-param` read a whole field or query for each component, so that a few large fields would
/// buy a stranger much work.
const MOST_WITH_PARAMETERS: usize = 16;
/// Signatures of one message that are looked at. A message that passes gateways collects one or two.
const MOST_SIGNATURES: usize = 16;

/// A parsed signature of which nothing has been verified yet.
///
/// Rules: RFC 9421 sections 2, 2.3, 4.1 and 4.2, on structured fields of RFC 8941.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedSignature {
    label: String,
    /// Everything behind `label=`, as received: the value of the line `@signature-params`.
    text: String,
    /// The same in the one spacing that RFC 9421 section 2.3 allows, where that is another text.
    canonical: Option<String>,
    pub(crate) components: Vec<Component>,
    parameters: KnownParameters,
    signature: Vec<u8>,
}

/// Which text of `signature-input` was signed, where it was sent in another spacing than its canonical one.
///
/// RFC 9421 section 2.3 has the canonical one signed; clients that build the field by hand sign what they send. They
/// differ in blanks alone, so either may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamsText {
    /// As received.
    Received,
    /// Spaced as a strict serialisation (RFC 8941 section 4.1).
    Canonical,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct KnownParameters {
    key_id: Option<String>,
    nonce: Option<String>,
    alg: Option<String>,
    tag: Option<String>,
    created: Option<i64>,
    expires: Option<i64>,
}

impl ReceivedSignature {
    /// Reads the two fields. Among several signatures `sig1` is taken, or else the first that can be read.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field, label, component or parameter at fault.
    pub fn parse(headers: &HeaderMap) -> Result<ReceivedSignature, VerifyError> {
        ReceivedSignature::choose(headers, |_| true)
    }

    /// Reads the two fields and chooses among several signatures the one that `counts`, mostly by its key id:
    /// `sig1` if it is among them, else the first. Others may be for another verifier (RFC 9421 section 7.2.5)
    /// and are ignored, even those that cannot be read. If none counts, the first that can be read is the answer.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field, label, component or parameter at fault.
    pub fn choose(
        headers: &HeaderMap,
        counts: impl Fn(&ReceivedSignature) -> bool,
    ) -> Result<ReceivedSignature, VerifyError> {
        const SIGNATURE: &str = "signature";
        let input = text(headers, INPUT)?.ok_or(VerifyError::MissingSignatureInput)?;
        let signature = text(headers, SIGNATURE)?.ok_or(VerifyError::MissingSignature)?;
        let respaced = sf::respaced(&input);
        let (members, mut signatures) = (members(INPUT, &respaced)?, self::members(SIGNATURE, &signature)?);
        let (texts, canonical) = (sf::member_texts(&input), sf::member_texts(&respaced));
        if texts.len() != members.len() || canonical.len() != members.len() {
            return Err(unparsable(INPUT, "its members cannot be told apart"));
        }
        if members.len() > MOST_SIGNATURES {
            return Err(VerifyError::TooManySignatures { count: members.len(), most: MOST_SIGNATURES });
        }
        let mut candidates: Vec<_> = members.into_iter().zip(texts.into_iter().zip(canonical)).collect();
        // Stable, so that the others stay in the order of the field.
        candidates.sort_by_key(|(member, _)| member.key != "sig1");
        let mut other = Err(unparsable(INPUT, "it is empty"));
        for (at, (member, texts)) in candidates.into_iter().enumerate() {
            let found = signature_of(member.key, &mut signatures)
                .and_then(|bytes| ReceivedSignature::from_member(member, texts, bytes));
            match found {
                Ok(presented) if counts(&presented) => return Ok(presented),
                found if at == 0 || (found.is_ok() && other.is_err()) => other = found,
                _ => {}
            }
        }
        other
    }

    /// The same reading for a signature that is about to be made.
    pub(crate) fn unsigned(field: &str) -> Result<ReceivedSignature, VerifyError> {
        let member = members(INPUT, field)?.pop().ok_or(VerifyError::MissingSignatureInput)?;
        let text = sf::member_texts(field).pop().unwrap_or_default();
        ReceivedSignature::from_member(member, (text, text), Vec::new())
    }

    fn from_member(
        member: DictionaryMember<'_>,
        texts: (&str, &str),
        signature: Vec<u8>,
    ) -> Result<ReceivedSignature, VerifyError> {
        let BareItem::InnerList(items) = member.value else {
            return Err(unparsable(INPUT, &format!("`{}` is not a list in parentheses", member.key)));
        };
        let with_parameters = items.iter().filter(|(_, parameters)| !parameters.is_empty()).count();
        for (count, most, what) in [
            (items.len(), MOST_COMPONENTS, "components"),
            (with_parameters, MOST_WITH_PARAMETERS, "components with parameters"),
        ] {
            if count > most {
                return Err(VerifyError::TooManyComponents { count, most, what });
            }
        }
        let components = items
            .iter()
            .map(|(bare, parameters)| Component::parse(bare, parameters))
            .collect::<Result<Vec<_>, _>>()?;
        for (at, component) in components.iter().enumerate() {
            if components[..at].contains(component) {
                return Err(VerifyError::DuplicateComponent { component: component.to_string() });
            }
        }
        if let Some(parameter) = sf::repeated(&member.parameters, |(key, _)| key) {
            return Err(VerifyError::DuplicateParameter { parameter: parameter.to_owned() });
        }
        let mut parameters = KnownParameters::default();
        for (key, value) in &member.parameters {
            parameters.take(key, value)?;
        }
        let (text, canonical) = texts;
        Ok(ReceivedSignature {
            label: member.key.to_owned(),
            text: text.to_owned(),
            canonical: (canonical != text).then(|| canonical.to_owned()),
            components,
            parameters,
            signature,
        })
    }

    /// The dictionary key under which both fields carry this signature, `sig1` in every vendor client.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether the member of `signature-input` was sent in the spacing of its strict serialisation (RFC 8941 section
    /// 4.1), so that both readings of [`ParamsText`] are one.
    pub fn is_canonical(&self) -> bool {
        self.canonical.is_none()
    }

    pub(crate) fn params(&self, text: ParamsText) -> &str {
        match (text, &self.canonical) {
            (ParamsText::Canonical, Some(canonical)) => canonical,
            _ => &self.text,
        }
    }

    /// `keyid`: which key is claimed to have signed.
    pub fn key_id(&self) -> Option<&str> {
        self.parameters.key_id.as_deref()
    }

    /// [`Presented::key_id`], or the refusal for want of one.
    pub fn require_key_id(&self) -> Result<&str, VerifyError> {
        self.key_id().ok_or(VerifyError::MissingKeyId)
    }

    /// `nonce`: unique per key while the signature is valid.
    pub fn nonce(&self) -> Option<&str> {
        self.parameters.nonce.as_deref()
    }

    /// `created` in seconds since 1970.
    pub fn created(&self) -> Option<i64> {
        self.parameters.created
    }

    /// `expires` in seconds since 1970.
    pub fn expires(&self) -> Option<i64> {
        self.parameters.expires
    }

    /// `alg`: the algorithm the sender claims, see [`crate::PublicKey::check_alg`].
    pub fn alg(&self) -> Option<&str> {
        self.parameters.alg.as_deref()
    }

    /// `tag`: what the application calls this kind of signature.
    pub fn tag(&self) -> Option<&str> {
        self.parameters.tag.as_deref()
    }

    /// Whether the component of that name is covered, without any component parameters.
    pub fn covers(&self, name: &str) -> bool {
        self.components.iter().any(|component| component.name() == name && component.is_plain())
    }

    /// Whether the whole value of the component is bound: plainly, or with `;sf` or `;bs`, but not one `;key`
    /// of it.
    pub fn binds(&self, name: &str) -> bool {
        self.components.iter().any(|component| component.name() == name && component.is_whole())
    }

    /// The names of the covered components in their order, without their parameters.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.components.iter().map(Component::name)
    }

    /// The bytes of the signature, undecoded beyond base64.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

impl KnownParameters {
    fn take(&mut self, key: &str, value: &BareItemFromInput<'_>) -> Result<(), VerifyError> {
        match key {
            "created" => self.created = Some(integer("created", value)?),
            "expires" => self.expires = Some(integer("expires", value)?),
            "keyid" => self.key_id = Some(string("keyid", value)?),
            "nonce" => self.nonce = Some(string("nonce", value)?),
            "alg" => self.alg = Some(string("alg", value)?),
            "tag" => self.tag = Some(string("tag", value)?),
            // RFC 9421 section 2.3 leaves the list open; what is unknown is signed like the rest and has no
            // effect.
            _ => {}
        }
        Ok(())
    }
}

fn integer(parameter: &'static str, value: &BareItemFromInput<'_>) -> Result<i64, VerifyError> {
    let expected = "a whole number of seconds since 1970 without quotes";
    value.as_integer().map(i64::from).ok_or(VerifyError::ParameterType { parameter, expected })
}

fn string(parameter: &'static str, value: &BareItemFromInput<'_>) -> Result<String, VerifyError> {
    let text = value.as_string().map(|text| text.as_str().to_owned());
    text.ok_or(VerifyError::ParameterType { parameter, expected: "a string in double quotes" })
}

fn text(headers: &HeaderMap, header: &str) -> Result<Option<String>, VerifyError> {
    let not_ascii = |_| unparsable(header, "it contains characters that are not visible ASCII");
    sf::joined(headers, header).transpose().map_err(not_ascii)
}

fn members<'a>(header: &'static str, text: &'a str) -> Result<Vec<DictionaryMember<'a>>, VerifyError> {
    let members = sf::dictionary(text).map_err(|error| unparsable(header, &error.to_string()))?;
    match sf::repeated(&members, |member| member.key) {
        Some(label) => Err(VerifyError::DuplicateLabel { header, label: label.to_owned() }),
        None => Ok(members),
    }
}

/// Takes the bytes of the signature with this label out of the members of the field `signature`.
fn signature_of(label: &str, signatures: &mut Vec<DictionaryMember<'_>>) -> Result<Vec<u8>, VerifyError> {
    let at = signatures.iter().position(|member| member.key == label);
    let at = at.ok_or_else(|| VerifyError::LabelMissing { label: label.to_owned() })?;
    match signatures.swap_remove(at).value {
        BareItem::Item(BareItemFromInput::ByteSequence(bytes)) => Ok(bytes),
        _ => Err(unparsable("signature", &format!("`{label}` is not a byte sequence `:base64:`"))),
    }
}

pub(crate) fn unparsable(header: &str, reason: &str) -> VerifyError {
    VerifyError::Unparsable { header: header.to_owned(), reason: reason.to_owned() }
}
