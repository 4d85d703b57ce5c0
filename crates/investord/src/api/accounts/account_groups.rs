//! `/account_groups`: create; the other operations are in `account_resource.rs`.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use super::account_resource::{ADMIN, AccountEndpoints, CloseQuery, close_parameters};
use crate::api::about_user;
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::paging;
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{ACCOUNT_GROUPS, OperationDoc, PayloadDoc, request};
use crate::app::App;
use crate::clock::Ids;
use crate::domain::accounts::{AccountDetails, AccountResource, CREATE_GROUP, GROUP, GroupDetails, NewGroup};
use crate::domain::json::json_schema::{SchemaSide, Schemas, open_object};
use crate::domain::users::User;
use crate::domain::users::search::{SearchField, SearchTerms};
use crate::problem::Problem;
use crate::store::encryption::{TenantKey, UserKey};
use crate::store::jobs::ACCOUNT_GROUP_CLOSING;
use crate::store::tenants::sequence::Sequence;
use crate::store::users::search_index;
use crate::store::{StoreError, Tx, accounts};

/// Returns the schema of an account group in responses and events.
pub fn schema(schemas: &mut Schemas) -> Value {
    schemas.named("AccountGroup", |schemas| {
        let mut schema = open_object(&GROUP, SchemaSide::Answer, schemas);
        schema["description"] = json!("The accounts that a user has under one securities account number.");
        schema
    })
}

impl AccountEndpoints for GroupDetails {
    const TAG: &'static str = ACCOUNT_GROUPS;
    const LIST: (&'static str, &'static str) = ("GET /account_groups", "list_account_groups");
    const OF_USER: (&'static str, &'static str) =
        ("GET /users/{user_id}/account_groups", "list_user_account_groups");
    const READ: (&'static str, &'static str) =
        ("GET /account_groups/{account_group_id}", "retrieve_account_group");
    const CLOSE: (&'static str, &'static str) =
        ("DELETE /account_groups/{account_group_id}", "account_group_closure");
    const ID: &'static str = "account_group_id";
    const CLOSING: &'static str = ACCOUNT_GROUP_CLOSING;
    const CLOSE_DESCRIPTION: &'static str = "Begins to close an account group, which ends when no account in it is \
        open any more: they are not closed by it, and no new one can be opened. ACCOUNT_GROUP.CLOSING_INITIATED and \
        ACCOUNT_GROUP.CLOSED tell.";
    const ONE: PayloadDoc = PayloadDoc {
        description: "The account group.",
        media: "application/json",
        schema,
        examples: &[("group", include_str!("../../../../../api/examples/account-group.json"))],
    };
    const PAGE: PayloadDoc = PayloadDoc {
        description: "A page of the list.",
        media: "application/json",
        schema: |schemas| paging::named_schema("AccountGroupList", schema, schemas),
        examples: &[("page", include_str!("../../../../../api/examples/account-group-list.json"))],
    };

    fn closes(&mut self, query: &CloseQuery) {
        self.closure_reason.clone_from(&query.reason);
    }

    fn close_parameters() -> Vec<Value> {
        close_parameters()
    }
}

/// A request to create an account group.
pub struct CreateGroup(NewGroup);

impl Operation for CreateGroup {
    const OPERATION: &'static str = "POST /account_groups";
    const SCOPES: &'static [&'static str] = ADMIN;
    const IDEMPOTENT: bool = true;
    const REFUSALS: &'static [StatusCode] = &[StatusCode::NOT_FOUND];
    const DOC: OperationDoc = OperationDoc {
        tag: ACCOUNT_GROUPS,
        id: "create_account_group",
        summary: "Create an account group",
        description: "Opens an account group for a user. It is ACTIVE at once if the user is, else when the user \
            becomes so. A user can have several of one type.",
        parameters: Vec::new,
        request: Some(PayloadDoc {
            description: "The account group.",
            media: "application/json",
            schema: |schemas| request(&CREATE_GROUP, schemas),
            examples: &[("group", include_str!("../../../../../api/examples/create-account-group.json"))],
        }),
        answer: GroupDetails::ONE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let settings = &received.client.tenant.settings;
        Ok(Self(NewGroup::parse(received.json()?, settings, received.now)?))
    }
}

/// Handles `POST /account_groups`: opens an account group for a user.
///
/// # Errors
///
/// Fails if the user does not exist or is leaving, has too many account groups, or the number is taken.
pub async fn create(State(app): State<App>, req: Signed<CreateGroup>) -> Result<Reply, Problem> {
    let (ids, user, most) =
        (Arc::clone(&app.ids), req.operation.0.user_id, app.config.limits.accounts_per_user);
    let create = move |tx: &Tx<'_>,
                       req: &Signed<CreateGroup>,
                       sequence: &mut Sequence,
                       (user, key): (User, &UserKey)| {
        let (new, tenant_key) = (&req.operation.0, &req.client.tenant.key);
        if let Err(refusal) = about_user::is_not_leaving(&user) {
            return Ok(Err(refusal));
        }
        if accounts::of_user::<GroupDetails>(tx, sequence.tenant, user.id, key)?.len() >= most {
            return Ok(Err(about_user::too_many("account groups of this user")));
        }
        let Some(number) = free_number(tx, sequence.tenant, new, tenant_key, &*ids)? else {
            return Ok(Err(Problem::invalid("securities_account_number", "is taken")));
        };
        let term = SearchTerms::from([(SearchField::SecuritiesAccountNumber, number.clone())]);
        search_index::add(tx, (sequence.tenant, user.id), &term, tenant_key)?;
        let content =
            GroupDetails { kind: new.kind.clone(), securities_account_number: number, closure_reason: None };
        let (group, events) = AccountResource::open(ids.uuid(), &user, sequence.now, content);
        accounts::insert_and_publish(tx, sequence, &group, &events, key, &*ids)?;
        Ok(Ok(Reply::ok(GroupDetails::view(&group).to_string())))
    };
    about_user::write(&app, "account_groups.create", req, user, create).await
}

/// Returns the securities account number of the client, if no other group of the tenant has it, or else `None`. Without
/// a number of the client it returns a free random one.
fn free_number(
    tx: &Tx<'_>,
    tenant: i64,
    new: &NewGroup,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<Option<String>, StoreError> {
    let is_free = |number: &str| {
        let term = (SearchField::SecuritiesAccountNumber, number.to_owned());
        let taken = search_index::find(tx, tenant, &term, key, 1)?;
        Ok::<_, StoreError>(taken.is_empty())
    };
    if let Some(number) = &new.securities_account_number {
        return Ok(is_free(number)?.then(|| number.clone()));
    }
    loop {
        let mut random = [0; 8];
        ids.fill(&mut random);
        // A random number discloses nothing about other groups. It has nine digits, as all versions of the API accept.
        let number = (100_000_000 + u64::from_be_bytes(random) % 900_000_000).to_string();
        if is_free(&number)? {
            return Ok(Some(number));
        }
    }
}
