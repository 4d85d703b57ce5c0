//! Everything a verifier can object to, in words that help the sender.

/// Why a signature is not accepted.
///
/// The text of a variant names the header, component or parameter and is meant to be sent to the client. It
/// never contains a secret: only names, numbers and limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No `signature-input` field at all.
    #[error("the header `signature-input` is missing: the request is not signed")]
    MissingSignatureInput,
    /// No `signature` field at all.
    #[error("the header `signature` is missing although `signature-input` is there")]
    MissingSignature,
    /// A field that is not what its specification says.
    #[error("the header `{header}` cannot be read: {reason}")]
    Unparsable { header: String, reason: String },
    /// More signatures than any message has reason to carry.
    #[error("`signature-input` carries {count} signatures, at most {most} are looked at")]
    TooManySignatures { count: usize, most: usize },
    /// The label of `signature-input` does not occur in `signature`.
    #[error("the header `signature` has no member `{label}`, which `signature-input` announces")]
    LabelMissing { label: String },
    /// RFC 8941 would silently take the last one; nobody should depend on that.
    #[error("the label `{label}` occurs more than once in the header `{header}`")]
    DuplicateLabel { header: &'static str, label: String },
    /// RFC 9421 section 2: each component identifier must occur only once.
    #[error("the component {component} is listed more than once")]
    DuplicateComponent { component: String },
    /// The same parameter twice behind one list.
    #[error("the signature parameter `{parameter}` occurs more than once")]
    DuplicateParameter { parameter: String },
    /// More components than any message has reason to cover.
    #[error("the signature covers {count} {what}, at most {most} are accepted")]
    TooManyComponents { count: usize, most: usize, what: &'static str },
    /// A derived component that does not exist, or not for this message.
    #[error("the component {component} is not supported here: {reason}")]
    UnsupportedComponent { component: String, reason: &'static str },
    /// A parameter of a component that does not exist, or not for this component.
    #[error("the parameter `{parameter}` of the component {component} is not supported: {reason}")]
    UnsupportedComponentParameter { component: String, parameter: String, reason: &'static str },
    /// Field names in the list are lower-case (RFC 9421 section 2.1).
    #[error("the component name {component} must be a lower-case header name")]
    ComponentName { component: String },
    /// Something is covered that did not arrive.
    #[error("the component {component} is covered by the signature but {missing}")]
    MissingComponent { component: String, missing: &'static str },
    /// A value that cannot stand in a signature base.
    #[error("the value of the component {component} cannot be signed: {reason}")]
    UnusableValue { component: String, reason: &'static str },
    /// `created="1"`, `created=@1`, `keyid=abc` and the like.
    #[error("the signature parameter `{parameter}` must be {expected}")]
    ParameterType { parameter: &'static str, expected: &'static str },
    /// No `created`.
    #[error("the signature parameter `created` is missing")]
    MissingCreated,
    /// No `keyid`.
    #[error("the signature parameter `keyid` is missing")]
    MissingKeyId,
    /// No `nonce`, where one is demanded.
    #[error("the signature parameter `nonce` is missing")]
    MissingNonce,
    /// Ahead of our clock.
    #[error("the signature was created {seconds} s in the future, at most {most} s are accepted")]
    CreatedInFuture { seconds: i64, most: i64 },
    /// Too long ago.
    #[error("the signature expired {seconds} s ago, at most {most} s are accepted")]
    Expired { seconds: i64, most: i64 },
    /// `expires` before `created`.
    #[error("the signature parameter `expires` lies before `created`")]
    ExpiresBeforeCreated,
    /// Meant to be valid for longer than anybody should keep it.
    #[error("the signature is meant to be valid for {seconds} s, at most {most} s are accepted")]
    LifetimeTooLong { seconds: i64, most: i64 },
    /// Without `expires`, the age of `created` counts.
    #[error("the signature was created {seconds} s ago and has no `expires`, at most {most} s are accepted")]
    TooOld { seconds: i64, most: i64 },
    /// Something that must be covered is not.
    #[error("the signature does not cover `{component}`")]
    NotCovered { component: &'static str },
    /// A body without a digest.
    #[error("the request has a body but no header `{header}`")]
    DigestMissing { header: &'static str },
    /// A digest that anybody could have put there.
    #[error("the request has a body but the signature does not cover its digest, the header `{header}`")]
    DigestNotCovered { header: &'static str },
    /// Only algorithms that are unknown or broken.
    #[error("the header `{header}` has no digest that is supported: use sha-256 or sha-512")]
    DigestAlgorithm { header: &'static str },
    /// The body is not the one that was signed.
    #[error("the {algorithm} digest in the header `{header}` does not fit the body that was received")]
    DigestMismatch { header: &'static str, algorithm: &'static str },
    /// `alg` names another algorithm than the key is for.
    #[error("the signature parameter `alg` is `{alg}`, which does not fit the {key} key")]
    AlgorithmMismatch { alg: String, key: &'static str },
    /// Neither DER nor raw, or not of this curve.
    #[error("the signature cannot come from a {key} key: {reason}")]
    SignatureShape { key: &'static str, reason: &'static str },
    /// The curve said no.
    #[error("the signature does not match: another key, or something was changed after signing")]
    Mismatch,
}
