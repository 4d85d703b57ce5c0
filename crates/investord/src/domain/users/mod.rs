//! Users: natural persons in the register of a tenant, and their life cycle.
//!
//! Fields, bounds and presence rules follow the API reference pages "Users" (BYOL, TOL) in the versions of the README.

pub mod activation;
pub mod check;
pub mod data_change;
pub mod history;
pub mod preview;
pub mod review;
pub mod search;
pub mod spelling;
pub mod tax_residency;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::identification::reporting;
use super::tenants::{Requirement, TenantSettings};
use crate::domain::delivery::event::EventType;
use crate::domain::identification::identifier::{IdentifierContent, today};
use crate::domain::identification::reportable_person::ReportablePerson;
use crate::domain::json::schema::{Field, FieldError, FieldRule, ObjectSchema, Pattern, Presence, field};
use crate::domain::json::validation::{parse, read};
use activation::Obstacle;
use check::Check;

static POSTCODE: Pattern =
    Pattern::new(r"^[a-zA-Z0-9\s\-]{1,10}$", "1 to 10 letters from A to Z, digits, blanks or hyphens");
static PHONE: Pattern = Pattern::new(r"^([0-9]{8,15})?$", "8 to 15 digits, without + and blanks, or empty");
static SOCIAL_SECURITY: Pattern = Pattern::new(
    r"^([0-9]{2}(0[1-9]|[12][0-9]|3[01])(0[1-9]|1[0-2])[0-9]{2}[A-Z][0-9]{3})?$",
    "2 digits, the birth date (DDMMYY), a capital letter and 3 digits, as in 15070649C103, or empty",
);

pub static ADDRESS: ObjectSchema = ObjectSchema {
    name: "Address",
    fields: &[
        field(
            "address_line1",
            Presence::Always,
            FieldRule::Text { min: 0, max: 100 },
            "First line of the address.",
        ),
        field(
            "address_line2",
            Presence::No,
            FieldRule::Text { min: 0, max: 100 },
            "Second line of the address.",
        ),
        field("postcode", Presence::Always, FieldRule::Pattern(&POSTCODE), "Postal code."),
        field("city", Presence::Always, FieldRule::Text { min: 1, max: 85 }, "City."),
        field("state", Presence::No, FieldRule::Text { min: 0, max: 50 }, "State, province or county."),
        field("country", Presence::Always, FieldRule::Country, "ISO 3166-1 alpha-2 code."),
    ],
};

static ADDRESS_RULE: FieldRule = FieldRule::OpenObject(&ADDRESS);

static CONSENT: ObjectSchema = ObjectSchema {
    name: "Consent",
    fields: &[
        field("consent_document_id", Presence::Always, FieldRule::Uuid, "The document consented to."),
        field("confirmed_at", Presence::Always, FieldRule::Instant, "When the user consented."),
    ],
};

static FATCA: ObjectSchema = ObjectSchema {
    name: "Fatca",
    fields: &[
        field(
            "status",
            Presence::Always,
            FieldRule::Bool,
            "Whether the user is subject to paying taxes in the US.",
        ),
        field("confirmed_at", Presence::Always, FieldRule::Instant, "When the user confirmed the status."),
    ],
};

/// Earliest birth date: earlier ones are refused as typing errors (decision U5).
pub const EARLIEST_BIRTH: Date = date(1900, 1, 1);
/// Maximum number of nationalities: as many as there are countries; duplicates count.
pub const MAX_NATIONALITIES: usize = 250;

const SALUTATIONS: &[&str] =
    &["", "SALUTATION_MALE", "SALUTATION_FEMALE", "SALUTATION_FEMALE_MARRIED", "SALUTATION_DIVERSE"];
const TITLES: &[&str] = &["", "DR", "PROF", "PROF_DR", "DIPL_ING", "MAGISTER"];
const GENDERS: &[&str] = &["", "MALE", "FEMALE", "DIVERSE"];

pub const FIRST_NAME: Field = field(
    "first_name",
    Presence::Always,
    FieldRule::Text { min: 2, max: 100 },
    "All first and middle names.",
);
pub const LAST_NAME: Field =
    field("last_name", Presence::Always, FieldRule::Text { min: 2, max: 100 }, "Last name.");
pub const SALUTATION: Field =
    field("salutation", Presence::No, FieldRule::OneOf(SALUTATIONS), "Salutation in reports and statements.");
pub const GENDER: Field = field("gender", Presence::No, FieldRule::OneOf(GENDERS), "Gender.");
pub const BIRTH_DATE: Field = field(
    "birth_date",
    Presence::Always,
    FieldRule::BirthDate { earliest: EARLIEST_BIRTH },
    "Birth date, YYYY-MM-DD.",
);
pub const NATIONALITIES: Field = field(
    "nationalities",
    Presence::Always,
    FieldRule::List { item: &FieldRule::Country, min: 1, max: MAX_NATIONALITIES, unique: false },
    "Nationalities, ISO 3166-1 alpha-2.",
);

pub const TITLE: Field =
    field("title", Presence::No, FieldRule::OneOf(TITLES), "Title in reports and statements.");
pub const BIRTH_CITY: Field =
    field("birth_city", Presence::Tol, FieldRule::Text { min: 1, max: 85 }, "City of birth.");
pub const BIRTH_COUNTRY: Field =
    field("birth_country", Presence::Tol, FieldRule::Country, "Country of birth, ISO 3166-1 alpha-2.");
pub const BIRTH_NAME: Field =
    field("birth_name", Presence::No, FieldRule::Text { min: 0, max: 100 }, "Birth name.");
pub const POSTAL_ADDRESS: Field = field(
    "postal_address",
    Presence::No,
    FieldRule::OrNull(&ADDRESS_RULE),
    "Postal address: a copy of the address when absent, none when null.",
);
pub const RESIDENCE: Field =
    field("address", Presence::Always, FieldRule::OpenObject(&ADDRESS), "Residential address.");
pub const EMAIL: Field = field("email", Presence::Tol, FieldRule::Email { max: 100 }, "E-mail address.");
pub const PHONE_NUMBER: Field =
    field("phone_number", Presence::No, FieldRule::Pattern(&PHONE), "Phone number, digits only.");
pub const SOCIAL_SECURITY_NUMBER: Field = field(
    "social_security_number",
    Presence::No,
    FieldRule::Pattern(&SOCIAL_SECURITY),
    "German social security number.",
);
pub const BRANCH_ID: Field =
    field("branch_id", Presence::No, FieldRule::Uuid, "Branch that the user belongs to.");
pub const TAGS: Field = field(
    "tags",
    Presence::No,
    FieldRule::List { item: &FieldRule::OneOf(&["CLIENT_EMPLOYEE"]), min: 0, max: 1, unique: true },
    "Tags; left out of the answer when there is none.",
);
pub const DECEASE_DATE: Field = field(
    "decease_date",
    Presence::No,
    FieldRule::DateOrEmpty,
    "Date of death; empty for none. Left out of answers until it is set, null once it is taken back.",
);

/// The body of `POST /users` for both operating models, with the newest additions (decision W8).
pub static CREATE: ObjectSchema = ObjectSchema { name: "CreateUser", fields: CREATE_MEMBERS };

static CREATE_MEMBERS: &[Field] = &[
    FIRST_NAME,
    LAST_NAME,
    SALUTATION.or("\"\""),
    TITLE.or("\"\""),
    GENDER,
    BIRTH_DATE,
    BIRTH_CITY,
    BIRTH_COUNTRY,
    BIRTH_NAME,
    NATIONALITIES,
    POSTAL_ADDRESS,
    RESIDENCE,
    EMAIL,
    PHONE_NUMBER,
    field("fatca", Presence::Tol, FieldRule::OpenObject(&FATCA), "FATCA status."),
    field(
        "terms_and_conditions",
        Presence::Tol,
        FieldRule::OpenObject(&CONSENT),
        "Consent to the terms and conditions.",
    ),
    field(
        "data_privacy_and_sharing_agreement",
        Presence::Tol,
        FieldRule::OpenObject(&CONSENT),
        "Consent to the data privacy and sharing agreement.",
    ),
    SOCIAL_SECURITY_NUMBER,
    BRANCH_ID,
    TAGS,
    DECEASE_DATE,
];

/// The data of a person in the register: validated members in the form of a response, with their defaults.
#[derive(Clone, PartialEq)]
pub struct Person {
    /// A JSON object, the part of a response that is personal data.
    pub json: String,
    pub identity: ReportablePerson,
    /// Whether the postal address is a copy and moves with the address (decision U4).
    pub postal_follows_address: bool,
}

impl Person {
    /// Parses the body of a create request. Dates are compared with `now`.
    /// # Errors
    /// Fails with all field errors.
    pub fn parse(body: &[u8], settings: &TenantSettings, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let tree = parse(body)?;
        let sent = read(&CREATE, &tree, settings, today(now))?;
        Self::from_fields(sent).ok_or_else(|| vec![FieldError::new("(root)", "is no person")])
    }

    /// Restores a person from its stored form. Beside it is stored whether the postal address was a copy.
    pub fn from_stored(json: &str, postal_follows_address: bool) -> Option<Self> {
        let identity = ReportablePerson::of(&serde_json::from_str(json).ok()?)?;
        Some(Self { json: json.to_owned(), identity, postal_follows_address })
    }

    /// Returns the same person with only these members changed. A postal address that was a copy of the address moves
    /// with it (decision U4); empty `tags` are left out, a date of death is `null` once it is taken back.
    pub fn with_changes(&self, members: &Map<String, Value>) -> Option<Self> {
        let mut all: Map<String, Value> = serde_json::from_str(&self.json).ok()?;
        let mut follows = self.postal_follows_address;
        if members.contains_key("postal_address") {
            follows = false;
        } else if follows && let Some(address) = members.get("address") {
            all.insert("postal_address".to_owned(), address.clone());
        }
        let was_set = all.contains_key(DECEASE_DATE.name);
        all.extend(members.clone());
        if !was_set {
            remove_unset_decease_date(&mut all);
        }
        // In the order of the reference, like the result of a create request.
        let mut ordered = Map::new();
        for Field { name, .. } in CREATE_MEMBERS {
            match all.remove(*name) {
                Some(tags) if *name == "tags" && tags == json!([]) => {}
                Some(value) => drop(ordered.insert((*name).to_owned(), value)),
                None => {}
            }
        }
        let identity = ReportablePerson::of(&ordered)?;
        Some(Self { json: Value::Object(ordered).to_string(), identity, postal_follows_address: follows })
    }

    fn from_fields(mut members: Map<String, Value>) -> Option<Self> {
        if members.get("tags").is_some_and(|tags| *tags == json!([])) {
            members.remove("tags");
        }
        remove_unset_decease_date(&mut members);
        for field in ["salutation", "title"] {
            members.entry(field).or_insert_with(|| json!(""));
        }
        let postal_follows_address = !members.contains_key("postal_address");
        if postal_follows_address && let Some(address) = members.get("address").cloned() {
            members.insert("postal_address".to_owned(), address);
        }
        let identity = ReportablePerson::of(&members)?;
        Some(Self { json: Value::Object(members).to_string(), identity, postal_follows_address })
    }
}

/// Removes an empty date of death, because no date was ever set (decision W26).
fn remove_unset_decease_date(members: &mut Map<String, Value>) {
    if members.get(DECEASE_DATE.name).is_some_and(Value::is_null) {
        members.remove(DECEASE_DATE.name);
    }
}

/// The status of a user in the life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserStatus {
    Active,
    Inactive,
    Offboarding,
    Offboarded,
}

impl UserStatus {
    pub const ALL: [UserStatus; 4] =
        [UserStatus::Active, UserStatus::Inactive, UserStatus::Offboarding, UserStatus::Offboarded];

    pub const fn as_str(self) -> &'static str {
        match self {
            UserStatus::Active => "ACTIVE",
            UserStatus::Inactive => "INACTIVE",
            UserStatus::Offboarding => "OFFBOARDING",
            UserStatus::Offboarded => "OFFBOARDED",
        }
    }
}

impl FromStr for UserStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| format!("'{text}' is not the status of a user"))
    }
}

/// A user of a tenant.
#[derive(Clone)]
pub struct User {
    pub id: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub status: UserStatus,
    /// Whether an operator has deactivated the user, who then stays inactive until an operator undoes it.
    pub suspended: bool,
    pub person: Person,
}

/// A new user, with the CONCAT and the events of the registration.
pub struct Registration {
    pub user: User,
    /// The CONCAT that the register has built, if that is the first priority of the leading nationality.
    pub concat: Option<IdentifierContent>,
    pub events: Vec<EventType>,
}

/// The error for a user who is leaving or has left, from where there is no way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserIsLeaving;

/// The evidence for the activation of a user; evidence for requirements that the tenant does not set may be absent.
#[derive(Default)]
pub struct ActivationEvidence<'a> {
    pub identifiers: Vec<&'a IdentifierContent>,
    pub checks: Vec<Check>,
    pub has_tax_residency: bool,
}

impl User {
    /// Takes a person into the register and returns the user with the events.
    ///
    /// A user whose requirements are met is active at once (decision U2). Without a further request only the identifier
    /// can be there: a CONCAT, which the register builds if Annex II of RTS 22 names it first for the leading
    /// nationality.
    pub fn register(person: Person, settings: &TenantSettings, id: Uuid, now: Timestamp) -> Registration {
        let concat = IdentifierContent::own_concat(&person.identity, settings.regime.into());
        let (status, suspended) = (UserStatus::Inactive, false);
        let mut user = User { id, created_at: now, updated_at: now, status, suspended, person };
        let mut events = vec![EventType::UserCreated];
        let standing =
            ActivationEvidence { identifiers: concat.iter().collect(), ..ActivationEvidence::default() };
        events.extend(user.activate_if_complete(&standing, settings, now));
        Registration { user, concat, events }
    }

    /// Activates a user whose requirements are met and returns the event.
    pub fn activate_if_complete(
        &mut self,
        standing: &ActivationEvidence<'_>,
        settings: &TenantSettings,
        now: Timestamp,
    ) -> Option<EventType> {
        if !self.awaits_activation() {
            return None;
        }
        let met = self.unmet_requirements(standing, settings).is_empty();
        met.then(|| self.set_status(UserStatus::Active, now, EventType::UserActivated))
    }

    /// Lists the requirements for activation under these settings that the user does not meet.
    pub fn unmet_requirements(
        &self,
        standing: &ActivationEvidence<'_>,
        settings: &TenantSettings,
    ) -> Vec<Obstacle> {
        let (person, regime) = (&self.person.identity, settings.regime.into());
        let mut unmet = Vec::new();
        for requirement in settings.activation_requires.iter() {
            match requirement {
                Requirement::Identifiers => {
                    unmet.extend(reporting::unmet_requirements(
                        person,
                        standing.identifiers.iter().copied(),
                        regime,
                    ));
                }
                Requirement::Checks => unmet.extend(check::unmet_requirements(&standing.checks)),
                Requirement::TaxResidency if standing.has_tax_residency => {}
                Requirement::TaxResidency => unmet.push(Obstacle::TaxResidencyMissing),
            }
        }
        unmet
    }

    /// Returns whether the user waits for activation.
    pub fn awaits_activation(&self) -> bool {
        match self.status {
            UserStatus::Inactive => !self.suspended,
            UserStatus::Active | UserStatus::Offboarding | UserStatus::Offboarded => false,
        }
    }

    /// Returns whether the user is leaving or has left.
    pub fn is_leaving(&self) -> bool {
        match self.status {
            UserStatus::Offboarding | UserStatus::Offboarded => true,
            UserStatus::Active | UserStatus::Inactive => false,
        }
    }

    /// Takes a user out of trading until an operator undoes it, and returns the event. An inactive user stays inactive.
    /// A repetition changes nothing.
    /// # Errors
    /// Fails with [`UserIsLeaving`] if the user is leaving or has left.
    pub fn deactivate(&mut self, now: Timestamp) -> Result<Option<EventType>, UserIsLeaving> {
        match self.status {
            UserStatus::Active => {
                self.suspended = true;
                Ok(Some(self.set_status(UserStatus::Inactive, now, EventType::UserDeactivated)))
            }
            UserStatus::Inactive => {
                self.suspended = true;
                Ok(None)
            }
            UserStatus::Offboarding | UserStatus::Offboarded => Err(UserIsLeaving),
        }
    }

    /// Undoes a deactivation: the user waits for the requirements of activation, which may all be met.
    /// # Errors
    /// Fails with [`UserIsLeaving`] if the user is leaving or has left.
    pub fn reactivate(&mut self) -> Result<(), UserIsLeaving> {
        match self.status {
            UserStatus::Inactive | UserStatus::Active => {
                self.suspended = false;
                Ok(())
            }
            UserStatus::Offboarding | UserStatus::Offboarded => Err(UserIsLeaving),
        }
    }

    /// Begins to offboard a user and returns the event. A repetition changes nothing, and there is no way back.
    pub fn offboard(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            UserStatus::Inactive | UserStatus::Active => {
                Some(self.set_status(UserStatus::Offboarding, now, EventType::UserOffboardingInitiated))
            }
            UserStatus::Offboarding | UserStatus::Offboarded => None,
        }
    }

    /// Ends the offboarding of a user without open matters and returns the event.
    pub fn finish_offboarding(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            UserStatus::Offboarding => {
                Some(self.set_status(UserStatus::Offboarded, now, EventType::UserOffboarded))
            }
            UserStatus::Inactive | UserStatus::Active | UserStatus::Offboarded => None,
        }
    }

    fn set_status(&mut self, status: UserStatus, now: Timestamp, event: EventType) -> EventType {
        (self.status, self.updated_at) = (status, now);
        event
    }
}

/// A user as in a response. The members of the person are spliced in as stored, without being parsed.
pub struct UserView<'a> {
    pub id: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub status: UserStatus,
    /// [`Person::json`]: an object with at least one member.
    pub person: &'a str,
}

impl<'a> From<&'a User> for UserView<'a> {
    fn from(user: &'a User) -> Self {
        let User { id, created_at, updated_at, status, person, .. } = user;
        Self {
            id: *id,
            created_at: *created_at,
            updated_at: *updated_at,
            status: *status,
            person: &person.json,
        }
    }
}

impl fmt::Display for UserView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, created_at, updated_at, status, person } = self;
        let members = &person[1..person.len() - 1];
        write!(f, r#"{{"id":"{id}","created_at":"{created_at}","updated_at":"{updated_at}","#)?;
        write!(f, r#"{members},"status":"{}"}}"#, status.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All commands on a user.
    #[derive(Clone, Copy, Debug)]
    enum UserCommand {
        /// A decision on activation, with none or all of the required evidence.
        Judge(bool),
        Deactivate,
        Reactivate,
        Offboard,
        FinishOffboarding,
    }

    /// The result for a user: status, suspension and event.
    type Become = (UserStatus, bool, Option<EventType>);

    fn user(status: UserStatus, suspended: bool) -> User {
        let json =
            r#"{"first_name":"Anna","last_name":"Nowak","birth_date":"1980-05-17","nationalities":["PL"]}"#;
        let person = Person::from_stored(json, false).unwrap();
        let (id, at) = (Uuid::nil(), Timestamp::UNIX_EPOCH);
        User { id, created_at: at, updated_at: at, status, suspended, person }
    }

    fn done(
        mut user: User,
        command: UserCommand,
        now: Timestamp,
    ) -> Result<(User, Option<EventType>), UserIsLeaving> {
        let event = match command {
            UserCommand::Judge(met) => {
                let required =
                    TenantSettings::default().with("activation_requires", json!(["tax_residency"])).unwrap();
                user.activate_if_complete(
                    &ActivationEvidence { has_tax_residency: met, ..ActivationEvidence::default() },
                    &required,
                    now,
                )
            }
            UserCommand::Deactivate => user.deactivate(now)?,
            UserCommand::Reactivate => user.reactivate().map(|()| None)?,
            UserCommand::Offboard => user.offboard(now),
            UserCommand::FinishOffboarding => user.finish_offboarding(now),
        };
        Ok((user, event))
    }

    /// Returns the expected result for each state and command, without an arm for the rest.
    fn expected(status: UserStatus, suspended: bool, command: UserCommand) -> Result<Become, UserIsLeaving> {
        use UserCommand::{Deactivate, FinishOffboarding, Judge, Offboard, Reactivate};
        use UserStatus::{Active, Inactive, Offboarded, Offboarding};
        let same = Ok((status, suspended, None));
        match (status, suspended, command) {
            (Inactive, false, Judge(true)) => Ok((Active, false, Some(EventType::UserActivated))),
            (Inactive, true, Judge(true)) | (Inactive, _, Judge(false)) => same,
            (Active | Offboarding | Offboarded, _, Judge(_)) => same,
            (Inactive, _, Deactivate) => Ok((Inactive, true, None)),
            (Active, _, Deactivate) => Ok((Inactive, true, Some(EventType::UserDeactivated))),
            (Inactive | Active, _, Reactivate) => Ok((status, false, None)),
            (Offboarding | Offboarded, _, Deactivate | Reactivate) => Err(UserIsLeaving),
            (Inactive | Active, _, Offboard) => {
                Ok((Offboarding, suspended, Some(EventType::UserOffboardingInitiated)))
            }
            (Offboarding | Offboarded, _, Offboard) => same,
            (Offboarding, _, FinishOffboarding) => {
                Ok((Offboarded, suspended, Some(EventType::UserOffboarded)))
            }
            (Inactive | Active | Offboarded, _, FinishOffboarding) => same,
        }
    }

    #[test]
    fn every_command_in_every_state() {
        use UserCommand::{Deactivate, FinishOffboarding, Judge, Offboard, Reactivate};
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let commands = [Judge(false), Judge(true), Deactivate, Reactivate, Offboard, FinishOffboarding];
        for status in UserStatus::ALL {
            for suspended in [false, true] {
                for command in commands {
                    let before = user(status, suspended);
                    let after = done(before.clone(), command, now);
                    let shown = after.clone().map(|(user, event)| (user.status, user.suspended, event));
                    assert_eq!(
                        shown,
                        expected(status, suspended, command),
                        "{status:?} {suspended} {command:?}"
                    );
                    let Ok((user, event)) = after else { continue };
                    // The instant moves with the status, and there is an event of it.
                    assert_eq!(user.updated_at == now, event.is_some());
                    assert_eq!(user.status == status, event.is_none());
                    assert!(user.person == before.person);
                    // A command whose effect is there already has none.
                    let again = done(user, command, now);
                    assert!(again.is_ok_and(|(_, event)| event.is_none()), "{status:?} {command:?} twice");
                }
            }
        }
    }
}
