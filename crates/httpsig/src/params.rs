//! What the sender says about the signature: the fields `signature-input` and `signature`.

use http::HeaderMap;
use sfv::BareItemFromInput;

use crate::sf::{self, Member, Value};
use crate::{Component, Refusal};

/// No vendor client covers more than fifteen; the limit keeps the search for duplicates cheap.
const MOST_COMPONENTS: usize = 100;
/// `;key` and `@query-param` read a whole field or query for each component, so that a few large fields would
/// buy a stranger much work.
const MOST_WITH_PARAMETERS: usize = 16;

/// A parsed signature of which nothing has been verified yet.
///
/// Rules: RFC 9421 sections 2, 2.3, 4.1 and 4.2, on structured fields of RFC 8941.
#[derive(Debug, Clone, PartialEq)]
pub struct Presented {
    label: String,
    /// Everything behind `label=`, as received: the value of the line `@signature-params`.
    pub(crate) text: String,
    pub(crate) components: Vec<Component>,
    parameters: Known,
    signature: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Known {
    key_id: Option<String>,
    nonce: Option<String>,
    alg: Option<String>,
    tag: Option<String>,
    created: Option<i64>,
    expires: Option<i64>,
}

impl Presented {
    /// Reads the two fields. Among several signatures `sig1` is taken, or the only one there is.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field, label, component or parameter at fault.
    pub fn parse(headers: &HeaderMap) -> Result<Presented, Refusal> {
        const INPUT: &str = "signature-input";
        const SIGNATURE: &str = "signature";
        let input = text(headers, INPUT)?.ok_or(Refusal::MissingSignatureInput)?;
        let signature = text(headers, SIGNATURE)?.ok_or(Refusal::MissingSignature)?;
        let members = members(INPUT, &input)?;
        let at = choose(&members)?;
        let label = members[at].key;
        let signatures = self::members(SIGNATURE, &signature)?;
        let found = signatures
            .into_iter()
            .find(|member| member.key == label)
            .ok_or_else(|| Refusal::LabelMissing { label: label.to_owned() })?;
        let Value::Item(BareItemFromInput::ByteSequence(bytes)) = found.value else {
            return Err(unparsable(SIGNATURE, &format!("`{label}` is not a byte sequence `:base64:`")));
        };
        let texts = sf::member_texts(&input);
        if texts.len() != members.len() {
            return Err(unparsable(INPUT, "its members cannot be told apart"));
        }
        let member = members.into_iter().nth(at).ok_or(Refusal::MissingSignatureInput)?;
        Presented::from_member(member, texts[at], bytes)
    }

    /// The same reading for a signature that is about to be made.
    pub(crate) fn unsigned(field: &str) -> Result<Presented, Refusal> {
        const INPUT: &str = "signature-input";
        let member = members(INPUT, field)?.pop().ok_or(Refusal::MissingSignatureInput)?;
        let text = sf::member_texts(field).pop().unwrap_or_default();
        Presented::from_member(member, text, Vec::new())
    }

    fn from_member(member: Member<'_>, text: &str, signature: Vec<u8>) -> Result<Presented, Refusal> {
        let Value::InnerList(items) = member.value else {
            return Err(unparsable(
                "signature-input",
                &format!("`{}` is not a list in parentheses", member.key),
            ));
        };
        let with_parameters = items.iter().filter(|(_, parameters)| !parameters.is_empty()).count();
        for (count, most, what) in [
            (items.len(), MOST_COMPONENTS, "components"),
            (with_parameters, MOST_WITH_PARAMETERS, "components with parameters"),
        ] {
            if count > most {
                return Err(Refusal::TooManyComponents { count, most, what });
            }
        }
        let components = items
            .iter()
            .map(|(bare, parameters)| Component::parse(bare, parameters))
            .collect::<Result<Vec<_>, _>>()?;
        for (at, component) in components.iter().enumerate() {
            if components[..at].contains(component) {
                return Err(Refusal::DuplicateComponent { component: component.to_string() });
            }
        }
        if let Some(parameter) = sf::repeated(&member.parameters, |(key, _)| key) {
            return Err(Refusal::DuplicateParameter { parameter: parameter.to_owned() });
        }
        let mut parameters = Known::default();
        for (key, value) in &member.parameters {
            parameters.take(key, value)?;
        }
        Ok(Presented {
            label: member.key.to_owned(),
            text: text.to_owned(),
            components,
            parameters,
            signature,
        })
    }

    /// The dictionary key under which both fields carry this signature, `sig1` in every vendor client.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// `keyid`: which key is claimed to have signed.
    pub fn key_id(&self) -> Option<&str> {
        self.parameters.key_id.as_deref()
    }

    /// [`Presented::key_id`], or the refusal for want of one.
    pub fn require_key_id(&self) -> Result<&str, Refusal> {
        self.key_id().ok_or(Refusal::MissingKeyId)
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

impl Known {
    fn take(&mut self, key: &str, value: &BareItemFromInput<'_>) -> Result<(), Refusal> {
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

fn integer(parameter: &'static str, value: &BareItemFromInput<'_>) -> Result<i64, Refusal> {
    let expected = "a whole number of seconds since 1970 without quotes";
    value.as_integer().map(i64::from).ok_or(Refusal::ParameterType { parameter, expected })
}

fn string(parameter: &'static str, value: &BareItemFromInput<'_>) -> Result<String, Refusal> {
    let text = value.as_string().map(|text| text.as_str().to_owned());
    text.ok_or(Refusal::ParameterType { parameter, expected: "a string in double quotes" })
}

fn text(headers: &HeaderMap, header: &str) -> Result<Option<String>, Refusal> {
    let not_ascii = |_| unparsable(header, "it contains characters that are not visible ASCII");
    sf::joined(headers, header).transpose().map_err(not_ascii)
}

fn members<'a>(header: &'static str, text: &'a str) -> Result<Vec<Member<'a>>, Refusal> {
    let members = sf::dictionary(text).map_err(|error| unparsable(header, &error.to_string()))?;
    match sf::repeated(&members, |member| member.key) {
        Some(label) => Err(Refusal::DuplicateLabel { header, label: label.to_owned() }),
        None => Ok(members),
    }
}

fn choose(members: &[Member<'_>]) -> Result<usize, Refusal> {
    match (members.iter().position(|member| member.key == "sig1"), members.len()) {
        (Some(at), _) => Ok(at),
        (None, 0) => Err(unparsable("signature-input", "it is empty")),
        (None, 1) => Ok(0),
        (None, _) => {
            let labels = members.iter().map(|member| member.key).collect::<Vec<_>>().join(", ");
            Err(Refusal::SeveralSignatures { labels })
        }
    }
}

pub(crate) fn unparsable(header: &str, reason: &str) -> Refusal {
    Refusal::Unparsable { header: header.to_owned(), reason: reason.to_owned() }
}
