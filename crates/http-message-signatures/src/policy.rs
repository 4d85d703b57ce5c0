//! The verification policy: components that a signature must cover, and its time of validity.

use crate::{
    ComponentReader, DigestField, Message, ParamsText, Profile, PublicKey, ReceivedSignature, VerifyError,
    digest,
};

/// The part of the verification that needs no curve arithmetic. It is cheap, so apply it before [`PublicKey::verify`].
///
/// By default a signature may be created up to 30 s ahead of the verifier's clock and live 300 s, with 5 s of grace;
/// it must cover what [`Policy::check_coverage`] names, and needs neither a key id nor a nonce. A policy can demand
/// more:
///
/// ```
/// use http_message_signatures::{Policy, RequiredComponent};
///
/// let required = [RequiredComponent::always("@authority"), RequiredComponent::when_sent("idempotency-key")];
/// let policy = Policy::default().with_request_components(&required).with_required_nonce();
/// assert_eq!((policy.requires_nonce, policy.max_lifetime_seconds), (true, 300));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy<'a> {
    /// Maximum number of seconds by which `created` may lie in the future.
    pub max_ahead_seconds: i64,
    /// Maximum number of seconds between `created` and `expires`; without `expires`, the greatest age of `created`.
    pub max_lifetime_seconds: i64,
    /// Number of seconds after `expires` in which the signature is still accepted.
    pub expiry_grace_seconds: i64,
    /// Whether `keyid` is demanded.
    pub requires_key_id: bool,
    /// Whether `nonce` is demanded.
    pub requires_nonce: bool,
    /// Components that the signature of a request must cover, in the order in which they are checked, beyond those of
    /// every request.
    pub request_components: &'a [RequiredComponent<'a>],
    /// Components that the signature of a response must cover, as for a request.
    pub response_components: &'a [RequiredComponent<'a>],
}

/// A component that a signature must cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequiredComponent<'a> {
    /// Name of the component in lower case: `@authority`, `content-type`.
    pub name: &'a str,
    /// The messages to which the demand applies.
    pub when: RequiredWhen,
}

/// The messages to which a demand for a component applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequiredWhen {
    /// Every message.
    Always,
    /// A message that has the field. `@query` counts as sent when the query is not empty, another derived component
    /// always.
    Sent,
    /// A message with a body, or one that announces a body by `content-length`.
    Body,
}

impl<'a> RequiredComponent<'a> {
    /// Demands the component in every message.
    pub const fn always(name: &'a str) -> RequiredComponent<'a> {
        RequiredComponent { name, when: RequiredWhen::Always }
    }

    /// Demands the component when it is sent; see [`RequiredWhen::Sent`].
    pub const fn when_sent(name: &'a str) -> RequiredComponent<'a> {
        RequiredComponent { name, when: RequiredWhen::Sent }
    }

    /// Demands the component of a message with a body.
    pub const fn with_body(name: &'a str) -> RequiredComponent<'a> {
        RequiredComponent { name, when: RequiredWhen::Body }
    }

    /// Checks that the component is covered, if the demand applies to the message. `@target-uri` covers its parts, and
    /// `@request-target` path and query (RFC 9421 sections 2.2.2 and 2.2.5).
    fn check(
        &self,
        presented: &ReceivedSignature,
        message: &Message<'_>,
        body: bool,
    ) -> Result<(), VerifyError> {
        let applies = match (self.when, self.name) {
            (RequiredWhen::Always, _) => true,
            (RequiredWhen::Sent, "@query") => message.query.is_some_and(|query| !query.is_empty()),
            (RequiredWhen::Sent, name) => name.starts_with('@') || message.headers.contains_key(name),
            (RequiredWhen::Body, _) => body,
        };
        let wider: &[&str] = match self.name {
            "@path" | "@query" => &["@target-uri", "@request-target"],
            "@authority" | "@scheme" => &["@target-uri"],
            _ => &[],
        };
        if !applies || std::iter::once(&self.name).chain(wider).any(|name| presented.covers_whole(name)) {
            Ok(())
        } else {
            Err(VerifyError::NotCovered { component: self.name.to_owned() })
        }
    }
}

/// The components that the signature of every request must cover, besides the digest of the body.
const EVERY_REQUEST: &[RequiredComponent<'static>] = &[
    RequiredComponent::always("@method"),
    RequiredComponent::always("@path"),
    RequiredComponent::when_sent("@query"),
    RequiredComponent::when_sent("authorization"),
];
/// The components that the signature of every response must cover, besides the digest of the body.
const EVERY_RESPONSE: &[RequiredComponent<'static>] = &[RequiredComponent::always("@status")];

impl Default for Policy<'_> {
    fn default() -> Self {
        Policy {
            max_ahead_seconds: 30,
            max_lifetime_seconds: 300,
            expiry_grace_seconds: 5,
            requires_key_id: false,
            requires_nonce: false,
            request_components: &[],
            response_components: &[],
        }
    }
}

impl<'a> Policy<'a> {
    /// Sets the maximum number of seconds by which `created` may lie in the future.
    #[must_use]
    pub const fn with_max_ahead_seconds(self, seconds: i64) -> Policy<'a> {
        Policy { max_ahead_seconds: seconds, ..self }
    }

    /// Sets the maximum lifetime of a signature.
    #[must_use]
    pub const fn with_max_lifetime_seconds(self, seconds: i64) -> Policy<'a> {
        Policy { max_lifetime_seconds: seconds, ..self }
    }

    /// Sets the number of seconds after `expires` in which a signature is still accepted.
    #[must_use]
    pub const fn with_expiry_grace_seconds(self, seconds: i64) -> Policy<'a> {
        Policy { expiry_grace_seconds: seconds, ..self }
    }

    /// Demands a key id.
    #[must_use]
    pub const fn with_required_key_id(self) -> Policy<'a> {
        Policy { requires_key_id: true, ..self }
    }

    /// Demands a nonce.
    #[must_use]
    pub const fn with_required_nonce(self) -> Policy<'a> {
        Policy { requires_nonce: true, ..self }
    }

    /// Sets the components that the signature of a request must cover beyond those of every request.
    #[must_use]
    pub const fn with_request_components(self, components: &'a [RequiredComponent<'a>]) -> Policy<'a> {
        Policy { request_components: components, ..self }
    }

    /// Sets the components that the signature of a response must cover beyond those of every response.
    #[must_use]
    pub const fn with_response_components(self, components: &'a [RequiredComponent<'a>]) -> Policy<'a> {
        Policy { response_components: components, ..self }
    }

    /// Runs [`Policy::check_time`], [`Policy::check_coverage`] and [`Policy::check_digest`].
    ///
    /// # Errors
    /// Fails with the first error in that order.
    pub fn check(
        &self,
        presented: &ReceivedSignature,
        message: &Message<'_>,
        profile: &Profile,
        now_unix_seconds: i64,
    ) -> Result<(), VerifyError> {
        self.check_time(presented, now_unix_seconds)?;
        self.check_coverage(presented, message, profile)?;
        self.check_digest(presented, message, profile)
    }

    /// Compares `created` and `expires` (RFC 9421 section 2.3) with the clock, in seconds since 1970.
    ///
    /// # Errors
    /// Fails with the wrong one of the two, and the number of seconds.
    pub fn check_time(&self, presented: &ReceivedSignature, now: i64) -> Result<(), VerifyError> {
        let created = presented.created().ok_or(VerifyError::MissingCreated)?;
        let ahead = created.saturating_sub(now);
        if ahead > self.max_ahead_seconds {
            return Err(VerifyError::CreatedInFuture { seconds: ahead, most: self.max_ahead_seconds });
        }
        let Some(expires) = presented.expires() else {
            let age = now.saturating_sub(created);
            return if age > self.max_lifetime_seconds {
                Err(VerifyError::TooOld { seconds: age, most: self.max_lifetime_seconds })
            } else {
                Ok(())
            };
        };
        let lifetime = expires.saturating_sub(created);
        if lifetime < 0 {
            return Err(VerifyError::ExpiresBeforeCreated);
        }
        if lifetime > self.max_lifetime_seconds {
            return Err(VerifyError::LifetimeTooLong { seconds: lifetime, most: self.max_lifetime_seconds });
        }
        let late = now.saturating_sub(expires);
        if late > self.expiry_grace_seconds {
            return Err(VerifyError::Expired { seconds: late, most: self.expiry_grace_seconds });
        }
        Ok(())
    }

    /// Checks the coverage of all components that must be covered: `@method`; `@path`; `@query` when there is a query;
    /// `authorization` when it is sent; the digest when there is a body; then key id, nonce and components that this
    /// policy demands. `@target-uri` and `@request-target` replace path and query. A response must cover `@status`
    /// instead of the request's components.
    ///
    /// A body counts as present when it is not empty, or when `content-length` announces one that has not been read
    /// yet.
    ///
    /// # Errors
    /// Fails with the first component that is not covered.
    pub fn check_coverage(
        &self,
        presented: &ReceivedSignature,
        message: &Message<'_>,
        profile: &Profile,
    ) -> Result<(), VerifyError> {
        let (every, further) = match message.status {
            None => (EVERY_REQUEST, self.request_components),
            Some(_) => (EVERY_RESPONSE, self.response_components),
        };
        let body = has_body(message);
        every.iter().try_for_each(|component| component.check(presented, message, body))?;
        if body {
            covered_digests(presented, message, profile)?;
        }
        if self.requires_key_id {
            presented.require_key_id()?;
        }
        if self.requires_nonce {
            presented.nonce().ok_or(VerifyError::MissingNonce)?;
        }
        further.iter().try_for_each(|component| component.check(presented, message, body))
    }

    /// Recomputes every covered digest from the body, also from an empty one. A body needs a covered digest.
    ///
    /// # Errors
    /// Fails if the digest is missing, not covered, without a known algorithm, or not that of the body.
    pub fn check_digest(
        &self,
        presented: &ReceivedSignature,
        message: &Message<'_>,
        profile: &Profile,
    ) -> Result<(), VerifyError> {
        if !message.body.is_empty() {
            covered_digests(presented, message, profile)?;
        }
        for field in DigestField::ALL {
            // A covered digest on which the profile does not rely is still a promise of the signer.
            if presented.components().any(|name| name == field.name()) {
                digest::check(message.headers, field, message.body)?;
            }
        }
        Ok(())
    }

    /// Returns the last second, since 1970, at which this signature can be accepted: until then a replay memory must
    /// keep it. Returns `i64::MIN` without `created` and `expires`, as such a signature is never accepted.
    pub fn valid_until(&self, presented: &ReceivedSignature) -> i64 {
        match (presented.expires(), presented.created()) {
            (Some(expires), _) => expires.saturating_add(self.expiry_grace_seconds),
            (None, Some(created)) => created.saturating_add(self.max_lifetime_seconds),
            (None, None) => i64::MIN,
        }
    }
}

/// Verifies a signature with one profile, for a key that has been looked up: policy, algorithm, signature base, curve.
/// `now` is in seconds since 1970.
///
/// # Errors
/// Fails with the first error in that order.
pub fn verify(
    message: &Message<'_>,
    presented: &ReceivedSignature,
    key: &PublicKey,
    profile: &Profile,
    policy: &Policy<'_>,
    now: i64,
) -> Result<(), VerifyError> {
    policy.check(presented, message, profile, now)?;
    key.check_alg(presented.alg(), profile)?;
    let holds = |params| {
        let reading = ComponentReader::standard(message).with_params(params);
        let base = presented.base(message, profile, &reading)?;
        key.verify(base.as_bytes(), presented.signature(), profile).map(|_| ())
    };
    // Either spacing of the parameters may be the signed one; see `ParamsText`.
    match holds(ParamsText::Received) {
        Err(_) if !presented.is_canonical() => holds(ParamsText::Canonical),
        outcome => outcome,
    }
}

/// Returns whether the message has a body, or announces one that has not been read yet.
fn has_body(message: &Message<'_>) -> bool {
    let announced = || {
        let length = message.headers.get(http::header::CONTENT_LENGTH);
        length.is_some_and(|value| value.as_bytes().trim_ascii().iter().any(|&digit| digit != b'0'))
    };
    !message.body.is_empty() || (message.status.is_none() && announced())
}

/// Checks that at least one digest field of the profile is covered.
fn covered_digests(
    presented: &ReceivedSignature,
    message: &Message<'_>,
    profile: &Profile,
) -> Result<(), VerifyError> {
    let names = || profile.digest_fields().map(DigestField::name);
    if names().any(|name| presented.covers_whole(name)) {
        return Ok(());
    }
    match names().find(|name| message.headers.contains_key(*name)) {
        Some(header) => Err(VerifyError::DigestNotCovered { header }),
        None => Err(VerifyError::DigestMissing { header: profile.digest_field.name() }),
    }
}
