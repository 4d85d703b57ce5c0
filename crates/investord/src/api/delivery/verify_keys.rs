//! `GET /auth/verify_keys`: the public keys that verify deliveries.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use super::READ;
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{OperationDoc, PayloadDoc, WEBHOOKS};
use crate::app::App;
use crate::domain::json::json_schema::{Schemas, named};
use crate::problem::Problem;
use crate::store::delivery::signing_keys;
use crate::store::unit::Unit;
use crate::store::{StoreError, Tx};

/// Returns the schema of the list of keys, a JWK Set (RFC 7517 section 5).
fn schema(schemas: &mut Schemas) -> Value {
    let key = named(schemas, "VerifyKey", |_| {
        let pattern = "^[A-Za-z0-9_-]{88}$";
        let coordinate =
            |description| json!({ "type": "string", "pattern": pattern, "description": description });
        json!({
            "type": "object",
            "description": "A public key as a JSON Web Key (RFC 7518 section 6.2).",
            "properties": {
                "kid": { "type": "string", "format": "uuid", "description": "The `keyid` of signatures." },
                "kty": { "type": "string", "enum": ["EC"], "description": "Elliptic curve." },
                "crv": { "type": "string", "enum": ["P-521"], "description": "The curve." },
                "x": coordinate("66 bytes in base64url."),
                "y": coordinate("66 bytes in base64url."),
            },
            "required": ["kid", "kty", "crv", "x", "y"],
        })
    });
    named(schemas, "VerifyKeys", |_| {
        json!({
            "type": "object",
            "properties": { "keys": { "type": "array", "items": key } },
            "required": ["keys"],
        })
    })
}

/// A request for the public keys of the tenant.
pub struct ListVerifyKeys;

impl Operation for ListVerifyKeys {
    const OPERATION: &'static str = "GET /auth/verify_keys";
    const SCOPES: &'static [&'static str] = READ;
    // The first request creates the first key, so that it can find the tenant locked.
    const REFUSALS: &'static [StatusCode] = &[StatusCode::CONFLICT];
    const DOC: OperationDoc = OperationDoc {
        tag: WEBHOOKS,
        id: "get_jwks",
        summary: "List the keys of deliveries",
        description: "The key that signs comes first. One that another has taken the place of is listed for 24 hours \
            more. A receiver that meets a `keyid` which it does not know asks again.",
        parameters: Vec::new,
        request: None,
        answer: PayloadDoc {
            description: "The keys.",
            media: "application/json",
            schema,
            examples: &[("keys", include_str!("../../../../../api/examples/verify-keys.json"))],
        },
    };

    fn read(_: &Received<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /auth/verify_keys`: returns the published keys, the current one first (decision H5).
///
/// # Errors
///
/// Fails if the store cannot be read or written.
pub async fn list(State(app): State<App>, req: Signed<ListVerifyKeys>) -> Result<Reply, Problem> {
    let (tenant, now) = (req.client.tenant.number, req.now);
    let published = move |tx: &Tx<'_>| signing_keys::published(tx, tenant, now);
    let mut keys = app.store.read("signing_keys.published", published).await?;
    if keys.is_empty() {
        let (client, ids) = (Arc::clone(&req.client), Arc::clone(&app.ids));
        let unit = move |tx: &Tx<'_>| {
            Unit::run(
                tx,
                tenant,
                now,
                &*ids,
                |_| Ok(&client.tenant),
                |unit| {
                    signing_keys::ensure(unit)?;
                    signing_keys::published(unit.tx, tenant, now)
                },
            )
        };
        keys = app.store.write::<_, StoreError>("signing_keys.ensure", tenant, unit).await?;
    }
    let keys: Vec<String> =
        keys.iter().map(|(id, key)| format!(r#"{{"kid":"{id}",{}"#, &key.to_jwk()[1..])).collect();
    Ok(Reply::ok(format!(r#"{{"keys":[{}]}}"#, keys.join(","))))
}
