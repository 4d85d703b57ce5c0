//! Copies of a register, from each engine to each other: every table, every column, every row.

use std::collections::BTreeMap;

use investord::clock::Ids as _;
use investord::domain::accounts::{AccountResource, GroupDetails, SingleAccountDetails};
use investord::domain::administration::Act;
use investord::domain::delivery::webhook::NewWebhook;
use investord::domain::lockout::Failures;
use investord::domain::permissions::{Grant, Grants, Permissions, of_new_register};
use investord::domain::register_event::{RegisterActor, RegisterEvent, RegisterEventType, RegisterSubject};
use investord::domain::tenants::{TenantNumber, TenantSettings};
use investord::domain::users::check;
use investord::domain::users::check::Check;
use investord::domain::users::data_change::{DataChange, RequestedChange};
use investord::domain::users::review::Verdict;
use investord::domain::users::search::{SearchField, SearchTerms};
use investord::store::delivery::deliveries::Lease;
use investord::store::delivery::packages::Attempt;
use investord::store::delivery::webhooks::Webhook;
use investord::store::delivery::{deliveries, delivery_batch, event_endpoints, signing_keys, webhooks};
use investord::store::jobs::JobKind;
use investord::store::log::idempotency;
use investord::store::log::idempotency::{IdempotencyKey, Nonce};
use investord::store::log::register_events;
use investord::store::tenants::clients;
use investord::store::tenants::clients::ClientRow;
use investord::store::tenants::invitations;
use investord::store::tenants::operator_sessions;
use investord::store::tenants::operator_sessions::{Session, SessionKind};
use investord::store::tenants::operators;
use investord::store::tenants::operators::{Invited, Operator};
use investord::store::tenants::passkeys;
use investord::store::tenants::passkeys::PasskeyRow;
use investord::store::tenants::proposals;
use investord::store::tenants::proposals::{Proposal, ProposalContent, ProposalState};
use investord::store::tenants::register_settings;
use investord::store::tenants::reveals;
use investord::store::tenants::second_factors;
use investord::store::tenants::sign_in_failures;
use investord::store::tenants::signature_counts;
use investord::store::tenants::signature_counts::SignatureCount;
use investord::store::tenants::tokens;
use investord::store::tenants::tokens::TokenRow;
use investord::store::tools::chains;
use investord::store::tools::copy;
use investord::store::unit::Unit;
use investord::store::users::simulated_outcomes;
use investord::store::users::simulated_outcomes::SimulatedOutcome;
use investord::store::users::{checks, data_changes, search_index, tax_residencies};
use investord::store::{Stmt, Store, StoreError, Tx, Value, accounts, jobs, tenants, users};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::engine::Engine;
use crate::schema;
use crate::work::{Desk, desk, now};

/// More rows than are read at once.
const MANY: u128 = 1_100;

const CHORE: Stmt = Stmt {
    name: "test.chore",
    text: "INSERT INTO backfills (tenant, name, done, last) VALUES ($1, 'a', 0, 1)",
};

/// Fills every column of every table; those that may be empty are so in another row.
async fn fill(store: &Store) -> Vec<Desk> {
    let mut desks = Vec::new();
    for tenant in [1, 2, 7] {
        desks.push(desk(store, tenant).await);
    }
    for desk in &desks {
        for _ in 0..5 {
            store.write("test.register", desk.tenant, desk.unit()).await.unwrap();
        }
    }
    let first = desks[0].clone();
    store.write("test.fill", 1, speakers).await.unwrap();
    store.write("test.fill", 1, move |tx| requests(tx, &first)).await.unwrap();
    store.write_serializable("test.chore", |tx| tx.execute_one(&CHORE, &[Value::Int(7)])).await.unwrap();
    let last = desks[2].clone();
    let told = last.clone();
    store
        .write("test.fill", 7, move |tx| changes(tx, &last).and_then(|()| register(tx, &last)))
        .await
        .unwrap();
    store.write("test.fill", 7, move |tx| deliveries(tx, &told)).await.unwrap();
    desks
}

/// Webhooks, and what was sent to them.
fn deliveries(tx: &Tx<'_>, desk: &Desk) -> Result<(), StoreError> {
    for _ in 0..2 {
        desk.run(tx, |unit| signing_keys::rotate(unit))?;
    }
    let acceptor = desk.ids.uuid();
    event_endpoints::insert(tx, desk.tenant, acceptor, None, now())?;
    event_endpoints::insert(tx, desk.tenant, desk.ids.uuid(), Some("http://localhost/"), now())?;
    let new = br#"{"title":"One","url":"https://example.com/","config":{"max_package_size":100}}"#;
    let content = NewWebhook::parse(new, &TenantSettings::default(), now()).unwrap().content;
    let webhook = desk.run(tx, |unit| {
        webhooks::insert(unit, &Webhook::new(unit, content.clone(), true, Some(acceptor)))?;
        let webhook = Webhook::new(unit, content, true, None);
        webhooks::insert(unit, &webhook)?;
        webhooks::replay(tx, &webhook, 1)?;
        let quiet = Webhook { enabled: false, ..webhook.clone() };
        webhooks::update(unit, &webhook, &quiet)?;
        webhooks::update(unit, &quiet, &webhook)?;
        Ok(webhook)
    })?;
    let (of, lease, later) = (webhook.key(), desk.ids.uuid(), now() + SignedDuration::from_hours(1));
    let portion = delivery_batch::next_batch(tx, of, None, &desk.own.key, later)?.unwrap();
    assert!(deliveries::claim(tx, &portion, portion.webhook.version, lease, now())?);
    let attempt = |package, delivered| Attempt {
        package,
        number: 1,
        created_at: now(),
        duration_us: 1,
        outcome: if delivered { "delivered" } else { "timeout" },
        delivered,
        status: delivered.then_some(200),
        answer: if delivered { b"ok".to_vec() } else { Vec::new() },
    };
    let attempts = [attempt(1, true), attempt(2, false)];
    let lease = Lease { webhook: webhook.id, id: lease, failures: 0 };
    assert!(deliveries::record_results(tx, lease, &attempts, &desk.own.key, &*desk.ids, now())?.is_some());
    deliveries::release(tx, lease)?;
    let (next, far) = (desk.ids.uuid(), now() + SignedDuration::from_hours(1));
    let portion = delivery_batch::next_batch(tx, of, None, &desk.own.key, later)?.unwrap();
    assert!(deliveries::claim(tx, &portion, portion.webhook.version, next, far)?);
    Ok(())
}

/// What was asked to be changed of a user, and when it is due.
fn changes(tx: &Tx<'_>, desk: &Desk) -> Result<(), StoreError> {
    desk.run(tx, |unit| records(unit, desk))?;
    for (name, tenant) in [("anna", None), ("berta", Some(desk.tenant))] {
        let (id, password) = (desk.ids.uuid(), tenant.map(|_| "$argon2id$".to_owned()));
        let permissions = of_new_register("viewer").unwrap();
        let grant = Grant { role: "viewer".into(), permissions, tenant, tenant_name: None };
        let new = Operator {
            password,
            created_by: tenant.map(|_| id),
            used_at: tenant.map(|_| now()),
            ..Operator::new(id, name.to_owned(), Grants(vec![grant]), now())
        };
        operators::insert(tx, &new)?;
        if tenant.is_some() {
            operators::record_review(tx, id, now())?;
            let invited = Invited { at: now(), by: id, confirmed_by: Some(id) };
            operators::record_invitation(tx, id, Some(invited))?;
        }
        invitations::set(tx, id, &[u8::from(tenant.is_some()); 32], now(), now())?;
        proposals::insert(tx, &proposal(desk, id, tenant))?;
        if tenant.is_some() {
            second_factors::begin(tx, id, b"sealed")?;
            second_factors::confirm(tx, id, now(), 1)?;
            second_factors::replace_recovery_codes(tx, id, &[[1; 32], [2; 32]])?;
            operators::disable(tx, id, now())?;
        }
        let kind = if tenant.is_some() { SessionKind::Session } else { SessionKind::Token };
        let session = Session {
            expires: tenant.map(|_| now()),
            address: tenant.map(|_| "192.0.2.1".to_owned()),
            agent: tenant.map(|_| "test".to_owned()),
            permissions: tenant.map(|_| Permissions::parse("people:read record:read").unwrap()),
            ..Session::new(desk.ids.uuid(), kind, now())
        };
        operator_sessions::insert(tx, &[u8::from(tenant.is_some()); 32], id, &session)?;
        let passkey = PasskeyRow {
            id: desk.ids.uuid(),
            name: "key".to_owned(),
            credential: "{}".to_owned(),
            created_at: now(),
            used_at: tenant.map(|_| now()),
        };
        passkeys::insert(tx, id, &passkey)?;
        reveals::save(tx, session.id, desk.ids.uuid(), now())?;
        sign_in_failures::save(tx, &[u8::from(tenant.is_some()); 32], Failures { count: 1, last_at: now() })?;
    }
    Ok(())
}

/// An act that waits for a second person.
fn proposal(desk: &Desk, operator: Uuid, tenant: Option<TenantNumber>) -> Proposal {
    let content = ProposalContent {
        act: Act::SetFourEyes { four_eyes: false },
        old: serde_json::json!({ "four_eyes": true }),
        reason: "because".to_owned(),
        proposed_by: "anna".to_owned(),
        decided_by: None,
        decided_at: None,
        break_glass: tenant.is_some(),
        review: None,
    };
    let (id, session, expires) = (desk.ids.uuid(), desk.ids.uuid(), now());
    let (state, to_review) = (ProposalState::Waiting, tenant.is_some());
    let (created_at, proposed_by) = (now(), operator);
    Proposal { id, created_at, expires, state, proposed_by, session, content, to_review }
}

/// What is true of the register itself.
fn register(tx: &Tx<'_>, desk: &Desk) -> Result<(), StoreError> {
    operators::set_role(tx, "viewer", &Permissions::parse("people:read").unwrap())?;
    register_settings::set_four_eyes(tx, false)?;
    tenants::set_suspended(tx, desk.tenant, Some(now()))?;
    let (kind, subject) = (RegisterEventType::FourEyesChanged, RegisterSubject::Register);
    for _ in 0..2 {
        let event = RegisterEvent::new(kind, RegisterActor::Machine, subject.clone());
        register_events::record(tx, &*desk.ids, now(), &event)?;
    }
    Ok(())
}

/// What belongs to a user.
fn records(unit: &mut Unit<'_>, desk: &Desk) -> Result<(), StoreError> {
    let (user, _) = desk.register_in(unit)?;
    let asked = RequestedChange::parse(br#"{"email":"a@example.com"}"#, &TenantSettings::default(), now());
    for due in [Some(now()), None] {
        let change = DataChange::new(desk.ids.uuid(), user.id, now(), asked.clone().unwrap());
        data_changes::insert(unit, &user, &change)?;
        jobs::enqueue(unit.tx, &user, JobKind::DataChange, change.id, due)?;
    }
    let all = serde_json::json!([{ "country": "DE", "tax_identifier_number": "65929970489" }]);
    tax_residencies::set(unit, &user, all)?;
    simulated_outcomes::save(unit, &user, JobKind::Check, &SimulatedOutcome::default())?;
    let term = SearchTerms::from([(SearchField::SecuritiesAccountNumber, "123456789".to_owned())]);
    search_index::add(unit, &user, &term)?;
    let (found, _) = users::load_numbered(unit.tx, unit.tenant, user.number)?;
    let (kind, number, at) = ("PERSONAL".to_owned(), "123456789".to_owned(), unit.now());
    let mut check = Check::new(desk.ids.uuid(), user.id, at, check::CheckContent::compliance(now()));
    checks::insert_and_publish(unit, &user, &check)?;
    let verdict = Verdict { refusal: None, by: "somebody".to_owned() };
    let event = check.decide(verdict, at).expect("it was open");
    checks::update(unit, &user, &check, event)?;
    let group = GroupDetails { kind, securities_account_number: number, closure_reason: None };
    let (group, events) = AccountResource::open(desk.ids.uuid(), &found, at, group);
    accounts::insert_and_publish(unit, &user, &group, &events)?;
    let (kind, name) = ("TRADING".to_owned(), "Main".to_owned());
    let account = SingleAccountDetails { account_group_id: group.id, kind, account_number: 1, name };
    let (account, events) = AccountResource::open(desk.ids.uuid(), &found, at, account);
    accounts::insert_and_publish(unit, &user, &account, &events)
}

/// Who may speak for a tenant.
fn speakers(tx: &Tx<'_>) -> Result<(), StoreError> {
    for (number, declared) in [(1, None), (2, Some(b"declared\0\xff".to_vec())), (3, Some(Vec::new()))] {
        let (id, scopes) = (Uuid::from_u128(number), "users:read users:admin".to_owned());
        let secret = b"secret".to_vec();
        let last_refused = declared.as_ref().map(|_| (now(), "no nonce".to_owned()));
        let client = ClientRow {
            id,
            tenant: TenantNumber(2),
            secret,
            declared,
            scopes: scopes.clone(),
            created_at: now(),
            disabled_at: None,
            old_secret: None,
        };
        clients::insert(tx, &client)?;
        if number == 2 {
            clients::rotate_secret(tx, id, b"new", Some((b"old", now())))?;
            clients::set_disabled(tx, id, Some(now()))?;
        }
        let count = SignatureCount { since: now(), last_at: now(), taken: 2, refused: 1, last_refused };
        signature_counts::add(tx, id, &count)?;
        let (key, hash) = (Uuid::from_u128(number << 64), [u8::try_from(number).unwrap(); 32]);
        clients::insert_key(tx, key, id, b"", now(), (number == 2).then(now))?;
        if number == 2 {
            clients::record_key_use(tx, key, now())?;
            clients::revoke_key(tx, key, now())?;
        }
        tokens::insert(tx, &hash, &TokenRow { client: id, key, scopes, expires: now() })?;
    }
    Ok(())
}

/// What makes requests happen once.
fn requests(tx: &Tx<'_>, desk: &Desk) -> Result<(), StoreError> {
    desk.run(tx, |unit| repeatable(unit, desk))
}

fn repeatable(unit: &mut Unit<'_>, desk: &Desk) -> Result<(), StoreError> {
    let (user, view) = desk.register_in(unit)?;
    for number in 0..MANY {
        let until = now() + SignedDuration::from_secs(i64::try_from(number).unwrap());
        let hash = (number << 96 | number).to_be_bytes();
        assert!(idempotency::remember_nonce(unit.tx, &Nonce { hash, until, now: now() })?);
        // Names that one order of letters puts otherwise than another.
        let operation = ["POST /users", "post /users", "POST_/users", "PÖST /users"][number as usize % 4];
        let key_of_request = Uuid::from_u128(u128::MAX / (number + 1));
        let fingerprint = [u8::try_from(number % 256).unwrap(); 32];
        let once = IdempotencyKey {
            tenant: TenantNumber(1),
            operation,
            key: key_of_request,
            fingerprint,
            kept_since: now(),
        };
        let reply = if number < 10 { view.as_str() } else { "" };
        idempotency::keep_response(unit, &once, &user, 200, reply)?;
    }
    Ok(())
}

/// All rows of all tables in a form that is the same on each engine.
fn dump(engine: &Engine) -> BTreeMap<String, Vec<String>> {
    let dump_of = |(name, table): (String, schema::Table)| {
        let columns = table.columns.iter().map(|(column, kind, _)| match kind.as_str() {
            "blob" => format!("lower(hex({column}))"),
            "bytea" => format!("encode({column}, 'hex')"),
            "uuid" => format!("replace(CAST({column} AS TEXT), '-', '')"),
            _ => format!("CAST({column} AS TEXT)"),
        });
        // `hex` makes an empty text of nothing.
        let columns = columns.zip(&table.columns).map(|(shown, (column, ..))| {
            format!("CASE WHEN {column} IS NULL THEN '-' ELSE '+' || {shown} END")
        });
        let query = format!("SELECT {} FROM {name}", columns.collect::<Vec<_>>().join(", "));
        let mut rows: Vec<String> = engine.rows(&query).iter().map(|row| format!("{row:?}")).collect();
        rows.sort_unstable();
        (name, rows)
    };
    schema::tables(engine).into_iter().map(dump_of).collect()
}

async fn copy(from: &Store, to: &Store) {
    copy::check_target(from, to).await.unwrap();
    for table in copy::TABLES.iter() {
        copy::copy(table, from, to, |_| {}).await.unwrap();
        let contents = [copy::content(table, from, |_| {}).await, copy::content(table, to, |_| {}).await];
        let [content, copied] = contents.map(Result::unwrap);
        assert_eq!(content, copied, "{}", table.name);
        assert!(content.rows > 0, "{} is filled", table.name);
    }
    let chains = [chains::check_chains(from, |_| {}).await, chains::check_chains(to, |_| {}).await];
    let [events, copied] = chains.map(Result::unwrap);
    assert!(events > 0 && events == copied);
}

fn assert_same(one: &Engine, other: &Engine, what: &str) {
    let (one, other) = (dump(one), dump(other));
    for (table, rows) in &one {
        assert!(*rows == other[table], "{table} differs, {what}");
        let column = |row: &String, sign: &str| row.contains(sign);
        assert!(rows.iter().any(|row| column(row, "\"+")), "{table} is filled");
    }
    assert_eq!(one.len(), other.len());
}

async fn copied(from: Engine, to: Engine) {
    let (source, target) = (from.open(), to.open());
    let desks = fill(&source).await;
    copy(&source, &target).await;
    assert_same(&from, &to, "copied");
    copy(&source, &target).await;
    assert_same(&from, &to, "copied twice");
    // Every tenant goes on by itself, and users of before are changed.
    for desk in &desks {
        source.write("test.register", desk.tenant, desk.unit()).await.unwrap();
    }
    from.run("UPDATE users SET status = 'OFFBOARDED', updated_at = updated_at + 1000000000 WHERE number = 2");
    copy(&source, &target).await;
    assert_same(&from, &to, "gone on");
    // A copy that broke off goes on where it did, and brings what has changed meanwhile.
    for lost in [
        "DELETE FROM identifiers WHERE tenant >= 7",
        "DELETE FROM data_changes WHERE tenant >= 7",
        "DELETE FROM jobs WHERE tenant >= 7",
        "DELETE FROM accounts",
        "DELETE FROM account_groups",
        "DELETE FROM sessions",
        "DELETE FROM operator_grants",
        "DELETE FROM invitations",
        "DELETE FROM proposals",
        "UPDATE roles SET permissions = ''",
        "UPDATE register_settings SET value = 'true'",
        "DELETE FROM register_events WHERE number > 1",
        "UPDATE register_sequence SET events = 0",
        "DELETE FROM recovery_codes",
        "UPDATE operators SET totp_confirmed_at = NULL",
        "DELETE FROM webhooks WHERE event_endpoint IS NULL",
        "DELETE FROM webhook_event_ranges",
        "UPDATE webhook_packages SET attempts = 9",
        "DELETE FROM webhook_attempts",
        "DELETE FROM event_endpoints",
        "DELETE FROM signing_keys",
        "DELETE FROM simulated_outcomes",
        "UPDATE operators SET password = 'other'",
        "DELETE FROM checks",
        "DELETE FROM check_results",
        "DELETE FROM tax_residencies",
        "DELETE FROM search_index",
        "DELETE FROM users WHERE tenant = 7 AND number > 1 OR tenant > 7",
        "DELETE FROM events WHERE tenant > 1",
        "DELETE FROM client_keys",
        "DELETE FROM signature_counts",
        "DELETE FROM tokens",
        "UPDATE clients SET scopes = 'none'",
        "UPDATE tenant_sequences SET users = 0",
        "UPDATE tenants SET settings = '{}'",
        "DELETE FROM nonces WHERE until > 0",
    ] {
        to.run(lost);
    }
    assert!(dump(&from) != dump(&to));
    copy(&source, &target).await;
    assert_same(&from, &to, "copied again");
    copy::empty(&target).await.unwrap();
    assert!(dump(&to).values().all(Vec::is_empty), "emptied");
    copy(&source, &target).await;
    assert_same(&from, &to, "copied anew");
}

#[tokio::test]
async fn a_register_moves_from_sqlite_to_postgres() {
    let (Some(from), Some(to)) = (Engine::sqlite(), Engine::postgres()) else { return };
    copied(from, to).await;
}

#[tokio::test]
async fn a_register_moves_from_postgres_to_sqlite() {
    let (Some(from), Some(to)) = (Engine::postgres(), Engine::sqlite()) else { return };
    copied(from, to).await;
}

#[tokio::test]
async fn a_register_moves_through_a_pooler() {
    let (Some(from), Some(to)) = (Engine::pooled(), Engine::pooled()) else { return };
    copied(from, to).await;
}

/// The digest tells what a count would not.
#[tokio::test]
async fn a_digest_sees_one_changed_value() {
    let engine = Engine::sqlite().unwrap();
    let store = engine.open();
    fill(&store).await;
    for (table, change) in [
        ("tenants", "UPDATE tenants SET created_at = created_at + 1 WHERE number = 2"),
        ("users", "UPDATE users SET status = 'INACTIVE' WHERE tenant = 7 AND number = 5"),
        ("identifiers", "UPDATE identifiers SET updated_at = 0 WHERE tenant = 7"),
        ("data_changes", "UPDATE data_changes SET state = 'DONE'"),
        ("simulated_outcomes", "UPDATE simulated_outcomes SET kind = 'activation'"),
        ("operators", "UPDATE operators SET disabled_at = NULL"),
        ("operators", "UPDATE operators SET totp_last_step = 2 WHERE totp_last_step = 1"),
        (
            "recovery_codes",
            "UPDATE recovery_codes SET hash = x'00' WHERE hash = (SELECT min(hash) FROM recovery_codes)",
        ),
        ("sessions", "UPDATE sessions SET expires = NULL"),
        ("checks", "UPDATE checks SET status = 'FAILED'"),
        ("check_results", "UPDATE check_results SET sealed = x'00'"),
        ("signing_keys", "UPDATE signing_keys SET retired_at = NULL"),
        ("event_endpoints", "UPDATE event_endpoints SET seen_at = 0"),
        ("webhooks", "UPDATE webhooks SET settled = settled + 1"),
        ("webhook_event_ranges", "UPDATE webhook_event_ranges SET next = next + 1"),
        ("webhook_packages", "UPDATE webhook_packages SET state = 'skipped'"),
        ("webhook_attempts", "UPDATE webhook_attempts SET status = 204"),
        ("tax_residencies", "UPDATE tax_residencies SET updated_at = 0"),
        ("account_groups", "UPDATE account_groups SET updated_at = 0"),
        ("accounts", "UPDATE accounts SET sealed = x'00'"),
        (
            "search_index",
            "UPDATE search_index SET mac = x'00' WHERE mac = (SELECT min(mac) FROM search_index WHERE tenant = 7)",
        ),
        ("jobs", "UPDATE jobs SET due = 0 WHERE due IS NULL"),
        ("backfills", "UPDATE backfills SET done = 1"),
        ("events", "UPDATE events SET sealed = x'00' WHERE tenant = 7 AND number = 1"),
        (
            "idempotent_responses",
            "UPDATE idempotent_responses SET status = 201 WHERE operation = 'POST_/users'",
        ),
        ("nonces", "UPDATE nonces SET until = until + 1 WHERE until = (SELECT min(until) FROM nonces)"),
        ("tenant_sequences", "UPDATE tenant_sequences SET chain_hash = zeroblob(32) WHERE tenant = 1"),
        ("signature_counts", "UPDATE signature_counts SET refused = 0"),
        ("clients", "UPDATE clients SET declared = x'' WHERE declared IS NULL"),
        ("client_keys", "UPDATE client_keys SET revoked_at = 0 WHERE revoked_at IS NULL"),
        ("tokens", "UPDATE tokens SET scopes = ''"),
    ] {
        let table = copy::TABLES.iter().find(|known| known.name == table).unwrap();
        let before = copy::content(table, &store, |_| {}).await.unwrap();
        engine.run(change);
        let after = copy::content(table, &store, |_| {}).await.unwrap();
        assert_eq!(before.rows, after.rows);
        assert_ne!(before.digest, after.digest, "{change}");
    }
    assert!(chains::check_chains(&store, |_| {}).await.is_err(), "nor does a broken chain pass");
}
