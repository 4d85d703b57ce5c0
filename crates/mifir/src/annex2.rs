//! Annex II of Commission Delegated Regulation (EU) 2017/590: the identifiers of each nationality, by priority.
//!
//! A change of law is a change of these rows: of their priorities, the day from which they apply, and their source.

use Scheme::{Ccpt, Nidn};

use crate::{Country, Regime};

/// The kind of identifier in a designation, in the terms of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// A national number. Identity card numbers are reported under it too.
    Nidn,
    /// A passport number.
    Ccpt,
    /// Birth date, first name and surname in the form of Article 6(4).
    Concat,
}

impl Scheme {
    /// Returns the label in the report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nidn => "NIDN",
            Self::Ccpt => "CCPT",
            Self::Concat => "CONCAT",
        }
    }
}

/// One priority in the row of a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// A short key, unique within the country: `PESEL`, `PASSPORT`, `CONCAT`.
    pub standard: &'static str,
    /// The label under which it is reported.
    pub scheme: Scheme,
    /// The name in Annex II, with the name in use where that differs; empty for `CONCAT`.
    pub national_name: &'static str,
}

/// The row of one country.
#[derive(Clone, Copy, Debug)]
pub struct Annex2Row {
    /// The nationality to which the row applies.
    pub country: Country,
    /// The country's name in Annex II.
    pub name: &'static str,
    /// The regime under which the row applies; `None` for every regime.
    pub only: Option<Regime>,
    /// The priorities, first one first.
    pub steps: &'static [Priority],
    /// The first day on which the row applies, `YYYY-MM-DD`.
    pub in_force_from: &'static str,
    /// The source of the row in law.
    pub source: &'static str,
}

/// The first day on which Commission Delegated Regulation (EU) 2017/590 applies.
const APPLIED_FROM: &str = "2018-01-03";
/// The source of the rows that apply under the EU regime.
const REGULATION: &str =
    "Commission Delegated Regulation (EU) 2017/590, Annex II (OJ L 87, 31.3.2017, p. 449)";
/// The source of the row that applies under the UK regime only.
const ONSHORED: &str =
    "Annex II as onshored in the United Kingdom (FCA Handbook, technical standards, from 2021-01-01)";

/// The priority that many rows have in common.
const CONCAT: Priority = Priority { standard: "CONCAT", scheme: Scheme::Concat, national_name: "" };

/// Builds a row that applies under every regime.
const fn row(code: &str, name: &'static str, steps: &'static [Priority]) -> Annex2Row {
    let (in_force_from, source) = (APPLIED_FROM, REGULATION);
    Annex2Row { country: Country::of(code), name, only: None, steps, in_force_from, source }
}

/// Builds a priority.
const fn step(scheme: Scheme, standard: &'static str, national_name: &'static str) -> Priority {
    Priority { standard, scheme, national_name }
}

/// The rows of Annex II that are in force, by country code. Former rows are not kept.
///
/// `CONCAT` is the first priority of AT, DE, FR, HU, IE and LU; EE, ES, IS, IT, MT and PL do not allow it at all. The
/// `GB` row is still printed in the EU's text, but ESMA reads references to the United Kingdom as references to a third
/// country, so it applies under the UK regime only.
// Laid out by hand, with a line for each priority, so that it can be read next to the Annex.
#[rustfmt::skip]
pub const ANNEX_II: &[Annex2Row] = &[
    row("AT", "Austria", &[CONCAT]),
    row("BE", "Belgium", &[
        step(Nidn, "NN", "Belgian National Number (Numéro de registre national / Rijksregisternummer)"),
        CONCAT,
    ]),
    row("BG", "Bulgaria", &[
        step(Nidn, "EGN", "Bulgarian Personal Number (EGN)"),
        CONCAT,
    ]),
    row("CY", "Cyprus", &[
        step(Ccpt, "PASSPORT", "National passport number"),
        CONCAT,
    ]),
    row("CZ", "Czech Republic", &[
        step(Nidn, "RC", "National identification number (Rodné číslo)"),
        step(Ccpt, "PASSPORT", "Passport number"),
        CONCAT,
    ]),
    row("DE", "Germany", &[CONCAT]),
    row("DK", "Denmark", &[
        step(Nidn, "CPR", "Personal identity code (CPR), 10 characters DDMMYYXXXX"),
        CONCAT,
    ]),
    row("EE", "Estonia", &[
        step(Nidn, "IK", "Estonian Personal Identification Code (Isikukood)"),
    ]),
    row("ES", "Spain", &[
        step(Nidn, "NIF", "Tax identification number (Código de identificación fiscal; in practice the NIF)"),
    ]),
    row("FI", "Finland", &[
        step(Nidn, "HETU", "Personal identity code (Henkilötunnus)"),
        CONCAT,
    ]),
    row("FR", "France", &[CONCAT]),
    Annex2Row { only: Some(Regime::Uk), in_force_from: "2021-01-01", source: ONSHORED, ..row("GB", "United Kingdom", &[
        step(Nidn, "NINO", "UK National Insurance number"),
        CONCAT,
    ]) },
    row("GR", "Greece", &[
        step(Nidn, "DSS", "10-digit DSS investor share"),
        CONCAT,
    ]),
    row("HR", "Croatia", &[
        step(Nidn, "OIB", "Personal Identification Number (OIB, Osobni identifikacijski broj)"),
        CONCAT,
    ]),
    row("HU", "Hungary", &[CONCAT]),
    row("IE", "Ireland", &[CONCAT]),
    row("IS", "Iceland", &[
        step(Nidn, "KENNITALA", "Personal Identity Code (Kennitala)"),
    ]),
    row("IT", "Italy", &[
        step(Nidn, "CF", "Fiscal code (Codice fiscale)"),
    ]),
    row("LI", "Liechtenstein", &[
        step(Ccpt, "PASSPORT", "National passport number"),
        step(Nidn, "IDCARD", "National identity card number"),
        CONCAT,
    ]),
    row("LT", "Lithuania", &[
        step(Nidn, "AK", "Personal code (Asmens kodas)"),
        step(Ccpt, "PASSPORT", "National passport number"),
        CONCAT,
    ]),
    row("LU", "Luxembourg", &[CONCAT]),
    row("LV", "Latvia", &[
        step(Nidn, "PK", "Personal code (Personas kods)"),
        CONCAT,
    ]),
    row("MT", "Malta", &[
        step(Nidn, "ID", "National Identification Number"),
        step(Ccpt, "PASSPORT", "National passport number"),
    ]),
    row("NL", "Netherlands", &[
        step(Ccpt, "PASSPORT", "National passport number"),
        step(Nidn, "IDCARD", "National identity card number"),
        CONCAT,
    ]),
    row("NO", "Norway", &[
        step(Nidn, "FNR", "11-digit personal id (Fødselsnummer)"),
        CONCAT,
    ]),
    row("PL", "Poland", &[
        step(Nidn, "PESEL", "National Identification Number (PESEL)"),
        step(Nidn, "NIP", "Tax number (Numer identyfikacji podatkowej)"),
    ]),
    row("PT", "Portugal", &[
        step(Nidn, "NIF", "Tax number (Número de Identificação Fiscal)"),
        step(Ccpt, "PASSPORT", "National passport number"),
        CONCAT,
    ]),
    row("RO", "Romania", &[
        step(Nidn, "CNP", "National Identification Number (Cod Numeric Personal)"),
        step(Ccpt, "PASSPORT", "National passport number"),
        CONCAT,
    ]),
    row("SE", "Sweden", &[
        step(Nidn, "PNR", "Personal identity number (Personnummer)"),
        CONCAT,
    ]),
    row("SI", "Slovenia", &[
        step(Nidn, "EMSO", "Personal Identification Number (EMŠO)"),
        CONCAT,
    ]),
    row("SK", "Slovakia", &[
        step(Nidn, "RC", "Personal number (Rodné číslo)"),
        step(Ccpt, "PASSPORT", "National passport number"),
        CONCAT,
    ]),
];

/// The last row of Annex II, "All other countries", in force as long as the others.
pub const ALL_OTHER_COUNTRIES: &[Priority] = &[step(Ccpt, "PASSPORT", "National passport number"), CONCAT];

/// Returns the priorities of a nationality, first one first (Article 6(2) and Annex II). The list is never empty.
///
/// Under [`Regime::Eu`] a British national falls under "All other countries": passport number, then `CONCAT`; a
/// National Insurance number is not used.
pub fn priorities(country: Country, regime: Regime) -> &'static [Priority] {
    ANNEX_II
        .iter()
        .find(|row| row.country == country && row.only.is_none_or(|only| only == regime))
        .map_or(ALL_OTHER_COUNTRIES, |row| row.steps)
}

/// Returns whether the first priority of a nationality is `CONCAT`, so that the person need not be asked for an
/// identifier.
pub fn first_is_concat(country: Country, regime: Regime) -> bool {
    priorities(country, regime).first().is_some_and(|step| step.scheme == Scheme::Concat)
}
