//! The blind index: who is found, who shares a number.

use std::collections::BTreeSet;

use investord::clock::Ids as _;
use investord::domain::identification::identifier::{Identifier, IdentifierChange, IdentifierContent};
use investord::domain::identification::new_identifier::NewIdentifier;
use investord::domain::tenants::TenantSettings;
use investord::domain::users::User;
use investord::domain::users::person::Person;
use investord::domain::users::search;
use investord::domain::users::search::{SearchField, SearchTerms};
use investord::store::users::{identifiers, search_index};
use investord::store::{Store, StoreError, Tx, users};
use serde_json::json;
use testing::bodies;
use uuid::Uuid;

use crate::engine::Engine;
use crate::work::{Desk, desk, now};

on_every_engine!(
    missing_entries_are_added_and_none_twice,
    users_are_found_in_every_part_of_the_index,
    who_shares_a_number_is_known_by_the_index,
);

fn muller(last: &str) -> Person {
    let mut body = bodies::with("last_name", json!(last));
    (body["first_name"], body["email"]) = (json!("Karl-Heinz"), json!("Heinz@Example.com"));
    Person::parse(body.to_string().as_bytes(), &TenantSettings::default(), now()).ok().unwrap()
}

fn register(tx: &Tx<'_>, desk: &Desk, person: Person) -> Result<User, StoreError> {
    let (_, id, _) = desk.register(tx)?;
    desk.run(tx, |unit| {
        let (mut user, handle) = users::load(tx, &desk.own, id)?.unwrap();
        let before = search::of_person(&user.person);
        user.person = person;
        users::update(unit, &handle, &user)?;
        search_index::replace(unit, &handle, &before, &search::of_person(&user.person))?;
        Ok(user)
    })
}

/// Gives a user a number, as the wire does.
fn give(
    tx: &Tx<'_>,
    desk: &Desk,
    user: &User,
    country: &str,
    value: &str,
) -> Result<IdentifierContent, StoreError> {
    let body = json!({ "type": "NATIONAL_ID", "issuing_country": country, "identifier": value }).to_string();
    let sent = NewIdentifier::parse(body.as_bytes(), &TenantSettings::default(), now()).ok().unwrap();
    let today = investord::domain::identification::identifier::today(now());
    let content = sent.examine(&user.person.identity, &TenantSettings::default(), today).ok().unwrap();
    let new = Identifier::new(desk.ids.uuid(), user.id, now(), content.clone());
    let handle = users::find(tx, &desk.own, user.id)?.unwrap();
    let own = search::of_identifiers(std::slice::from_ref(&new));
    desk.run(tx, |unit| {
        identifiers::apply(unit, &handle, &IdentifierChange::Add(new))?;
        search_index::add_missing(unit, &handle, &own)
    })?;
    Ok(content)
}

async fn found(store: &Store, desk: &Desk, field: SearchField, value: &str) -> BTreeSet<Uuid> {
    let (desk, today) = (desk.clone(), investord::domain::identification::identifier::today(now()));
    let probes = search::to_probes(field, value, today).unwrap();
    let read = move |tx: &Tx<'_>| {
        let mut all = BTreeSet::new();
        for probe in &probes {
            for number in search_index::find(tx, &desk.own, &probe.term, 10)? {
                all.insert(users::find_numbered(tx, &desk.own, number)?.id);
            }
        }
        Ok::<_, StoreError>(all)
    };
    store.scan("test.find", read).await.unwrap()
}

async fn missing_entries_are_added_and_none_twice(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    let unit = {
        let desk = desk.clone();
        move |tx: &Tx<'_>| {
            let user = register(tx, &desk, muller("Müller"))?;
            give(tx, &desk, &user, "FI", "131052-308T")?;
            let number = SearchTerms::from([(SearchField::SecuritiesAccountNumber, "123456789".to_owned())]);
            let handle = users::find(tx, &desk.own, user.id)?.unwrap();
            desk.run(tx, |unit| search_index::add(unit, &handle, &number))?;
            Ok::<_, StoreError>(user)
        }
    };
    let user = store.write("test.register", 1, unit).await.unwrap();
    let rows = engine.number("SELECT count(*) FROM search_index");
    for emptied in [true, false] {
        if emptied {
            engine.run(
                "DELETE FROM search_index WHERE mac IN (SELECT mac FROM search_index ORDER BY mac LIMIT 1)",
            );
            assert_eq!(engine.number("SELECT count(*) FROM search_index"), rows - 1);
        }
        let (desk, user) = (desk.clone(), user.clone());
        let add = move |tx: &Tx<'_>| {
            let handle = users::find(tx, &desk.own, user.id)?.unwrap();
            let own = identifiers::of_user(tx, &handle)?;
            let mut terms = search::of_user(&user.person, &own);
            terms.insert((SearchField::SecuritiesAccountNumber, "123456789".to_owned()));
            desk.run(tx, |unit| search_index::add_missing(unit, &handle, &terms))
        };
        store.write("test.add", 1, add).await.unwrap();
        assert_eq!(engine.number("SELECT count(*) FROM search_index"), rows);
    }
    for (field, value, is_found) in asked() {
        let all = found(&store, &desk, field, value).await;
        assert_eq!(all.contains(&user.id), is_found, "{value}");
    }
}

fn asked() -> [(SearchField, &'static str, bool); 5] {
    [
        (SearchField::Name, "Mueller", true),
        (SearchField::Name, "Heinz Muller", true),
        (SearchField::Name, "Heinz", false),
        (SearchField::Identifier, "131052-308t", true),
        (SearchField::Identifier, "131052+308T", false),
    ]
}

async fn users_are_found_in_every_part_of_the_index(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    let mut users = BTreeSet::new();
    // The first and last number of a part, and parts with none in between.
    for before in [0, 1_022, 1_023, 2_047, 500_000] {
        engine.run(&format!("UPDATE tenant_sequences SET users = {before} WHERE tenant = 1"));
        let own = desk.clone();
        let unit = move |tx: &Tx<'_>| register(tx, &own, muller("Müller"));
        users.insert(store.write("test.register", 1, unit).await.unwrap().id);
        for (field, value) in [(SearchField::Name, "Muller"), (SearchField::Email, "heinz@example.com")] {
            assert_eq!(found(&store, &desk, field, value).await, users, "{value}, after {before}");
        }
    }
    assert!(engine.number("SELECT count(DISTINCT part) FROM search_index") >= 4);
}

async fn who_shares_a_number_is_known_by_the_index(engine: &Engine) {
    let store = engine.open();
    let (desk, other_desk) = (desk(&store, 1).await, desk(&store, 2).await);
    let unit = {
        let desk = desk.clone();
        move |tx: &Tx<'_>| {
            let all = ["A", "B", "C"].map(|last| register(tx, &desk, muller(&format!("{last}x"))));
            let [one, other, third] = all.map(Result::unwrap);
            let content = give(tx, &desk, &one, "CZ", "535517/319")?;
            give(tx, &desk, &other, "CZ", "535517319")?;
            // The same digits, given by the neighbour.
            give(tx, &desk, &third, "SK", "535517319")?;
            Ok::<_, StoreError>((content, one.id, other.id))
        }
    };
    let (content, one, other) = store.write("test.register", 1, unit).await.unwrap();
    let foreign = {
        let desk = other_desk.clone();
        move |tx: &Tx<'_>| {
            let user = register(tx, &desk, muller("Dx"))?;
            give(tx, &desk, &user, "CZ", "535517/319").map(|_| ())
        }
    };
    store.write("test.register", 2, foreign).await.unwrap();
    let read = move |tx: &Tx<'_>| {
        let of = |user: Option<Uuid>| {
            let user = user.map(|id| users::find(tx, &desk.own, id).unwrap().unwrap());
            identifiers::list_sharing_users(tx, &desk.own, user.as_ref(), [&content])
        };
        Ok::<_, StoreError>([of(Some(one))?, of(Some(other))?, of(None)?])
    };
    let found = store.scan("test.shared", read).await.unwrap();
    let both: Vec<Uuid> = BTreeSet::from([one, other]).into_iter().collect();
    assert_eq!(found, [vec![vec![other]], vec![vec![one]], vec![both]]);
}
