//! Changes to the identifiers of a user.

use jiff::Timestamp;
use uuid::Uuid;

use super::User;
use crate::domain::identification::identifier::{Identifier, IdentifierChange, IdentifierContent, today};
use crate::domain::identification::new_identifier::NewIdentifier;
use crate::domain::json::schema::FieldError;
use crate::domain::tenants::TenantSettings;

/// Adds an identifier to those of a user. A user has one identifier of a country and standard: the same one again
/// changes nothing, another one is refused (decision I3).
///
/// # Errors
/// Fails as [`NewIdentifier::examine`] does, or if the user has another identifier of this country and standard.
pub fn add(
    held: &[Identifier],
    sent: &NewIdentifier,
    user: &User,
    settings: &TenantSettings,
    id: Uuid,
    now: Timestamp,
) -> Result<IdentifierChange, Vec<FieldError>> {
    let (identity, today) = (&user.person.identity, today(now));
    match held.iter().find(|one| sent.is_of(one.content.country, one.content.standard)) {
        None => {
            let content = sent.examine(identity, settings, today)?;
            Ok(IdentifierChange::Add(Identifier::new(id, user.id, now, content)))
        }
        Some(one) if one.content.is_concat() || one.content.reported == sent.reported(identity, today) => {
            Ok(IdentifierChange::None(one.clone()))
        }
        Some(one) => {
            let path = format!("/users/{}/identifiers/{}", user.id, one.id);
            let name = one.content.abbreviation();
            let message = format!("the user has another {name} already: change it by PATCH {path}");
            Err(vec![FieldError::new("identifier", message)])
        }
    }
}

/// Changes the value of an identifier.
///
/// # Errors
/// Fails if the value is not accepted, or if the identifier is a CONCAT.
pub fn update(
    one: &Identifier,
    value: &str,
    user: &User,
    settings: &TenantSettings,
    now: Timestamp,
) -> Result<IdentifierChange, Vec<FieldError>> {
    let content = one.content.with_value(value, &user.person.identity, settings, today(now))?;
    if content == one.content {
        return Ok(IdentifierChange::None(one.clone()));
    }
    Ok(IdentifierChange::Update(Identifier { updated_at: now, content, ..one.clone() }))
}

/// Returns the changes by which the identifiers of a user fit the data of the person: CONCATs are built anew, and the
/// one that the register adds by itself is added; a CONCAT that can no longer be built stays. A number whose reported
/// form changes is updated; responses show the same of it, so its instants stay.
pub fn refresh_concats(
    held: &[Identifier],
    user: &User,
    settings: &TenantSettings,
    id: Uuid,
    now: Timestamp,
) -> Vec<IdentifierChange> {
    let (identity, regime, on) = (&user.person.identity, settings.regime.into(), today(now));
    let concats = || held.iter().filter(|one| one.content.is_concat());
    let mut changes: Vec<IdentifierChange> = concats()
        .filter_map(|one| {
            let content = IdentifierContent::concat(one.content.country, identity, regime, on).ok()?;
            let changed = content != one.content;
            changed.then(|| IdentifierChange::Update(Identifier { updated_at: now, content, ..one.clone() }))
        })
        .collect();
    changes.extend(held.iter().filter_map(|one| {
        let content = one.content.with_current_form(identity, today(one.updated_at))?;
        Some(IdentifierChange::Update(Identifier { content, ..one.clone() }))
    }));
    let own = IdentifierContent::own_concat(identity, regime, on);
    let missing = own.filter(|own| concats().all(|one| one.content.country != own.country));
    changes.extend(missing.map(|content| IdentifierChange::Add(Identifier::new(id, user.id, now, content))));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::domain::users::Registration;
    use crate::domain::users::person::Person;

    fn person(name: &str, nationalities: &[&str]) -> Person {
        let body = json!({
            "first_name": "Anna", "last_name": name, "birth_date": "1980-05-17", "nationalities": nationalities,
            "address": { "address_line1": "", "postcode": "1", "city": "Wien", "country": "AT" },
        });
        Person::parse(body.to_string().as_bytes(), &TenantSettings::default(), at(1))
            .unwrap_or_else(|_| panic!())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// Applies new data of a person and returns the changes of the identifiers, by effect and value.
    fn remade(user: &mut User, held: &mut Vec<Identifier>, person: Person, second: i64) -> Vec<String> {
        user.person = person;
        let id = Uuid::from_u128(u128::from(second.unsigned_abs()));
        let changes = refresh_concats(held, user, &TenantSettings::default(), id, at(second));
        let told = changes.iter().map(|change| {
            let Identifier { content, .. } = change.identifier();
            format!(
                "{} {}",
                if matches!(change, IdentifierChange::Add(_)) { "add" } else { "update" },
                content.reported
            )
        });
        let told = told.collect();
        for change in changes {
            change.apply_to(held);
        }
        told
    }

    #[test]
    fn concats_follow_the_name_and_the_leading_nationality() {
        let settings = TenantSettings::default();
        let Registration { mut user, concat, .. } =
            User::register(person("Berg", &["DE"]), &settings, Uuid::nil(), at(0));
        let mut held = vec![Identifier::new(Uuid::nil(), user.id, at(0), concat.unwrap())];
        let mut remade = |person, second| remade(&mut user, &mut held, person, second);
        assert_eq!(remade(person("Berg", &["DE"]), 1), Vec::<String>::new());
        assert_eq!(remade(person("Thal", &["DE"]), 2), ["update DE19800517ANNA#THAL#"]);
        assert_eq!(remade(person("Thal", &["DE", "AT"]), 3), ["add AT19800517ANNA#THAL#"]);
        assert_eq!(
            remade(person("Au", &["PL"]), 4),
            ["update DE19800517ANNA#AU###", "update AT19800517ANNA#AU###"],
            "what is kept is kept right, whether it leads or not"
        );
        assert_eq!(remade(person("Ἀθηνᾶ", &["DE"]), 5), Vec::<String>::new(), "what cannot be made stays");
        let instants: Vec<_> = held.iter().map(|one| (one.created_at, one.updated_at)).collect();
        assert_eq!(instants, [(at(0), at(4)), (at(3), at(4))]);
    }
}
