//! The errors of a verification, in words that help the sender.

/// The reason for which a signature is not accepted.
///
/// The text of a variant names the header, component or parameter and is meant to be sent to the client. It never
/// contains a secret: only names, numbers and limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no `signature-input` field at all.
    #[error("the header `signature-input` is missing: the request is not signed")]
    MissingSignatureInput,
    /// There is no `signature` field at all.
    #[error("the header `signature` is missing although `signature-input` is there")]
    MissingSignature,
    /// A field does not follow its specification.
    #[error("the header `{header}` cannot be read: {reason}")]
    Unparsable {
        /// Name of the field.
        header: String,
        /// The reason, for people.
        reason: String,
    },
    /// There are more signatures than any message has reason to carry.
    #[error("`signature-input` carries {count} signatures, at most {most} are looked at")]
    TooManySignatures {
        /// Number that was found.
        count: usize,
        /// Greatest number that is accepted.
        most: usize,
    },
    /// The label of `signature-input` does not occur in `signature`.
    #[error("the header `signature` has no member `{label}`, which `signature-input` announces")]
    LabelMissing {
        /// The label.
        label: String,
    },
    /// A label occurs twice. RFC 8941 would silently take the last one, on which no client should depend.
    #[error("the label `{label}` occurs more than once in the header `{header}`")]
    DuplicateLabel {
        /// Name of the field.
        header: &'static str,
        /// The label.
        label: String,
    },
    /// A component identifier occurs twice; RFC 9421 section 2 allows each only once.
    #[error("the component {component} is listed more than once")]
    DuplicateComponent {
        /// The component, serialised.
        component: String,
    },
    /// The same parameter occurs twice behind one list.
    #[error("the signature parameter `{parameter}` occurs more than once")]
    DuplicateParameter {
        /// Name of the parameter.
        parameter: String,
    },
    /// There are more components than any message has reason to cover.
    #[error("the signature covers {count} {what}, at most {most} are accepted")]
    TooManyComponents {
        /// Number that was found.
        count: usize,
        /// Greatest number that is accepted.
        most: usize,
        /// What is counted.
        what: &'static str,
    },
    /// A derived component does not exist, or not for this message.
    #[error("the component {component} is not supported here: {reason}")]
    UnsupportedComponent {
        /// The component, serialised.
        component: String,
        /// The reason, for people.
        reason: &'static str,
    },
    /// A parameter of a component does not exist, or not for this component.
    #[error("the parameter `{parameter}` of the component {component} is not supported: {reason}")]
    UnsupportedComponentParameter {
        /// The component, serialised.
        component: String,
        /// Name of the parameter.
        parameter: String,
        /// The reason, for people.
        reason: &'static str,
    },
    /// A field name in the list is not in lower case (RFC 9421 section 2.1).
    #[error("the component name {component} must be a lower-case header name")]
    ComponentName {
        /// The name as it was sent.
        component: String,
    },
    /// A covered component is not in the message.
    #[error("the component {component} is covered by the signature but {missing}")]
    MissingComponent {
        /// The component, serialised.
        component: String,
        /// What is missing, for people.
        missing: &'static str,
    },
    /// A value cannot stand in a signature base.
    #[error("the value of the component {component} cannot be signed: {reason}")]
    UnusableValue {
        /// The component, serialised.
        component: String,
        /// The reason, for people.
        reason: &'static str,
    },
    /// A parameter has the wrong type: `created="1"`, `created=@1`, `keyid=abc` and the like.
    #[error("the signature parameter `{parameter}` must be {expected}")]
    ParameterType {
        /// Name of the parameter.
        parameter: &'static str,
        /// The type that it must have.
        expected: &'static str,
    },
    /// There is no `created`.
    #[error("the signature parameter `created` is missing")]
    MissingCreated,
    /// There is no `keyid`.
    #[error("the signature parameter `keyid` is missing")]
    MissingKeyId,
    /// There is no `nonce`, where one is demanded.
    #[error("the signature parameter `nonce` is missing")]
    MissingNonce,
    /// `created` is too far ahead of the verifier's clock.
    #[error("the signature was created {seconds} s in the future, at most {most} s are accepted")]
    CreatedInFuture {
        /// Number of seconds that was found.
        seconds: i64,
        /// Greatest number of seconds that is accepted.
        most: i64,
    },
    /// `expires` is too long ago.
    #[error("the signature expired {seconds} s ago, at most {most} s are accepted")]
    Expired {
        /// Number of seconds that was found.
        seconds: i64,
        /// Greatest number of seconds that is accepted.
        most: i64,
    },
    /// `expires` is before `created`.
    #[error("the signature parameter `expires` lies before `created`")]
    ExpiresBeforeCreated,
    /// The signature would be valid for longer than a verifier should have to remember it.
    #[error("the signature is meant to be valid for {seconds} s, at most {most} s are accepted")]
    LifetimeTooLong {
        /// Number of seconds that was found.
        seconds: i64,
        /// Greatest number of seconds that is accepted.
        most: i64,
    },
    /// The age of `created` is too great, which counts without `expires`.
    #[error("the signature was created {seconds} s ago and has no `expires`, at most {most} s are accepted")]
    TooOld {
        /// Number of seconds that was found.
        seconds: i64,
        /// Greatest number of seconds that is accepted.
        most: i64,
    },
    /// A component that must be covered is not.
    #[error("the signature does not cover `{component}`")]
    NotCovered {
        /// Name of the component.
        component: String,
    },
    /// A body has no digest.
    #[error("the request has a body but no header `{header}`")]
    DigestMissing {
        /// Name of the field.
        header: &'static str,
    },
    /// A digest is not covered, so that an attacker could have put it there.
    #[error("the request has a body but the signature does not cover its digest, the header `{header}`")]
    DigestNotCovered {
        /// Name of the field.
        header: &'static str,
    },
    /// All digests have algorithms that are unknown or broken.
    #[error("the header `{header}` has no digest that is supported: use sha-256 or sha-512")]
    DigestAlgorithm {
        /// Name of the field.
        header: &'static str,
    },
    /// The body is not the signed one.
    #[error("the {algorithm} digest in the header `{header}` does not fit the body that was received")]
    DigestMismatch {
        /// Name of the field.
        header: &'static str,
        /// Name of the digest algorithm.
        algorithm: &'static str,
    },
    /// `alg` names another algorithm than that of the key.
    #[error("the signature parameter `alg` is `{alg}`, which does not fit the {key} key")]
    AlgorithmMismatch {
        /// Value of the parameter.
        alg: String,
        /// Algorithm of the key.
        key: &'static str,
    },
    /// The signature is neither DER nor raw, or not of this curve.
    #[error("the signature cannot come from a {key} key: {reason}")]
    SignatureShape {
        /// Algorithm of the key.
        key: &'static str,
        /// The reason, for people.
        reason: &'static str,
    },
    /// The curve arithmetic refuses the signature.
    #[error("the signature does not match: another key, or something was changed after signing")]
    Mismatch,
}
