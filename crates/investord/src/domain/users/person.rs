//! The person behind a user: fields and their rules, as the reference pages "Users" (BYOL and TOL) give them.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::{Map, Value, json};

use crate::domain::identification::identifier::today;
use crate::domain::identification::reportable_person::ReportablePerson;
use crate::domain::json::schema::{Field, FieldError, FieldRule, ObjectSchema, Pattern, Presence, field};
use crate::domain::json::validation::{parse, read};
use crate::domain::tenants::TenantSettings;

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
