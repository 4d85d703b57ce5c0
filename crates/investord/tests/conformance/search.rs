//! The blind index: who is found, who shares a number.

use std::collections::BTreeSet;

use investord::clock::Ids as _;
use investord::domain::identification::identifier::{
    Identifier, IdentifierChange, IdentifierContent, NewIdentifier,
};
use investord::domain::tenants::TenantSettings;
use investord::domain::users::User;
use investord::domain::users::person::Person;
use investord::domain::users::search;
use investord::domain::users::search::{SearchField, SearchTerms};
use investord::store::users::{identifiers, search_index};
use investord::store::{Store, StoreError, Tx, users};
use serde_json::json;
use uuid::Uuid;

use crate::bodies;
use crate::engine::Engine;
use crate::work::{Desk, desk, now};

on_every_engine!(missing_entries_are_added_and_none_twice, who_shares_a_number_is_known_by_the_index);

fn muller(last: &str) -> Person {
    let mut body = bodies::with("last_name", json!(last));
    (body["first_name"], body["email"]) = (json!("Karl-Heinz"), json!("Heinz@Example.com"));
    Person::parse(body.to_string().as_bytes(), &TenantSettings::default(), now()).ok().unwrap()
}

fn register(tx: &Tx<'_>, desk: &Desk, person: Person) -> Result<User, StoreError> {
    let (_, id, _) = desk.register(tx)?;
    let (mut user, key) = users::load(tx, desk.tenant, id, &desk.key)?.unwrap();
    let before = search::of_person(&user.person);
    user.person = person;
    users::update(tx, desk.tenant, &user, &key, &*desk.ids)?;
    search_index::replace(tx, (desk.tenant, id), (&before, &search::of_person(&user.person)), &desk.key)?;
    Ok(user)
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
    let key = users::key(tx, desk.tenant, &user.id, &desk.key)?;
    let own = search::of_identifiers(std::slice::from_ref(&new));
    identifiers::apply(tx, desk.tenant, &IdentifierChange::Add(new), &key, &*desk.ids)?;
    search_index::add_missing(tx, (desk.tenant, user.id), own, &desk.key)?;
    Ok(content)
}

async fn found(store: &Store, desk: &Desk, field: SearchField, value: &str) -> BTreeSet<Uuid> {
    let (desk, today) = (desk.clone(), investord::domain::identification::identifier::today(now()));
    let probes = search::to_probes(field, value, today).unwrap();
    let read = move |tx: &Tx<'_>| {
        let mut all = BTreeSet::new();
        for probe in &probes {
            all.extend(search_index::find(tx, desk.tenant, &probe.term, &desk.key, 10)?);
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
            search_index::add(tx, (desk.tenant, user.id), &number, &desk.key)?;
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
            let key = users::key(tx, desk.tenant, &user.id, &desk.key)?;
            let own = identifiers::of_user(tx, desk.tenant, user.id, &key)?;
            let mut terms = search::of_user(&user.person, &own);
            terms.insert((SearchField::SecuritiesAccountNumber, "123456789".to_owned()));
            search_index::add_missing(tx, (desk.tenant, user.id), terms, &desk.key)
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
        let of = |user| identifiers::list_sharing_users(tx, (1, user), [&content], &desk.key);
        Ok::<_, StoreError>([of(Some(one))?, of(Some(other))?, of(None)?])
    };
    let found = store.scan("test.shared", read).await.unwrap();
    let both: Vec<Uuid> = BTreeSet::from([one, other]).into_iter().collect();
    assert_eq!(found, [vec![vec![other]], vec![vec![one]], vec![both]]);
}
