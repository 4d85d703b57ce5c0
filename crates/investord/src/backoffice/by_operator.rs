//! A request of an authenticated operator: the proof that a handler takes.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts as _, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::mask::Visibility;
use crate::access::connections::network;
use crate::app::{App, Mode};
use crate::domain::identification::identifier::today;
use crate::domain::json::query::{self, QueryParameter, QueryValues};
use crate::domain::json::schema::ObjectSchema;
use crate::domain::json::validation;
use crate::domain::permissions::{Grant, Permission};
use crate::domain::tenants::{TenantNumber, TenantSettings};
use crate::problem::Problem;
use crate::route::method_and_path;
use crate::store::encryption::sha256;
use crate::store::engine::unit::Owner;
use crate::store::tenants;
use crate::store::tenants::TenantRow;
use crate::store::tenants::operator_sessions;
use crate::store::tenants::operator_sessions::{Session, SessionKind, SignedIn};
use crate::store::tenants::operators::Operator;
use crate::store::tenants::reveals;
use crate::store::{StoreError, Tx};

/// An operation of the operator API. Its type is the argument of its handler.
pub trait OperatorOperation: Sized + Send + 'static {
    /// Method and path template, separated by a space.
    const OPERATION: &'static str;
    /// What the operator must be allowed to do; `None` if every operator may. It is required in the tenant of the path
    /// `/tenants/{tenant}/…`. If the path has no tenant, it is required in any one, and the handler looks where
    /// ([`Grants::reach`](crate::domain::permissions::Grants::reach)).
    const PERMISSION: Option<Permission>;
    /// Whether the person must have been proved in the last minutes (decision S3). Access tokens have no such proof.
    const NEEDS_FRESH_PROOF: bool = false;
    /// The body of the response; it is also the schema in the OpenAPI document.
    type Answer: Serialize + JsonSchema;
    /// Documentation for the OpenAPI document.
    const DOC: OperatorDoc;

    /// Parses the request.
    ///
    /// # Errors
    ///
    /// Fails if path, query or body is invalid.
    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem>;
}

/// The part of an operation's documentation that the code does not imply.
pub struct OperatorDoc {
    /// Operation id.
    pub id: &'static str,
    /// Title in a few words.
    pub summary: &'static str,
    /// Description in whole sentences.
    pub description: &'static str,
    /// Query parameters.
    pub query: &'static [QueryParameter],
    /// Table of the body, if the operation has one.
    pub request: Option<&'static ObjectSchema>,
}

/// A request of an authorized operator, as the parser of its operation receives it.
pub struct ReceivedByOperator<'a> {
    /// Names and values of the parameters in the path.
    pub path: &'a [(String, String)],
    /// The query string, empty if there is none.
    pub query: &'a str,
    pub body: &'a Bytes,
    pub now: Timestamp,
}

impl ReceivedByOperator<'_> {
    /// Returns a name in the path. A name with control characters is that of nothing; PostgreSQL rejects the character
    /// NUL.
    ///
    /// # Errors
    ///
    /// Fails with 404 for `noun` if the name has control characters.
    pub fn path_name(&self, name: &str, noun: &'static str) -> Result<String, Problem> {
        let text = self.path_text(name);
        if text.chars().any(char::is_control) { Err(Problem::NotFound(noun)) } else { Ok(text.to_owned()) }
    }

    /// Returns an id in the path.
    ///
    /// # Errors
    ///
    /// Fails with 404 for `noun` if the text is no id.
    pub fn path_id(&self, name: &str, noun: &'static str) -> Result<Uuid, Problem> {
        self.path_text(name).parse().map_err(|_| Problem::NotFound(noun))
    }

    /// Returns a number from 1 in the path.
    ///
    /// # Errors
    ///
    /// Fails with 404 for `noun` if the text is no such number.
    pub fn path_number(&self, name: &str, noun: &'static str) -> Result<i64, Problem> {
        let number = self.path_text(name).parse().ok().filter(|number: &i64| *number > 0);
        number.ok_or(Problem::NotFound(noun))
    }

    fn path_text(&self, name: &str) -> &str {
        self.path.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Parses the query by a table.
    ///
    /// # Errors
    ///
    /// Fails with all errors of the query.
    pub fn query(&self, table: &[QueryParameter]) -> Result<QueryValues, Problem> {
        Ok(query::read(self.query, table)?)
    }

    /// Validates the body against a table and parses it.
    ///
    /// # Errors
    ///
    /// Fails with all errors of the body.
    pub fn body<T: DeserializeOwned>(&self, table: &ObjectSchema) -> Result<T, Problem> {
        read_body(self.body, table, self.now)
    }
}

/// Validates a body of the operator API against a table, and parses it into the type that the command line sends.
///
/// # Errors
///
/// Fails with all errors of the body.
pub fn read_body<T: DeserializeOwned>(
    body: &[u8],
    table: &ObjectSchema,
    now: Timestamp,
) -> Result<T, Problem> {
    // Settings of a tenant decide about bodies of clients alone; by the default an unknown member is refused.
    let settings = TenantSettings::default();
    let members = validation::read(table, &validation::parse(body)?, &settings, today(now))?;
    serde_json::from_value(members.into()).map_err(|error| Problem::invalid("(root)", error.to_string()))
}

/// A request of an operator who is authenticated and has the permission in the tenant of the path. Only this file can
/// create one.
pub struct ByOperator<T> {
    pub operator: Operator,
    /// The tenant of the path.
    tenant: Option<TenantNumber>,
    pub now: Timestamp,
    pub operation: T,
    /// The network of the caller's address, for which passwords are counted.
    pub peer: IpAddr,
    pub session: Session,
    /// How much of people the session sees in the tenant of the path.
    visibility: Option<Visibility>,
    /// The user in the path.
    user: Option<Uuid>,
}

impl<T: OperatorOperation> FromRequest<App> for ByOperator<T> {
    type Rejection = Problem;

    /// Authenticates, then authorizes, and only then reads the body.
    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let hash = token_hash(&parts.headers)?;
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(&mut parts, app).await;
        let ConnectInfo(peer) = peer.map_err(|error| Problem::Internal(error.body_text()))?;
        let address = client_address(app, peer, &parts.headers);
        let SignedIn { operator, session } = authenticate(app, hash, address).await?;
        authorize(&operator, T::PERMISSION)?;
        check_second_factor(app, &operator, &session, T::OPERATION)?;
        if T::NEEDS_FRESH_PROOF {
            check_proof(app, &session)?;
        }
        let path = RawPathParams::from_request_parts(&mut parts, app).await;
        let path = path.map_err(|error| Problem::invalid("(path)", error.body_text()))?;
        let path: Vec<_> = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let in_path = |name: &str| path.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let (tenant, visibility) = match in_path("tenant") {
            Some(name) => {
                let (tenant, visibility) = authorize_in_tenant::<T>(app, &operator, &session, name).await?;
                (Some(tenant), Some(visibility))
            }
            None => (None, None),
        };
        let user = in_path("user").and_then(|id| id.parse().ok());
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let body = Bytes::from_request(Request::from_parts(parts, body), app).await;
        let body = body.map_err(|error| Problem::invalid("(root)", error.body_text()))?;
        let now = app.clock.now();
        let received = ReceivedByOperator { path: &path, query: &query, body: &body, now };
        let operation = T::read(&received)?;
        Ok(Self { operator, tenant, now, operation, peer: network(address), session, visibility, user })
    }
}

/// Returns the address of the caller, which a trusted proxy reports.
pub fn client_address(app: &App, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    app.budgets.proxies.client(peer.ip(), headers).unwrap_or(peer.ip()).to_canonical()
}

impl<T> ByOperator<T> {
    /// Returns the tenant of the path, in which the operator has the permission.
    ///
    /// # Panics
    ///
    /// Panics if the path of the operation has no tenant.
    pub fn tenant(&self) -> TenantNumber {
        self.tenant.expect("the path has a tenant")
    }
}

impl<T: OperatorOperation> ByOperator<T> {
    /// Returns the function that masks the answer to this request.
    pub fn mask(&self) -> impl FnOnce(&mut Value) + Send + use<T> {
        let (visibility, user) = (self.visibility.clone(), self.user);
        move |answer| {
            if let Some(visibility) = visibility {
                visibility.mask(answer, user);
            }
        }
    }
}

/// Checks that an operator has a permission in any tenant, before anything is looked up.
fn authorize(operator: &Operator, permission: Option<Permission>) -> Result<(), Problem> {
    let missing = permission.filter(|one| !operator.grants.have(*one));
    missing.map_or(Ok(()), |one| Err(Problem::NoPermission(one)))
}

/// Returns the number of the tenant of this name, if the operator has the permission in it, and what the session sees
/// there. A tenant in which the operator has no role gets the response of a missing one, so that names are not
/// disclosed.
async fn authorize_in_tenant<T: OperatorOperation>(
    app: &App,
    operator: &Operator,
    session: &Session,
    name: &str,
) -> Result<(TenantNumber, Visibility), Problem> {
    // PostgreSQL rejects the character NUL.
    if name.chars().any(char::is_control) {
        return Err(Problem::NotFound("tenant"));
    }
    let (wanted, session, now) = (name.to_owned(), session.id, app.clock.now());
    let read = move |tx: &Tx<'_>| {
        Ok::<_, StoreError>((tenants::by_name(tx, &wanted)?, reveals::of_session(tx, session, now)?))
    };
    let (found, revealed) = app.store.read("backoffice.tenant", read).await?;
    let found = found.filter(|row| operator.grants.visible().contains(row.number));
    let TenantRow { number, suspended_at, .. } = found.ok_or(Problem::NotFound("tenant"))?;
    if let Some(missing) = T::PERMISSION.filter(|one| !operator.grants.reach(*one).contains(number)) {
        return Err(Problem::NoPermission(missing));
    }
    let is_reading = method_and_path(T::OPERATION).0 == "GET";
    if suspended_at.is_some() && !is_reading && T::PERMISSION != Some(Permission::TenantsManage) {
        return Err(Problem::State("the tenant is suspended: its operators read alone"));
    }
    let may = |permission| operator.grants.reach(permission).contains(number);
    let sees_people = may(Permission::PeopleRead);
    // Who has lost the permission since sees nothing more.
    let revealed = if may(Permission::PeopleReveal) { revealed } else { BTreeSet::new() };
    Ok((number, Visibility { sees_people, revealed }))
}

/// Checks that a session has a second factor if the operator's role demands one. Without it a session has access to
/// what is its operator's own, so that they can enrol one. Access tokens are created on the machine, for programs.
fn check_second_factor(
    app: &App,
    operator: &Operator,
    session: &Session,
    operation: &'static str,
) -> Result<(), Problem> {
    let (_, path) = method_and_path(operation);
    let is_own = path == "/me" || path.starts_with("/me/") || operation == "DELETE /sessions";
    let demanded = &app.config.operators.second_factor_for;
    let is_for = |grant: &Grant| {
        let permissions = grant.permissions.iter().map(|one| one.into_str());
        permissions.chain([&*grant.role]).any(|name| demanded.iter().any(|demanded| demanded == name))
    };
    let is_demanded = operator.grants.0.iter().any(is_for);
    if is_own || !is_demanded || session.kind == SessionKind::Token || session.has_second_factor() {
        return Ok(());
    }
    Err(Problem::SecondFactorMissing)
}

/// Checks that the person behind a session has been proved in the last minutes.
fn check_proof(app: &App, session: &Session) -> Result<(), Problem> {
    if session.kind == SessionKind::Token {
        // The operator of `investord dev` has an access token alone.
        return if app.mode == Mode::Development { Ok(()) } else { Err(Problem::ProofImpossible) };
    }
    let (now, limit) = (app.clock.now(), app.config.operators.proof_time());
    // A proof in the future was recorded before the clock was set back.
    let is_fresh = |at: Timestamp| at <= now && now.duration_since(at) < limit;
    match session.proved_at {
        Some(at) if is_fresh(at) => Ok(()),
        _ => Err(Problem::ProofRequired { max_age_seconds: limit.as_secs() }),
    }
}

/// Returns the hash of the bearer token (RFC 6750 section 2.1).
fn token_hash(headers: &HeaderMap) -> Result<[u8; 32], Problem> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = sent.and_then(|value| value.split_once(' '));
    match bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        Some((_, token)) => Ok(sha256(token.trim().as_bytes())),
        None => Err(Problem::unauthorised_public(
            "the header 'authorization' must be 'Bearer' and a token of POST /sessions",
        )),
    }
}

/// Time between two records of the use of a session: a write for each request would cost more than it tells.
const USE_RECORDED_EACH: SignedDuration = SignedDuration::from_mins(1);

/// Returns the operator and the session of the token of the request, and records its use.
async fn authenticate(app: &App, hash: [u8; 32], peer: IpAddr) -> Result<SignedIn, Problem> {
    let now = app.clock.now();
    let idle_since = now - app.config.operators.idle_time();
    let find = move |tx: &Tx<'_>| operator_sessions::by_token(tx, &hash, now, idle_since);
    let found = app.store.read("backoffice.session", find).await?;
    let signed_in = found.ok_or_else(|| {
        Problem::unauthorised_public("the token is unknown or has expired: POST /sessions gives one")
    })?;
    if now.duration_since(signed_in.session.used_at) >= USE_RECORDED_EACH {
        let id = signed_in.operator.id;
        let unit = move |tx: &Tx<'_>| operator_sessions::record_use(tx, id, &hash, now, &peer.to_string());
        // Operators can read while the register cannot be written, as when the disk is full.
        if let Err(error) = app.store.write("backoffice.session_used", Owner::REGISTER, unit).await {
            tracing::warn!(%error, session = %signed_in.session.id, "cannot record the use of a session");
        }
    }
    Ok(signed_in)
}

/// A successful JSON response with status 200.
pub struct JsonAnswer<T>(pub T);

impl<T: Serialize> IntoResponse for JsonAnswer<T> {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        let body = serde_json::to_vec(&self.0).expect("an answer is plain data");
        ([(header::CONTENT_TYPE, json)], Body::from(body)).into_response()
    }
}

/// A list as a response.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct List<T> {
    pub data: Vec<T>,
}

/// The response of a handler with the answer `T`.
pub type OperatorResult<T> = Result<JsonAnswer<T>, Problem>;
