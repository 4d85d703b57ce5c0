//! Versions of HTTP message signatures in the API: their profiles, covered components, and demands of strict tenants.
//!
//! The library knows RFC 9421; in what the vendor's API differs from it is data here (decision W27).

use http_message_signatures::{DigestField, EcdsaFormat, Message, Policy, Profile, RequiredComponent};
use serde::{Deserialize, Serialize};

/// The version of HTTP message signatures of a request (decision W1), or of a delivery (decision H5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureVersion {
    /// draft-ietf-httpbis-message-signatures-06, with the unquoted names that the vendor writes into the signature
    /// base.
    #[default]
    #[serde(rename = "draft-6")]
    Draft6,
    /// draft-ietf-httpbis-message-signatures-15 in the vendor's profile: ECDSA in DER over SHA-512.
    #[serde(rename = "draft-15")]
    Draft15,
    /// RFC 9421. DER is accepted, too, because a request cannot say that it follows the RFC instead of draft 15.
    #[serde(rename = "rfc9421")]
    Rfc9421,
}

/// Draft 15 in the vendor's profile. `@query-param` stands decoded (its section 2.2.8).
const DRAFT_15: Profile =
    Profile::RFC_9421.with_ecdsa(EcdsaFormat::Der).with_decoded_query_params().with_query_params_name();
/// Draft 6 in the vendor's profile.
const DRAFT_6: Profile =
    DRAFT_15.with_unquoted_names().with_digest_fields(DigestField::Digest, &[DigestField::ContentDigest]);
/// RFC 9421, and DER of clients that follow draft 15 otherwise.
const RFC_9421: Profile = Profile::RFC_9421.with_ecdsa(EcdsaFormat::RawOrDer).with_query_params_name();

/// Maximum lifetime of a signature in seconds for tenants with strict signatures (decision W21).
const STRICT_LIFETIME: i64 = 60;
/// What strict signatures cover: the components that the vendor documents, and the headers that decide on the action.
const STRICT: [RequiredComponent<'static>; 6] = [
    RequiredComponent::always("accept"),
    RequiredComponent::always("upvest-client-id"),
    RequiredComponent::when_sent("idempotency-key"),
    RequiredComponent::when_sent("upvest-api-version"),
    RequiredComponent::with_body("content-type"),
    RequiredComponent::with_body("content-length"),
];
/// The same, and the host.
const STRICT_WITH_HOST: [RequiredComponent<'static>; 7] = [
    RequiredComponent::always("accept"),
    RequiredComponent::always("upvest-client-id"),
    RequiredComponent::when_sent("idempotency-key"),
    RequiredComponent::when_sent("upvest-api-version"),
    RequiredComponent::always("@authority"),
    RequiredComponent::with_body("content-type"),
    RequiredComponent::with_body("content-length"),
];

impl SignatureVersion {
    /// Returns the profile of this version.
    pub const fn profile(self) -> &'static Profile {
        match self {
            Self::Draft6 => &DRAFT_6,
            Self::Draft15 => &DRAFT_15,
            Self::Rfc9421 => &RFC_9421,
        }
    }

    /// Returns the name for people, in problem documents and in the terminal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draft6 => "draft 6",
            Self::Draft15 => "draft 15",
            Self::Rfc9421 => "RFC 9421",
        }
    }

    /// Returns whether this version needs no mention in the configuration of a webhook.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the components that the vendor documents for this message, as far as they are there, plus
    /// `upvest-api-version` and `date` after draft 6.
    pub fn documented_components(self, message: &Message<'_>) -> Vec<&'static str> {
        const FIELDS: [&str; 10] = [
            "accept", "authorization", "content-length", "content-type", "content-digest", "digest",
            "idempotency-key", "upvest-client-id", "upvest-api-version", "date",
        ];
        let mut components = match (message.status, message.query) {
            (Some(_), _) => vec!["@status"],
            (None, None) => vec!["@method", "@path"],
            (None, Some(_)) => vec!["@method", "@path", "@query"],
        };
        let mut digests = self.profile().digest_fields().map(DigestField::name);
        let digest = digests.find(|field| message.headers.contains_key(*field));
        components.extend(FIELDS.into_iter().filter(|&field| match field {
            "content-digest" | "digest" => digest == Some(field),
            "upvest-api-version" | "date" if self == Self::Draft6 => false,
            _ => message.headers.contains_key(field),
        }));
        components
    }
}

/// Returns the policy for the signatures of a strict tenant (decision W21). `knows_host` tells whether the server knows
/// its own host, so that a request can be bound to it.
pub fn strict_policy(knows_host: bool) -> Policy<'static> {
    let components: &[_] = if knows_host { &STRICT_WITH_HOST } else { &STRICT };
    Policy::default()
        .with_max_lifetime_seconds(STRICT_LIFETIME)
        .with_required_key_id()
        .with_required_nonce()
        .with_request_components(components)
}
