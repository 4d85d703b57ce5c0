//! `/account_groups`: create; the other operations are in `account_resource.rs`.

use axum::extract::State;
use http::StatusCode;
use serde_json::Value;

use super::account_resource::{ADMIN, AccountEndpoints, CloseQuery, close_parameters};
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::change::{change_idempotently, is_not_leaving, load_user, too_many};
use crate::api::front::paging;
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{ACCOUNT_GROUPS, OperationDoc, PayloadDoc, request};
use crate::app::App;
use crate::domain::accounts::{
    AccountDetails, AccountGroup, AccountResource, CREATE_GROUP, GroupDetails, NewGroup,
};
use crate::domain::json::json_schema::of_type;
use crate::domain::resource::View;
use crate::domain::users::search::{SearchField, SearchTerms};
use crate::problem::Problem;
use crate::store::jobs::JobKind;
use crate::store::unit::Unit;
use crate::store::users::search_index;
use crate::store::{StoreError, accounts};

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
    const CLOSING: JobKind = JobKind::AccountGroupClosing;
    const CLOSE_DESCRIPTION: &'static str = "Begins to close an account group, which ends when no account in it is \
        open any more: they are not closed by it, and no new one can be opened. ACCOUNT_GROUP.CLOSING_INITIATED and \
        ACCOUNT_GROUP.CLOSED tell.";
    const ONE: PayloadDoc = PayloadDoc {
        description: "The account group.",
        media: "application/json",
        schema: of_type::<View<AccountGroup>>,
        examples: &[("group", include_str!("../../../../../api/examples/account-group.json"))],
    };
    const PAGE: PayloadDoc = PayloadDoc {
        description: "A page of the list.",
        media: "application/json",
        schema: |schemas| paging::named_schema("AccountGroupList", of_type::<View<AccountGroup>>, schemas),
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
    let most = app.config.limits.accounts_per_user;
    let work = move |unit: &mut Unit<'_>, req: &Signed<CreateGroup>| {
        let NewGroup { user_id, kind, securities_account_number } = &req.operation.0;
        let (user, handle) = load_user(unit, *user_id)?;
        is_not_leaving(&user)?;
        if accounts::count_of_user::<GroupDetails>(unit.tx, &handle)? >= most {
            return Err(too_many("account groups of this user").into());
        }
        let number = match securities_account_number {
            Some(number) if is_free(unit, number)? => number.clone(),
            Some(_) => return Err(Problem::invalid("securities_account_number", "is taken").into()),
            None => free_number(unit)?,
        };
        let term = SearchTerms::from([(SearchField::SecuritiesAccountNumber, number.clone())]);
        search_index::add(unit, &handle, &term)?;
        let content =
            GroupDetails { kind: kind.clone(), securities_account_number: number, closure_reason: None };
        let (group, events) = AccountResource::open(unit.ids.uuid(), &user, unit.now(), content);
        accounts::insert_and_publish(unit, &handle, &group, &events)?;
        Ok((handle, Reply::ok(GroupDetails::view(&group).to_string())))
    };
    change_idempotently(&app, "account_groups.create", req, work).await
}

/// Returns whether no group of the tenant has this securities account number.
fn is_free(unit: &Unit<'_>, number: &str) -> Result<bool, StoreError> {
    let term = (SearchField::SecuritiesAccountNumber, number.to_owned());
    Ok(search_index::find(unit.tx, unit.tenant, &term, 1)?.is_empty())
}

/// Returns a free random securities account number.
fn free_number(unit: &Unit<'_>) -> Result<String, StoreError> {
    loop {
        let mut random = [0; 8];
        unit.ids.fill(&mut random);
        // A random number discloses nothing about other groups. It has nine digits, as all versions of the API accept.
        let number = (100_000_000 + u64::from_be_bytes(random) % 900_000_000).to_string();
        if is_free(unit, &number)? {
            return Ok(number);
        }
    }
}
