//! A user: a natural person in the register of one tenant.
//!
//! Fields, bounds and presence rules follow the API reference pages "Users" (BYOL and TOL) of the
//! versions named in the README.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::activation::Obstacle;
use super::check::{self, Check};
use super::event::EventType;
use super::identifier::{Content, today};
use super::identity::Identity;
use super::reporting;
use super::schema::{Fault, Member, Needed, Pattern, Rule, Shape, member, parse, read};
use super::tenant::{Requirement, Settings};

static POSTCODE: Pattern =
    Pattern::new(r"^[a-zA-Z0-9\s\-]{1,10}$", "1 to 10 letters from A to Z, digits, blanks or hyphens");
static PHONE: Pattern = Pattern::new(r"^([0-9]{8,15})?$", "8 to 15 digits, without + and blanks, or empty");
static SOCIAL_SECURITY: Pattern = Pattern::new(
    r"^([0-9]{2}(0[1-9]|[12][0-9]|3[01])(0[1-9]|1[0-2])[0-9]{2}[A-Z][0-9]{3})?$",
    "2 digits, the birth date (DDMMYY), a capital letter and 3 digits, as in 15070649C103, or empty",
);

pub static ADDRESS: Shape = Shape {
    name: "Address",
    members: &[
        member(
            "address_line1",
            Needed::Always,
            Rule::Text { min: 0, max: 100 },
            "First line of the address.",
        ),
        member("address_line2", Needed::No, Rule::Text { min: 0, max: 100 }, "Second line of the address."),
        member("postcode", Needed::Always, Rule::Pattern(&POSTCODE), "Postal code."),
        member("city", Needed::Always, Rule::Text { min: 1, max: 85 }, "City."),
        member("state", Needed::No, Rule::Text { min: 0, max: 50 }, "State, province or county."),
        member("country", Needed::Always, Rule::Country, "ISO 3166-1 alpha-2 code."),
    ],
};

static ADDRESS_RULE: Rule = Rule::OpenObject(&ADDRESS);

static CONSENT: Shape = Shape {
    name: "Consent",
    members: &[
        member("consent_document_id", Needed::Always, Rule::Uuid, "The document consented to."),
        member("confirmed_at", Needed::Always, Rule::Instant, "When the user consented."),
    ],
};

static FATCA: Shape = Shape {
    name: "Fatca",
    members: &[
        member(
            "status",
            Needed::Always,
            Rule::Bool,
            "Whether the user is subject to paying taxes in the US.",
        ),
        member("confirmed_at", Needed::Always, Rule::Instant, "When the user confirmed the status."),
    ],
};

/// Birth dates before it are refused as typing errors (decision U5).
pub const EARLIEST_BIRTH: Date = date(1900, 1, 1);
/// As many as there are countries; duplicates count.
pub const MOST_NATIONALITIES: usize = 250;

const SALUTATIONS: &[&str] =
    &["", "SALUTATION_MALE", "SALUTATION_FEMALE", "SALUTATION_FEMALE_MARRIED", "SALUTATION_DIVERSE"];
const TITLES: &[&str] = &["", "DR", "PROF", "PROF_DR", "DIPL_ING", "MAGISTER"];
const GENDERS: &[&str] = &["", "MALE", "FEMALE", "DIVERSE"];

pub const FIRST_NAME: Member =
    member("first_name", Needed::Always, Rule::Text { min: 2, max: 100 }, "All first and middle names.");
pub const LAST_NAME: Member =
    member("last_name", Needed::Always, Rule::Text { min: 2, max: 100 }, "Last name.");
pub const SALUTATION: Member =
    member("salutation", Needed::No, Rule::OneOf(SALUTATIONS), "Salutation in reports and statements.");
pub const GENDER: Member = member("gender", Needed::No, Rule::OneOf(GENDERS), "Gender.");
pub const BIRTH_DATE: Member = member(
    "birth_date",
    Needed::Always,
    Rule::BirthDate { earliest: EARLIEST_BIRTH },
    "Birth date, YYYY-MM-DD.",
);
pub const NATIONALITIES: Member = member(
    "nationalities",
    Needed::Always,
    Rule::List { item: &Rule::Country, min: 1, max: MOST_NATIONALITIES, unique: false },
    "Nationalities, ISO 3166-1 alpha-2.",
);

pub const TITLE: Member =
    member("title", Needed::No, Rule::OneOf(TITLES), "Title in reports and statements.");
pub const BIRTH_CITY: Member =
    member("birth_city", Needed::Tol, Rule::Text { min: 1, max: 85 }, "City of birth.");
pub const BIRTH_COUNTRY: Member =
    member("birth_country", Needed::Tol, Rule::Country, "Country of birth, ISO 3166-1 alpha-2.");
pub const BIRTH_NAME: Member =
    member("birth_name", Needed::No, Rule::Text { min: 0, max: 100 }, "Birth name.");
pub const POSTAL_ADDRESS: Member = member(
    "postal_address",
    Needed::No,
    Rule::OrNull(&ADDRESS_RULE),
    "Postal address: a copy of the address when absent, none when null.",
);
pub const RESIDENCE: Member =
    member("address", Needed::Always, Rule::OpenObject(&ADDRESS), "Residential address.");
pub const EMAIL: Member = member("email", Needed::Tol, Rule::Email { max: 100 }, "E-mail address.");
pub const PHONE_NUMBER: Member =
    member("phone_number", Needed::No, Rule::Pattern(&PHONE), "Phone number, digits only.");
pub const SOCIAL_SECURITY_NUMBER: Member = member(
    "social_security_number",
    Needed::No,
    Rule::Pattern(&SOCIAL_SECURITY),
    "German social security number.",
);
pub const BRANCH_ID: Member = member("branch_id", Needed::No, Rule::Uuid, "Branch that the user belongs to.");
pub const TAGS: Member = member(
    "tags",
    Needed::No,
    Rule::List { item: &Rule::OneOf(&["CLIENT_EMPLOYEE"]), min: 0, max: 1, unique: true },
    "Tags; left out of the answer when there is none.",
);
pub const DECEASE_DATE: Member = member(
    "decease_date",
    Needed::No,
    Rule::DateOrEmpty,
    "Date of death; empty for none. Left out of answers until it is set, null once it is taken back.",
);

/// The body of `POST /users`, both operating models and the newest additions in one (decision W8).
pub static CREATE: Shape = Shape { name: "CreateUser", members: CREATE_MEMBERS };

static CREATE_MEMBERS: &[Member] = &[
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
    member("fatca", Needed::Tol, Rule::OpenObject(&FATCA), "FATCA status."),
    member(
        "terms_and_conditions",
        Needed::Tol,
        Rule::OpenObject(&CONSENT),
        "Consent to the terms and conditions.",
    ),
    member(
        "data_privacy_and_sharing_agreement",
        Needed::Tol,
        Rule::OpenObject(&CONSENT),
        "Consent to the data privacy and sharing agreement.",
    ),
    SOCIAL_SECURITY_NUMBER,
    BRANCH_ID,
    TAGS,
    DECEASE_DATE,
];

/// What a person has told the register: members as they are answered, checked and with their defaults.
#[derive(Clone, PartialEq)]
pub struct Person {
    /// A JSON object, the part of the answer that is personal data.
    pub json: String,
    pub identity: Identity,
    /// The postal address is a copy and moves with the address (decision U4).
    pub postal_follows_address: bool,
}

impl Person {
    /// Reads the body of a create request. `now` decides what is in the future.
    pub fn parse(body: &[u8], settings: &Settings, now: Timestamp) -> Result<Self, Vec<Fault>> {
        let tree = parse(body)?;
        let sent = read(&CREATE, &tree, settings, today(now))?;
        Self::from_members(sent).ok_or_else(|| vec![Fault::new("(root)", "is no person")])
    }

    /// Takes what has been kept of a person. Whether the postal address was a copy is kept beside it.
    pub fn kept(json: &str, postal_follows_address: bool) -> Option<Self> {
        let identity = Identity::of(&serde_json::from_str(json).ok()?)?;
        Some(Self { json: json.to_owned(), identity, postal_follows_address })
    }

    /// The same person with other members: what is not named stays. A postal address that was a copy of the address
    /// moves with it (decision U4); `tags` of none are left out, a date of death is `null` once it is taken back.
    pub fn changed(&self, members: &Map<String, Value>) -> Option<Self> {
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
            leave_out_unset(&mut all);
        }
        // In the order of the reference, like what a create gives.
        let mut ordered = Map::new();
        for Member { name, .. } in CREATE_MEMBERS {
            match all.remove(*name) {
                Some(tags) if *name == "tags" && tags == json!([]) => {}
                Some(value) => drop(ordered.insert((*name).to_owned(), value)),
                None => {}
            }
        }
        let identity = Identity::of(&ordered)?;
        Some(Self { json: Value::Object(ordered).to_string(), identity, postal_follows_address: follows })
    }

    fn from_members(mut members: Map<String, Value>) -> Option<Self> {
        if members.get("tags").is_some_and(|tags| *tags == json!([])) {
            members.remove("tags");
        }
        leave_out_unset(&mut members);
        for member in ["salutation", "title"] {
            members.entry(member).or_insert_with(|| json!(""));
        }
        let postal_follows_address = !members.contains_key("postal_address");
        if postal_follows_address && let Some(address) = members.get("address").cloned() {
            members.insert("postal_address".to_owned(), address);
        }
        let identity = Identity::of(&members)?;
        Some(Self { json: Value::Object(members).to_string(), identity, postal_follows_address })
    }
}

/// Removes an empty date of death: no date was ever set (decision W26).
fn leave_out_unset(members: &mut Map<String, Value>) {
    if members.get(DECEASE_DATE.name).is_some_and(Value::is_null) {
        members.remove(DECEASE_DATE.name);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Active,
    Inactive,
    Offboarding,
    Offboarded,
}

impl Status {
    pub const ALL: [Status; 4] = [Status::Active, Status::Inactive, Status::Offboarding, Status::Offboarded];

    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Active => "ACTIVE",
            Status::Inactive => "INACTIVE",
            Status::Offboarding => "OFFBOARDING",
            Status::Offboarded => "OFFBOARDED",
        }
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| format!("'{text}' is not the status of a user"))
    }
}

#[derive(Clone)]
pub struct User {
    pub id: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub status: Status,
    /// Deactivated by somebody: stays inactive until somebody undoes it.
    pub suspended: bool,
    pub person: Person,
}

/// A user who has just come into the register.
pub struct Registration {
    pub user: User,
    /// The CONCAT that the register has made, where that is the first priority of the leading nationality.
    pub concat: Option<Content>,
    pub events: Vec<EventType>,
}

/// The user is leaving or has left, from where there is no way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving;

/// What speaks for the activation of a user; of what the tenant does not require nothing needs to be told.
#[derive(Default)]
pub struct Standing<'a> {
    pub identifiers: Vec<&'a Content>,
    pub checks: Vec<Check>,
    pub has_tax_residency: bool,
}

impl User {
    /// Takes a person into the register and says what has happened by that.
    ///
    /// A user whose requirements are met is active at once (decision U2). The only requirement that can be
    /// met without a further call is the identifier, when Annex II of RTS 22 names CONCAT first for the
    /// leading nationality: the register makes that one itself.
    pub fn register(person: Person, settings: &Settings, id: Uuid, now: Timestamp) -> Registration {
        let concat = Content::own_concat(&person.identity, settings.regime.into());
        let (status, suspended) = (Status::Inactive, false);
        let mut user = User { id, created_at: now, updated_at: now, status, suspended, person };
        let mut events = vec![EventType::UserCreated];
        let standing = Standing { identifiers: concat.iter().collect(), ..Standing::default() };
        events.extend(user.judge(&standing, settings, now));
        Registration { user, concat, events }
    }

    /// Activates a user who waits for nothing any more; what has happened by that.
    pub fn judge(
        &mut self,
        standing: &Standing<'_>,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<EventType> {
        if !self.waits() {
            return None;
        }
        let met = self.unmet(standing, settings).is_empty();
        met.then(|| self.becomes(Status::Active, now, EventType::UserActivated))
    }

    /// Lists what activation requires under these settings and the user lacks.
    pub fn unmet(&self, standing: &Standing<'_>, settings: &Settings) -> Vec<Obstacle> {
        let (person, regime) = (&self.person.identity, settings.regime.into());
        let mut unmet = Vec::new();
        for requirement in settings.activation_requires.iter() {
            match requirement {
                Requirement::Identifiers => {
                    unmet.extend(reporting::unmet(person, standing.identifiers.iter().copied(), regime));
                }
                Requirement::Checks => unmet.extend(check::unmet(&standing.checks)),
                Requirement::TaxResidency if standing.has_tax_residency => {}
                Requirement::TaxResidency => unmet.push(Obstacle::TaxResidencyMissing),
            }
        }
        unmet
    }

    /// Whether the user waits to be activated.
    pub fn waits(&self) -> bool {
        match self.status {
            Status::Inactive => !self.suspended,
            Status::Active | Status::Offboarding | Status::Offboarded => false,
        }
    }

    /// Whether the user is on the way out, or gone.
    pub fn is_leaving(&self) -> bool {
        match self.status {
            Status::Offboarding | Status::Offboarded => true,
            Status::Active | Status::Inactive => false,
        }
    }

    /// Takes a user out of trading until somebody undoes it; what has happened by that. Whoever is not active yet does
    /// not become so. Again is no change.
    pub fn deactivate(&mut self, now: Timestamp) -> Result<Option<EventType>, Leaving> {
        match self.status {
            Status::Active => {
                self.suspended = true;
                Ok(Some(self.becomes(Status::Inactive, now, EventType::UserDeactivated)))
            }
            Status::Inactive => {
                self.suspended = true;
                Ok(None)
            }
            Status::Offboarding | Status::Offboarded => Err(Leaving),
        }
    }

    /// Undoes a deactivation: the user waits for what activation requires, which may be nothing any more.
    pub fn reactivate(&mut self) -> Result<(), Leaving> {
        match self.status {
            Status::Inactive | Status::Active => {
                self.suspended = false;
                Ok(())
            }
            Status::Offboarding | Status::Offboarded => Err(Leaving),
        }
    }

    /// Begins to offboard a user; again is no change, and there is no way back.
    pub fn offboard(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            Status::Inactive | Status::Active => {
                Some(self.becomes(Status::Offboarding, now, EventType::UserOffboardingInitiated))
            }
            Status::Offboarding | Status::Offboarded => None,
        }
    }

    /// Ends the offboarding of a user of whom nothing is open any more.
    pub fn finish_offboarding(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            Status::Offboarding => Some(self.becomes(Status::Offboarded, now, EventType::UserOffboarded)),
            Status::Inactive | Status::Active | Status::Offboarded => None,
        }
    }

    fn becomes(&mut self, status: Status, now: Timestamp, event: EventType) -> EventType {
        (self.status, self.updated_at) = (status, now);
        event
    }
}

/// A user as the wire shows it; the person's members are spliced in as they were kept.
pub struct UserView<'a> {
    pub id: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub status: Status,
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

    /// Everything that can be done to a user.
    #[derive(Clone, Copy, Debug)]
    enum Command {
        /// Judged, with nothing or everything there that activation requires.
        Judge(bool),
        Deactivate,
        Reactivate,
        Offboard,
        FinishOffboarding,
    }

    /// What becomes of a user: status, suspension and event.
    type Become = (Status, bool, Option<EventType>);

    fn user(status: Status, suspended: bool) -> User {
        let json =
            r#"{"first_name":"Anna","last_name":"Nowak","birth_date":"1980-05-17","nationalities":["PL"]}"#;
        let person = Person::kept(json, false).unwrap();
        let (id, at) = (Uuid::nil(), Timestamp::UNIX_EPOCH);
        User { id, created_at: at, updated_at: at, status, suspended, person }
    }

    fn done(mut user: User, command: Command, now: Timestamp) -> Result<(User, Option<EventType>), Leaving> {
        let event = match command {
            Command::Judge(met) => {
                let required =
                    Settings::default().with("activation_requires", json!(["tax_residency"])).unwrap();
                user.judge(&Standing { has_tax_residency: met, ..Standing::default() }, &required, now)
            }
            Command::Deactivate => user.deactivate(now)?,
            Command::Reactivate => user.reactivate().map(|()| None)?,
            Command::Offboard => user.offboard(now),
            Command::FinishOffboarding => user.finish_offboarding(now),
        };
        Ok((user, event))
    }

    /// What the table of states and commands says; no arm for the rest.
    fn expected(status: Status, suspended: bool, command: Command) -> Result<Become, Leaving> {
        use Command::{Deactivate, FinishOffboarding, Judge, Offboard, Reactivate};
        use Status::{Active, Inactive, Offboarded, Offboarding};
        let same = Ok((status, suspended, None));
        match (status, suspended, command) {
            (Inactive, false, Judge(true)) => Ok((Active, false, Some(EventType::UserActivated))),
            (Inactive, true, Judge(true)) | (Inactive, _, Judge(false)) => same,
            (Active | Offboarding | Offboarded, _, Judge(_)) => same,
            (Inactive, _, Deactivate) => Ok((Inactive, true, None)),
            (Active, _, Deactivate) => Ok((Inactive, true, Some(EventType::UserDeactivated))),
            (Inactive | Active, _, Reactivate) => Ok((status, false, None)),
            (Offboarding | Offboarded, _, Deactivate | Reactivate) => Err(Leaving),
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
        use Command::{Deactivate, FinishOffboarding, Judge, Offboard, Reactivate};
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let commands = [Judge(false), Judge(true), Deactivate, Reactivate, Offboard, FinishOffboarding];
        for status in Status::ALL {
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
                    // The instant moves with the status, and the status is told.
                    assert_eq!(user.updated_at == now, event.is_some());
                    assert_eq!(user.status == status, event.is_none());
                    assert!(user.person == before.person);
                    // What is true already is not done again.
                    let again = done(user, command, now);
                    assert!(again.is_ok_and(|(_, event)| event.is_none()), "{status:?} {command:?} twice");
                }
            }
        }
    }
}
