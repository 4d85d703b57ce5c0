//! Creates and disables operators.

use jiff::SignedDuration;

use super::{ProvisionError, Provisioner, refuse, tenant};
use crate::domain::suggest::did_you_mean;
use crate::store::Tx;
use crate::store::tenants::operator_sessions;
use crate::store::tenants::operator_sessions::{Session, SessionKind};
use crate::store::tenants::operators;
use crate::store::tenants::operators::{Operator, Role};
use crate::store::tenants::second_factors;

impl Provisioner {
    /// Creates an operator. `password` is the hash of one.
    ///
    /// # Errors
    ///
    /// Fails if the operator exists or the tenant does not.
    pub async fn create_operator(
        &self,
        name: String,
        role: Role,
        tenant_name: Option<String>,
        password: Option<String>,
    ) -> Result<Operator, ProvisionError> {
        let this = self.clone();
        self.store
            .write_serializable("operators.create", move |tx| {
                if operators::by_name(tx, &name)?.is_some() {
                    return refuse(format!("there is an operator '{name}' already"));
                }
                let tenant = tenant_name.as_deref().map(|name| tenant(tx, name)).transpose()?;
                let (id, created_at) = (this.ids.uuid(), this.clock.now());
                let (tenant, tenant_name) = tenant.map(|row| (row.number, row.name)).unzip();
                let (name, password) = (name.clone(), password.clone());
                let new =
                    Operator { id, name, role, tenant, tenant_name, password, created_at, disabled_at: None };
                operators::insert(tx, &new)?;
                Ok(new)
            })
            .await
    }

    /// Adds an access token to an operator, by its hash. Without `lifetime` it does not expire.
    ///
    /// # Errors
    ///
    /// Fails if the operator does not exist or is disabled.
    pub async fn add_operator_token(
        &self,
        name: String,
        hash: [u8; 32],
        lifetime: Option<SignedDuration>,
    ) -> Result<(), ProvisionError> {
        let (id, now) = (self.ids.uuid(), self.clock.now());
        let expires = lifetime.map(|lifetime| now + lifetime);
        let new = Session { expires, ..Session::new(id, SessionKind::Token, now) };
        self.store
            .write_serializable("operators.token", move |tx| {
                let operator = operator(tx, &name)?;
                if operator.disabled_at.is_some() {
                    return refuse(format!("the operator '{name}' is disabled"));
                }
                Ok(operator_sessions::insert(tx, &hash, operator.id, &new)?)
            })
            .await
    }

    /// Deletes the second factor of an operator who has lost it, and ends their sessions. Access tokens stay. Returns
    /// whether there was a second factor, and the number of sessions.
    ///
    /// # Errors
    ///
    /// Fails if the operator does not exist.
    pub async fn reset_second_factor(&self, name: String) -> Result<(bool, usize), ProvisionError> {
        self.store
            .write_serializable("second_factors.reset", move |tx| {
                let id = operator(tx, &name)?.id;
                Ok((second_factors::delete(tx, id)?, operator_sessions::end_sessions(tx, id)?))
            })
            .await
    }

    /// Disables an operator and deletes all their tokens.
    ///
    /// # Errors
    ///
    /// Fails if the operator does not exist.
    pub async fn disable_operator(&self, name: String) -> Result<Operator, ProvisionError> {
        let now = self.clock.now();
        self.store
            .write_serializable("operators.disable", move |tx| {
                let id = operator(tx, &name)?.id;
                operators::disable(tx, id, now)?;
                operator_sessions::end_all(tx, id)?;
                operator(tx, &name)
            })
            .await
    }
}

/// Returns the operator of this name, or refuses it with the name that was probably meant.
fn operator(tx: &Tx<'_>, name: &str) -> Result<Operator, ProvisionError> {
    match operators::by_name(tx, name)? {
        Some(operator) => Ok(operator),
        None => {
            let all = operators::all(tx)?;
            let meant = did_you_mean(name, all.iter().map(|one| &*one.name));
            refuse(format!("there is no operator '{name}'{meant}"))
        }
    }
}
