//! The blind index: who is found, who shares a number, and how users of before migration V8 come to be found as others.

use std::collections::BTreeSet;

use investord::clock::Ids as _;
use investord::domain::identifier::{Change, Content, Identifier, Sent};
use investord::domain::search::{self, Field, Terms};
use investord::domain::tenant::Settings;
use investord::domain::user::{Person, User};
use investord::store::{Store, StoreError, Tx, chores, identifiers, terms, users};
use serde_json::json;
use uuid::Uuid;

use crate::bodies;
use crate::engine::Engine;
use crate::work::{Desk, desk, now};

on_every_engine!(users_of_before_are_found_as_others_are, who_shares_a_number_is_known_by_the_index);

fn muller(last: &str) -> Person {
    let mut body = bodies::with("last_name", json!(last));
    (body["first_name"], body["email"]) = (json!("Karl-Heinz"), json!("Heinz@Example.com"));
    Person::parse(body.to_string().as_bytes(), &Settings::default(), now()).ok().unwrap()
}

fn register(tx: &Tx<'_>, desk: &Desk, person: Person) -> Result<User, StoreError> {
    let (_, id, _) = desk.register(tx)?;
    let (mut user, key) = users::load(tx, desk.tenant, id, &desk.key)?.unwrap();
    let before = search::of_person(&user.person);
    user.person = person;
    users::update(tx, desk.tenant, &user, &key, &*desk.ids)?;
    terms::replace(tx, (desk.tenant, id), (&before, &search::of_person(&user.person)), &desk.key)?;
    Ok(user)
}

/// Gives a user a number, as the wire does.
fn give(tx: &Tx<'_>, desk: &Desk, user: &User, country: &str, value: &str) -> Result<Content, StoreError> {
    let body = json!({ "type": "NATIONAL_ID", "issuing_country": country, "identifier": value }).to_string();
    let sent = Sent::parse(body.as_bytes(), &Settings::default(), now()).ok().unwrap();
    let today = investord::domain::identifier::today(now());
    let content = sent.examined(&user.person.identity, &Settings::default(), today).ok().unwrap();
    let new = Identifier::new(desk.ids.uuid(), user.id, now(), content.clone());
    let key = users::key(tx, desk.tenant, &user.id, &desk.key)?;
    let own = search::of_identifiers(std::slice::from_ref(&new));
    identifiers::apply(tx, desk.tenant, &Change::Add(new), &key, &*desk.ids)?;
    terms::complete(tx, (desk.tenant, user.id), own, &desk.key)?;
    Ok(content)
}

async fn found(store: &Store, desk: &Desk, field: Field, value: &str) -> BTreeSet<Uuid> {
    let (desk, today) = (desk.clone(), investord::domain::identifier::today(now()));
    let probes = search::probes(field, value, today).unwrap();
    let read = move |tx: &Tx<'_>| {
        let mut all = BTreeSet::new();
        for probe in &probes {
            all.extend(terms::find(tx, desk.tenant, &probe.term, &desk.key, 10)?);
        }
        Ok::<_, StoreError>(all)
    };
    store.scan("test.find", read).await.unwrap()
}

async fn users_of_before_are_found_as_others_are(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    let unit = {
        let desk = desk.clone();
        move |tx: &Tx<'_>| {
            let user = register(tx, &desk, muller("Müller"))?;
            give(tx, &desk, &user, "FI", "131052-308T")?;
            let number = Terms::from([(Field::SecuritiesAccountNumber, "123456789".to_owned())]);
            terms::add(tx, (desk.tenant, user.id), &number, &desk.key)?;
            Ok::<_, StoreError>(user)
        }
    };
    let user = store.write("test.register", 1, unit).await.unwrap();
    let rows = engine.number("SELECT count(*) FROM terms");
    // As they were found before.
    let old = {
        let (desk, user) = (desk.clone(), user.clone());
        move |tx: &Tx<'_>| {
            let key = users::key(tx, desk.tenant, &user.id, &desk.key)?;
            let own = identifiers::of_user(tx, desk.tenant, user.id, &key)?;
            let (now, before) =
                (search::of_user(&user.person, &own), search::of_user_before_v8(&user.person, &own));
            terms::replace(tx, (desk.tenant, user.id), (&now, &before), &desk.key)
        }
    };
    store.write("test.old", 1, old.clone()).await.unwrap();
    for (field, value, _) in asked() {
        assert!(found(&store, &desk, field, value).await.is_empty(), "{value}");
    }

    let renew = {
        let (desk, user) = (desk.clone(), user.clone());
        move |tx: &Tx<'_>| {
            let key = users::key(tx, desk.tenant, &user.id, &desk.key)?;
            let own = identifiers::of_user(tx, desk.tenant, user.id, &key)?;
            terms::renew_if_due(tx, (desk.tenant, &user), &own, &desk.key)
        }
    };
    // Nothing is due: nothing is done.
    store.write("test.renew", 1, renew.clone()).await.unwrap();
    assert!(found(&store, &desk, Field::Name, "Mueller").await.is_empty());
    engine.run("INSERT INTO chores (tenant, name, done, last) VALUES (1, 'renew-terms', 0, 1)");
    for _ in 0..2 {
        store.write("test.renew", 1, renew.clone()).await.unwrap();
        for (field, value, is_found) in asked() {
            let all = found(&store, &desk, field, value).await;
            assert_eq!(all.contains(&user.id), is_found, "{value}");
        }
        assert_eq!(engine.number("SELECT count(*) FROM terms"), rows, "nothing of before is left");
    }
    let done = |tx: &Tx<'_>| chores::advance(tx, 1, terms::RENEW, (1, 1));
    store.write("test.done", 1, done).await.unwrap();
    assert_eq!(engine.number("SELECT count(*) FROM chores"), 0);
}

fn asked() -> [(Field, &'static str, bool); 5] {
    [
        (Field::Name, "Mueller", true),
        (Field::Name, "Heinz Muller", true),
        (Field::Name, "Heinz", false),
        (Field::Identifier, "131052-308t", true),
        (Field::Identifier, "131052+308T", false),
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
        let of = |user| identifiers::shared(tx, (1, user), [&content], &desk.key);
        Ok::<_, StoreError>([of(Some(one))?, of(Some(other))?, of(None)?])
    };
    let found = store.scan("test.shared", read).await.unwrap();
    let both: Vec<Uuid> = BTreeSet::from([one, other]).into_iter().collect();
    assert_eq!(found, [vec![vec![other]], vec![vec![one]], vec![both]]);
}
