//! `/tenants/{tenant}/clients` and `/clients`: lists clients of the API, creates them, and changes scopes, secrets and
//! keys.

use axum::extract::State;
use http_message_signatures::PublicKey;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::administration::{AdministrativeOperation, BREAK_GLASS, WHY};
use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::operators::{Disabled, NoMembers};
use crate::app::App;
use crate::domain::administration::Act;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::domain::tenants::SCOPES;
use crate::problem::Problem;
use crate::store::tenants::clients;
use crate::store::tenants::clients::{ClientRow, KeyRow};
use crate::store::{StoreError, Tx};

/// A client of the API.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Client")]
pub struct ClientView {
    id: Uuid,
    created_at: Timestamp,
    /// Since when it is refused; null if it is not.
    disabled_at: Option<Timestamp>,
    /// Until when the secret before the last rotation is taken, too.
    old_secret_until: Option<Timestamp>,
    scopes: Vec<String>,
    keys: Vec<ClientKeyView>,
}

/// A public key of a client.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ClientKey")]
struct ClientKeyView {
    id: Uuid,
    /// As in `ed25519`.
    algorithm: String,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
    /// From when on signatures with it are refused; null for never.
    expires_at: Option<Timestamp>,
    /// The last signature that was accepted, to the minute; null if there was none.
    last_used_at: Option<Timestamp>,
}

impl ClientKeyView {
    fn new(row: &KeyRow) -> Result<Self, StoreError> {
        let KeyRow { id, spki, created_at, revoked_at, expires_at, used_at, .. } = row;
        let key = PublicKey::from_spki_der(spki).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let algorithm = key.algorithm().name().to_owned();
        Ok(Self {
            id: *id,
            algorithm,
            created_at: *created_at,
            revoked_at: *revoked_at,
            expires_at: *expires_at,
            last_used_at: *used_at,
        })
    }
}

/// A request for the clients of a tenant.
pub struct ListClients;

impl OperatorOperation for ListClients {
    const OPERATION: &'static str = "GET /tenants/{tenant}/clients";
    const PERMISSION: Option<Permission> = Some(Permission::ClientsRead);
    type Answer = List<ClientView>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_clients",
        summary: "List clients",
        description: "Lists the clients of a tenant with their scopes and keys, the oldest first.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /tenants/{tenant}/clients`: returns the clients of a tenant.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn list(State(app): State<App>, req: ByOperator<ListClients>) -> OperatorResult<List<ClientView>> {
    let tenant = req.tenant();
    let read = move |tx: &Tx<'_>| {
        let mut data = Vec::new();
        for row in clients::of_tenant(tx, tenant)? {
            let keys = clients::keys_of(tx, row.id)?;
            let keys = keys.iter().map(ClientKeyView::new).collect::<Result<_, _>>()?;
            let scopes = row.scopes.split_whitespace().map(str::to_owned).collect();
            let old_secret_until = row.old_secret.map(|(_, until)| until);
            let ClientRow { id, created_at, disabled_at, .. } = row;
            data.push(ClientView { id, created_at, disabled_at, old_secret_until, scopes, keys });
        }
        Ok::<_, Problem>(List { data })
    };
    Ok(JsonAnswer(app.store.read("clients.list", read).await?))
}

const SCOPE_LIST: FieldRule =
    FieldRule::List { item: &FieldRule::OneOf(SCOPES), min: 1, max: SCOPES.len(), unique: true };

static SET_SCOPES: ObjectSchema = ObjectSchema {
    name: "SetClientScopes",
    fields: &[
        field("scopes", Presence::Always, SCOPE_LIST, "The scopes that the client may ask for."),
        WHY,
        BREAK_GLASS,
    ],
};

/// The body of [`CreateClient`] and [`SetScopes`].
#[derive(Deserialize)]
pub struct Scopes {
    scopes: Vec<String>,
}

/// `POST /tenants/{tenant}/clients`: creates a client.
pub struct CreateClient;

impl AdministrativeOperation for CreateClient {
    const OPERATION: &'static str = "POST /tenants/{tenant}/clients";
    const PERMISSION: Permission = Permission::ClientsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "create_client",
        summary: "Create a client",
        description: "Creates a client of the API, and answers its id and secret in `shown_once`.",
        query: &[],
        request: Some(&SET_SCOPES),
    };
    type Body = Scopes;

    fn act(received: &ReceivedByOperator<'_>, Scopes { scopes }: Scopes) -> Result<Act, Problem> {
        Ok(Act::CreateClient { tenant: received.path_name("tenant", "tenant")?, scopes })
    }
}

/// `PUT /clients/{client}/scopes`: changes the scopes of a client.
pub struct SetScopes;

impl AdministrativeOperation for SetScopes {
    const OPERATION: &'static str = "PUT /clients/{client}/scopes";
    const PERMISSION: Permission = Permission::ClientsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "set_client_scopes",
        summary: "Change the scopes of a client",
        description: "Replaces the scopes of a client and ends its access tokens, which would keep the old ones.",
        query: &[],
        request: Some(&SET_SCOPES),
    };
    type Body = Scopes;

    fn act(received: &ReceivedByOperator<'_>, Scopes { scopes }: Scopes) -> Result<Act, Problem> {
        Ok(Act::SetClientScopes { client: received.path_id("client", "client")?, scopes })
    }
}

static SET_DISABLED: ObjectSchema = ObjectSchema {
    name: "SetClientDisabled",
    fields: &[
        field("disabled", Presence::Always, FieldRule::Bool, "Whether the client is refused from now on."),
        WHY,
        BREAK_GLASS,
    ],
};

/// `PUT /clients/{client}/disabled`: disables or enables a client.
pub struct SetClientDisabled;

impl AdministrativeOperation for SetClientDisabled {
    const OPERATION: &'static str = "PUT /clients/{client}/disabled";
    const PERMISSION: Permission = Permission::ClientsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "set_client_disabled",
        summary: "Disable or enable a client",
        description: "Refuses a client within a second and ends its access tokens, or lets it in again.",
        query: &[],
        request: Some(&SET_DISABLED),
    };
    type Body = Disabled;

    fn act(received: &ReceivedByOperator<'_>, Disabled { disabled }: Disabled) -> Result<Act, Problem> {
        let client = received.path_id("client", "client")?;
        Ok(if disabled { Act::DisableClient { client } } else { Act::EnableClient { client } })
    }
}

static ROTATE_SECRET: ObjectSchema = ObjectSchema {
    name: "RotateClientSecret",
    fields: &[
        field(
            "end_tokens",
            Presence::No,
            FieldRule::Bool,
            "True to end the access tokens that were given under the old secret.",
        ),
        field(
            "overlap_hours",
            Presence::No,
            FieldRule::Int { min: 0, max: 24 * 31 },
            "Hours for which the old secret is taken, too; none by default.",
        ),
        WHY,
        BREAK_GLASS,
    ],
};

/// `POST /clients/{client}/secret`: replaces the secret of a client.
pub struct RotateSecret;

/// The body of [`RotateSecret`].
#[derive(Deserialize)]
pub struct SecretRotation {
    #[serde(default)]
    end_tokens: bool,
    #[serde(default)]
    overlap_hours: i64,
}

impl AdministrativeOperation for RotateSecret {
    const OPERATION: &'static str = "POST /clients/{client}/secret";
    const PERMISSION: Permission = Permission::ClientsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "rotate_client_secret",
        summary: "Replace the secret of a client",
        description: "Replaces the secret, and answers the new one in `shown_once`. The old one is refused within a \
                      second, or after `overlap_hours`.",
        query: &[],
        request: Some(&ROTATE_SECRET),
    };
    type Body = SecretRotation;

    fn act(received: &ReceivedByOperator<'_>, body: SecretRotation) -> Result<Act, Problem> {
        let client = received.path_id("client", "client")?;
        let SecretRotation { end_tokens, overlap_hours } = body;
        Ok(Act::RotateClientSecret { client, end_tokens, overlap_hours })
    }
}

static ADD_KEY: ObjectSchema = ObjectSchema {
    name: "AddClientKey",
    fields: &[
        field(
            "public_key",
            Presence::Always,
            FieldRule::Lines { max: 5000 },
            "SPKI PEM or JWK, of P-256, P-384, P-521 or Ed25519.",
        ),
        field(
            "expires_at",
            Presence::No,
            FieldRule::Instant,
            "From when on signatures with it are refused; never without one.",
        ),
        WHY,
        BREAK_GLASS,
    ],
};

/// `POST /clients/{client}/keys`: registers a public key of a client.
pub struct AddKey;

/// The body of [`AddKey`].
#[derive(Deserialize)]
pub struct NewKey {
    public_key: String,
    expires_at: Option<Timestamp>,
}

impl AdministrativeOperation for AddKey {
    const OPERATION: &'static str = "POST /clients/{client}/keys";
    const PERMISSION: Permission = Permission::ClientsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "add_client_key",
        summary: "Add a key of a client",
        description: "Registers a public key that verifies the client's signatures, and answers its id in \
                      `shown_once`.",
        query: &[],
        request: Some(&ADD_KEY),
    };
    type Body = NewKey;

    fn act(received: &ReceivedByOperator<'_>, body: NewKey) -> Result<Act, Problem> {
        let NewKey { public_key, expires_at } = body;
        Ok(Act::AddClientKey { client: received.path_id("client", "client")?, public_key, expires_at })
    }
}

static REVOKE_KEY: ObjectSchema = ObjectSchema { name: "RevokeClientKey", fields: &[WHY, BREAK_GLASS] };

/// `POST /client_keys/{key}/revocation`: revokes a key.
pub struct RevokeKey;

impl AdministrativeOperation for RevokeKey {
    const OPERATION: &'static str = "POST /client_keys/{key}/revocation";
    const PERMISSION: Permission = Permission::ClientsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "revoke_client_key",
        summary: "Revoke a key of a client",
        description: "Revokes a public key; signatures with it are refused within a second.",
        query: &[],
        request: Some(&REVOKE_KEY),
    };
    type Body = NoMembers;

    fn act(received: &ReceivedByOperator<'_>, _: NoMembers) -> Result<Act, Problem> {
        Ok(Act::RevokeClientKey { key: received.path_id("key", "key")? })
    }
}
