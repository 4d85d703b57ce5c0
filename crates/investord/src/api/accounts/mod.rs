//! `/accounts`: create and rename; the other operations are in `account_resource.rs`.

pub(in crate::api) mod account_groups;
pub(in crate::api) mod account_resource;

use axum::extract::State;
use http::StatusCode;
use uuid::Uuid;

use super::front::paging;
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::change::{change, change_idempotently, is_not_leaving, load_user, too_many};
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{ACCOUNTS, OperationDoc, PayloadDoc, path_id, request};
use crate::app::App;
use crate::domain::accounts::{
    Account, AccountDetails, AccountResource, AccountStatus, CREATE_ACCOUNT, GroupDetails, NewAccount,
    SingleAccountDetails, UPDATE_ACCOUNT, parse_update,
};
use crate::domain::json::json_schema::of_type;
use crate::domain::resource::View;
use crate::problem::Problem;
use crate::store::accounts;
use crate::store::jobs::JobKind;
use crate::store::unit::Unit;
use account_resource::{ADMIN, AccountEndpoints};

impl AccountEndpoints for SingleAccountDetails {
    const TAG: &'static str = ACCOUNTS;
    const LIST: (&'static str, &'static str) = ("GET /accounts", "list_accounts");
    const OF_USER: (&'static str, &'static str) = ("GET /users/{user_id}/accounts", "list_user_accounts");
    const READ: (&'static str, &'static str) = ("GET /accounts/{account_id}", "retrieve_account");
    const CLOSE: (&'static str, &'static str) = ("DELETE /accounts/{account_id}", "account_closure");
    const ID: &'static str = "account_id";
    const CLOSING: JobKind = JobKind::AccountClosing;
    const CLOSE_DESCRIPTION: &'static str =
        "Begins to close an account. ACCOUNT.CLOSING_INITIATED and ACCOUNT.CLOSED tell.";
    const ONE: PayloadDoc = PayloadDoc {
        description: "The account.",
        media: "application/json",
        schema: of_type::<View<Account>>,
        examples: &[("account", include_str!("../../../../../api/examples/account.json"))],
    };
    const PAGE: PayloadDoc = PayloadDoc {
        description: "A page of the list.",
        media: "application/json",
        schema: |schemas| paging::named_schema("AccountList", of_type::<View<Account>>, schemas),
        examples: &[("page", include_str!("../../../../../api/examples/account-list.json"))],
    };
}

/// A request to create an account.
pub struct CreateAccount(NewAccount);

impl Operation for CreateAccount {
    const OPERATION: &'static str = "POST /accounts";
    const SCOPES: &'static [&'static str] = ADMIN;
    const IDEMPOTENT: bool = true;
    const REFUSALS: &'static [StatusCode] = &[StatusCode::NOT_FOUND];
    const DOC: OperationDoc = OperationDoc {
        tag: ACCOUNTS,
        id: "create_account",
        summary: "Create an account",
        description: "Opens an account in an account group of a user. It is ACTIVE at once if the user is, else when \
            the user becomes so.",
        parameters: Vec::new,
        request: Some(PayloadDoc {
            description: "The account.",
            media: "application/json",
            schema: |schemas| request(&CREATE_ACCOUNT, schemas),
            examples: &[("account", include_str!("../../../../../api/examples/create-account.json"))],
        }),
        answer: SingleAccountDetails::ONE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let settings = &received.client.tenant.settings;
        Ok(Self(NewAccount::parse(received.json()?, settings, received.now)?))
    }
}

/// Handles `POST /accounts`: opens an account in an account group of a user.
///
/// # Errors
///
/// Fails if the user or the group does not exist or is leaving or closing, or the user has too many accounts.
pub async fn create(State(app): State<App>, req: Signed<CreateAccount>) -> Result<Reply, Problem> {
    let most = app.config.limits.accounts_per_user;
    let work = move |unit: &mut Unit<'_>, req: &Signed<CreateAccount>| {
        let (user, handle) = load_user(unit, req.operation.0.user_id)?;
        is_not_leaving(&user)?;
        let new = &req.operation.0;
        let group = accounts::by_id::<GroupDetails>(unit.tx, unit.tenant, new.account_group_id)?;
        let group = group.ok_or(Problem::NotFound("account group"))?;
        if group.user_id != user.id {
            return Err(Problem::invalid("account_group_id", "is a group of another user").into());
        }
        match group.status {
            AccountStatus::PendingApproval | AccountStatus::Active => {}
            AccountStatus::Closing | AccountStatus::Closed | AccountStatus::Locked => {
                return Err(Problem::Closed("the account group is closing, closed or locked").into());
            }
        }
        if accounts::count_of_user::<SingleAccountDetails>(unit.tx, &handle)? >= most {
            return Err(too_many("accounts of this user").into());
        }
        let number = accounts::next_number_in(unit.tx, unit.tenant.number, group.id)?;
        let (account, events) =
            AccountResource::open(unit.ids.uuid(), &user, unit.now(), new.with_number(number));
        accounts::insert_and_publish(unit, &handle, &account, &events)?;
        Ok((handle, Reply::ok(SingleAccountDetails::view(&account).to_string())))
    };
    change_idempotently(&app, "accounts.create", req, work).await
}

/// A request to rename an account.
pub struct UpdateAccount {
    id: Uuid,
    name: Option<String>,
}

impl Operation for UpdateAccount {
    const OPERATION: &'static str = "PATCH /accounts/{account_id}";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const DOC: OperationDoc = OperationDoc {
        tag: ACCOUNTS,
        id: "update_account",
        summary: "Update an account",
        description: "Gives an account another name, which ACCOUNT.UPDATED tells. The same name is no change.",
        parameters: || vec![path_id("account_id", "Its id.")],
        request: Some(PayloadDoc {
            description: "The new name.",
            media: "application/json",
            schema: |schemas| request(&UPDATE_ACCOUNT, schemas),
            examples: &[("name", include_str!("../../../../../api/examples/update-account.json"))],
        }),
        answer: SingleAccountDetails::ONE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let id = received.path_id(1).ok_or(Problem::NotFound("account"))?;
        let settings = &received.client.tenant.settings;
        Ok(Self { id, name: parse_update(received.json()?, settings, received.now)? })
    }
}

/// Handles `PATCH /accounts/{account_id}`: renames an account.
///
/// # Errors
///
/// Fails if the account does not exist, or is closed or locked.
pub async fn update(State(app): State<App>, req: Signed<UpdateAccount>) -> Result<Reply, Problem> {
    let work = |unit: &mut Unit<'_>, req: &Signed<UpdateAccount>| {
        let account: Option<Account> = accounts::by_id(unit.tx, unit.tenant, req.operation.id)?;
        let mut account = account.ok_or(Problem::NotFound("account"))?;
        match account.status {
            AccountStatus::PendingApproval | AccountStatus::Active | AccountStatus::Closing => {}
            AccountStatus::Closed | AccountStatus::Locked => {
                return Err(Problem::Closed("the account is closed or locked").into());
            }
        }
        if let Some(event) = account.rename(req.operation.name.as_deref(), unit.now()) {
            let (_, handle) = load_user(unit, account.user_id)?;
            accounts::update(unit, &handle, &account, event)?;
        }
        Ok(Reply::ok(SingleAccountDetails::view(&account).to_string()))
    };
    change(&app, "accounts.update", req, work).await
}
