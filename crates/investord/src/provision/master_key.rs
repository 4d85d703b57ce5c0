//! Rotates the master key.

use serde_json::{Value, json};

use super::{ProvisionError, Provisioner};
use crate::domain::register_event::{RegisterEventType, RegisterSubject};
use crate::store::encryption::{Aad, MasterKey};
use crate::store::tenants;
use crate::store::tenants::second_factors;

impl Provisioner {
    /// Wraps the key of every tenant with another master key, seals the second factors of operators with it, and
    /// returns the number of tenants.
    ///
    /// # Errors
    ///
    /// Fails if the current master key does not open the key of a tenant or the second factor of an operator.
    pub async fn rotate_master_key(&self, next: MasterKey) -> Result<usize, ProvisionError> {
        let this = self.clone();
        self.store
            .write_serializable("tenants.rewrap", move |tx| {
                let all = tenants::all(tx)?;
                for tenant in &all {
                    let sealed =
                        this.master_key.rewrap(tenant.number, &tenant.sealed_key, &next, &*this.ids)?;
                    tenants::set_key(tx, tenant.number, &sealed, next.fingerprint())?;
                }
                for (operator, sealed) in second_factors::all(tx)? {
                    let aad = Aad::second_factor(&operator);
                    let secret = this.master_key.open_own(aad, &sealed)?;
                    second_factors::reseal(tx, operator, &next.seal_own(aad, &secret, &*this.ids))?;
                }
                let subject = RegisterSubject::MasterKey(next.fingerprint().to_owned());
                let old = json!({ "master_key": this.master_key.fingerprint() });
                this.record(tx, RegisterEventType::MasterKeyRotated, subject, old, Value::Null)?;
                Ok(all.len())
            })
            .await
    }
}
