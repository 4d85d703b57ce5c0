//! Gives operators access tokens.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::administration::known_operator;
use super::{ProvisionError, Provisioner, refuse};
use crate::domain::permissions::Permissions;
use crate::domain::register_event::{RegisterEventType, RegisterSubject};
use crate::store::tenants::operator_sessions;
use crate::store::tenants::operator_sessions::{Session, SessionKind};

impl Provisioner {
    /// Adds an access token to an operator, by its hash. Without `lifetime` it does not expire; without `permissions`
    /// it has those of the operator.
    ///
    /// # Errors
    ///
    /// Fails if the operator does not exist or is disabled.
    pub async fn add_operator_token(
        &self,
        name: String,
        hash: [u8; 32],
        lifetime: Option<SignedDuration>,
        permissions: Option<Permissions>,
    ) -> Result<(), ProvisionError> {
        let this = self.clone();
        let (id, now) = (self.ids.uuid(), self.clock.now());
        let expires = lifetime.map(|lifetime| now + lifetime);
        let new = Session { expires, permissions, ..Session::new(id, SessionKind::Token, now) };
        self.store
            .write_serializable("operators.token", move |tx| {
                let operator = known_operator(tx, &name)?;
                if operator.disabled_at.is_some() {
                    return refuse(format!("the operator '{name}' is disabled"));
                }
                // It would outlive what the claims of the provider give.
                if operator.provider_subject.is_some() {
                    return refuse(format!(
                        "'{name}' signs in at the identity provider: a script needs an account of its own"
                    ));
                }
                operator_sessions::insert(tx, &hash, operator.id, &new)?;
                let (subject, old) = (RegisterSubject::Operator(name.clone()), Value::Null);
                let permissions = new.permissions.as_ref().map(Permissions::text);
                let token = json!({ "id": id, "expires": expires, "permissions": permissions });
                this.record(tx, RegisterEventType::OperatorTokenCreated, subject, old, token)
            })
            .await
    }
}
