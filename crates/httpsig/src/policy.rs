//! The verification policy: components that a signature must cover, and its time of validity.

use crate::{
    ComponentReader, Message, ParamsText, PublicKey, ReceivedSignature, VerifyError, Version, digest,
};

/// The part of the verification that needs no curve arithmetic. It is cheap, so apply it before [`PublicKey::verify`].
///
/// The defaults are those of the Investord server: 30 s of clock skew, 300 s of lifetime, 5 s of grace, not strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Maximum number of seconds by which `created` may lie in the future.
    pub max_ahead_seconds: i64,
    /// Maximum number of seconds between `created` and `expires`; without `expires`, the greatest age of `created`.
    pub max_lifetime_seconds: i64,
    /// Number of seconds after `expires` in which the signature is still accepted.
    pub expiry_grace_seconds: i64,
    /// Whether a nonce, a key id and the coverage of more components are demanded: of all components in Upvest's
    /// documentation, and of the headers that decide on the action.
    pub strict: bool,
    /// Whether, with [`Policy::strict`], a request must also be bound to its host by `@authority` or `@target-uri`.
    pub authority: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            max_ahead_seconds: 30,
            max_lifetime_seconds: 300,
            expiry_grace_seconds: 5,
            strict: false,
            authority: false,
        }
    }
}

impl Policy {
    /// Runs [`Policy::check_time`], [`Policy::check_coverage`] and [`Policy::check_digest`].
    ///
    /// # Errors
    /// Fails with the first error in that order.
    pub fn check(
        &self,
        presented: &ReceivedSignature,
        message: &Message<'_>,
        version: Version,
        now_unix_seconds: i64,
    ) -> Result<(), VerifyError> {
        self.check_time(presented, now_unix_seconds)?;
        self.check_coverage(presented, message, version)?;
        self.check_digest(presented, message, version)
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
    /// `authorization` when it is sent; the digest when there is a body. `@target-uri` and `@request-target` replace
    /// path and query. A response must cover `@status` instead of the request's components.
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
        version: Version,
    ) -> Result<(), VerifyError> {
        let demand = |component: &'static str| {
            if presented.binds(component) { Ok(()) } else { Err(VerifyError::NotCovered { component }) }
        };
        let sent = |component: &'static str| {
            if message.headers.contains_key(component) { demand(component) } else { Ok(()) }
        };
        if message.status.is_some() {
            demand("@status")?;
        } else {
            let target = presented.binds("@target-uri") || presented.binds("@request-target");
            demand("@method")?;
            if !target {
                demand("@path")?;
            }
            if !target && message.query.is_some_and(|query| !query.is_empty()) {
                demand("@query")?;
            }
            sent("authorization")?;
        }
        let body = has_body(message);
        if body {
            covered_digests(presented, message, version)?;
        }
        if self.strict {
            presented.require_key_id()?;
            presented.nonce().ok_or(VerifyError::MissingNonce)?;
            if message.status.is_none() {
                demand("accept")?;
                demand("upvest-client-id")?;
                sent("idempotency-key")?;
                sent("upvest-api-version")?;
                if self.authority && !presented.binds("@target-uri") {
                    demand("@authority")?;
                }
            }
            if body {
                demand("content-type")?;
                demand("content-length")?;
            }
        }
        Ok(())
    }

    /// Recomputes every covered digest from the body, also from an empty one. A body needs a covered digest.
    ///
    /// # Errors
    /// Fails if the digest is missing, not covered, without a known algorithm, or not that of the body.
    pub fn check_digest(
        &self,
        presented: &ReceivedSignature,
        message: &Message<'_>,
        version: Version,
    ) -> Result<(), VerifyError> {
        if !message.body.is_empty() {
            covered_digests(presented, message, version)?;
        }
        for field in ["content-digest", "digest"] {
            // A covered digest on which the version does not rely is still a promise of the signer.
            if presented.components().any(|name| name == field) {
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

/// Verifies a signature with one version, for a key that has been looked up: policy, algorithm, signature base, curve.
/// `now` is in seconds since 1970.
///
/// # Errors
/// Fails with the first error in that order.
pub fn verify(
    message: &Message<'_>,
    presented: &ReceivedSignature,
    key: &PublicKey,
    version: Version,
    policy: &Policy,
    now: i64,
) -> Result<(), VerifyError> {
    policy.check(presented, message, version, now)?;
    key.check_alg(presented.alg())?;
    let holds = |params| {
        let reading = ComponentReader { params, ..ComponentReader::standard(message) };
        let base = presented.base(message, version, &reading)?;
        key.verify(base.as_bytes(), presented.signature()).map(|_| ())
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

/// Checks that at least one digest field of the version is covered.
fn covered_digests(
    presented: &ReceivedSignature,
    message: &Message<'_>,
    version: Version,
) -> Result<(), VerifyError> {
    let fields = version.profile().digest_fields;
    if fields.iter().any(|field| presented.binds(field)) {
        return Ok(());
    }
    match fields.iter().find(|field| message.headers.contains_key(**field)) {
        Some(header) => Err(VerifyError::DigestNotCovered { header }),
        None => Err(VerifyError::DigestMissing { header: fields[0] }),
    }
}
