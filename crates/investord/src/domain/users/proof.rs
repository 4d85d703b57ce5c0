//! The fields of a proof, which data changes and checks share.

use crate::domain::json::schema::{Field, FieldRule, Presence, field};

/// The member for the date of a proof, which checks have as well.
pub const ISSUANCE_DATE: Field =
    field("issuance_date", Presence::Always, FieldRule::Date, "When the document was issued.");
/// The member for the link to a proof, which checks have as well.
pub const DATA_DOWNLOAD_LINK: Field = field(
    "data_download_link",
    Presence::Always,
    FieldRule::Url { max: 1000 },
    "Where the proof can be fetched.",
);
/// The types of documents that prove a residential address.
pub const RESIDENCE_DOCUMENTS: &[&str] = &[
    "UTILITY_BILL", "TELEPHONE_BILL", "INTERNET_BILL", "BANK_STATEMENT", "REGISTRATION_CERT",
    "RESIDENCE_PERMIT", "ID_CARD",
];
