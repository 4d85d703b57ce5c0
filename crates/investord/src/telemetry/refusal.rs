//! What the log says of a refusal: the rule that was broken, never a value.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde_json::Value;

use crate::api;
use crate::problem::Problem;

/// Maximum number of field errors of one request in the log.
const MAX_FAULTS: usize = 10;
/// Maximum number of characters of a detail in the log.
const MAX_DETAIL: usize = 1000;
/// Names of members and parameters of the operator API, which the OpenAPI document does not contain, and names of other
/// parts of a request.
const FURTHER_NAMES: [&str; 25] = [
    "(root)", "(query)", "action", "before", "birth_date", "code", "content-encoding", "content-length",
    "content-type", "email", "from", "host", "id", "identifier", "name", "next", "package", "password",
    "phone_number", "reason", "refusal", "role", "seconds", "tenant", "verdict",
];

/// The names of members, parameters and headers of the API. Any other name was invented by the sender, who may have
/// written personal data into it.
static KNOWN_NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut names = FURTHER_NAMES.map(str::to_owned).into();
    if let Ok(document) = serde_json::from_str(&api::openapi_document()) {
        collect_names(&document, &mut names);
    }
    names
});

/// Adds the names of all properties and parameters of an OpenAPI document.
fn collect_names(value: &Value, names: &mut HashSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                names.extend(properties.keys().cloned());
            }
            if let (Some(Value::String(name)), true) = (object.get("name"), object.contains_key("in")) {
                names.insert(name.to_lowercase());
            }
            object.values().for_each(|inner| collect_names(inner, names));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_names(inner, names)),
        _ => {}
    }
}

/// Returns the detail of a refusal in a form that is fit for the log.
pub fn detail(problem: &Problem) -> String {
    let text = match problem {
        Problem::InvalidRequest(faults) => {
            let shown = faults.iter().take(MAX_FAULTS).map(|fault| {
                let message = if fault.is_quoting { "refused with its value" } else { &fault.message };
                format!("{}: {message}", known_path(&fault.field))
            });
            let further = faults.len().saturating_sub(MAX_FAULTS);
            let further = (further > 0).then(|| format!("{further} more"));
            shown.chain(further).collect::<Vec<_>>().join("; ")
        }
        // The detail names the operator.
        Problem::Decided(_) => "somebody has decided it".to_owned(),
        Problem::MissingClientId
        | Problem::MissingIdempotencyKey
        | Problem::Unauthorised(_)
        | Problem::Forbidden { .. }
        | Problem::NoPermission(_)
        | Problem::Closed(_)
        | Problem::State(_)
        | Problem::SecondFactorRequired { .. }
        | Problem::ProofRequired { .. }
        | Problem::ProofImpossible
        | Problem::SecondFactorMissing
        | Problem::NotFound(_)
        | Problem::MethodNotAllowed
        | Problem::MisdirectedRequest
        | Problem::ForeignOrigin(_)
        | Problem::NotAcceptable
        | Problem::ContentCoding
        | Problem::OtherRequest
        | Problem::StillRunning
        | Problem::UpgradeRequired
        | Problem::TooManyRequests { .. }
        | Problem::Internal(_)
        | Problem::Unavailable(_) => problem.detail(),
    };
    text.chars().take(MAX_DETAIL).collect()
}

/// Returns the path of a field error, with `(unknown)` for every name that is not one of the API's.
fn known_path(path: &str) -> String {
    let parts = path.split('.').map(|part| {
        let (name, index) = part.split_at(part.find('[').unwrap_or(part.len()));
        let is_index = index.chars().all(|letter| letter.is_ascii_digit() || "[]".contains(letter));
        if is_index && KNOWN_NAMES.contains(&name.to_lowercase()) { part } else { "(unknown)" }
    });
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::json::schema::FieldError;

    #[test]
    fn names_of_the_api_are_logged_and_others_are_not() {
        for (path, logged) in [
            ("first_name", "first_name"),
            ("address.postcode", "address.postcode"),
            ("nationalities[1]", "nationalities[1]"),
            ("(root)", "(root)"),
            ("limit", "limit"),
            ("idempotency-key", "idempotency-key"),
            ("Anna", "(unknown)"),
            ("address.Anna Mueller", "address.(unknown)"),
            ("first_name[Anna]", "(unknown)"),
            ("", "(unknown)"),
        ] {
            assert_eq!(known_path(path), logged, "{path}");
        }
    }

    #[test]
    fn what_repeats_a_value_is_left_out() {
        let faults = vec![
            FieldError::new("email", "must be an e-mail address"),
            FieldError::new_quoting("identifier", "PESEL 1 is no number"),
        ];
        let logged = detail(&Problem::InvalidRequest(faults));
        assert_eq!(logged, "email: must be an e-mail address; identifier: refused with its value");
        let many = (0..20).map(|_| FieldError::new("email", "must be an e-mail address")).collect();
        assert!(detail(&Problem::InvalidRequest(many)).ends_with("; 10 more"));
    }
}
