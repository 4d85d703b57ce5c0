//! Annex II of Commission Delegated Regulation (EU) 2017/590: the identifiers of each nationality, by priority.
//!
//! A change of law is a new row with its first day; the row that it replaces gets its last day and stays.

use jiff::civil::{Date, date};

use Scheme::{Ccpt, Nidn};

use crate::{Country, Regime, StandardKey};

/// The kind of identifier in a designation, in the terms of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "UPPERCASE"))]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Priority {
    /// The standard of the identifier.
    pub standard: StandardKey,
    /// The label under which it is reported.
    pub scheme: Scheme,
    /// The name in Annex II, with the name in use where that differs; empty for `CONCAT`.
    pub national_name: &'static str,
}

/// The row of one country, as it applies from one day to another.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Annex2Row {
    /// The nationality to which the row applies; `None` in the last row, "All other countries".
    pub country: Option<Country>,
    /// The country's name in Annex II.
    pub name: &'static str,
    /// The regimes under which the row applies.
    pub regimes: &'static [Regime],
    /// The priorities, first one first.
    pub priorities: &'static [Priority],
    /// The first day on which the row applies.
    pub from: Date,
    /// The last day on which the row applies; `None` while no other row replaces it.
    pub until: Option<Date>,
    /// The source of the row in law.
    pub source: &'static str,
}

impl Annex2Row {
    /// Returns whether the row applies under a regime on a day.
    pub fn applies(&self, regime: Regime, as_of: Date) -> bool {
        self.regimes.contains(&regime) && regime.is_in_force(as_of, self.from, self.until)
    }

    /// Closes the row after its last day.
    const fn close_after(self, last_day: Date) -> Self {
        Self { until: Some(last_day), ..self }
    }

    /// Replaces the regimes, first day and source of the row.
    const fn apply_under(self, regimes: &'static [Regime], from: Date, source: &'static str) -> Self {
        Self { regimes, from, source, ..self }
    }
}

/// The source of the rows that are in the regulation itself.
const REGULATION: &str =
    "Commission Delegated Regulation (EU) 2017/590, Annex II (OJ L 87, 31.3.2017, p. 449)";
/// The source of the row that has stayed in the United Kingdom only.
const ONSHORED: &str =
    "Annex II as onshored in the United Kingdom (FCA Handbook, technical standards, from 2021-01-01)";
/// The last day of the United Kingdom's transition period. Until then the regulation applied to the United Kingdom as
/// to a member state (Articles 126 and 127 of the withdrawal agreement, OJ L 29, 31.1.2020, p. 7).
pub(crate) const END_OF_TRANSITION: Date = date(2020, 12, 31);
/// The day after the transition period.
pub(crate) const AFTER_TRANSITION: Date = date(2021, 1, 1);

/// The priority that many rows have in common.
const CONCAT: Priority =
    Priority { standard: StandardKey::Concat, scheme: Scheme::Concat, national_name: "" };
/// The first priority of "All other countries".
const PASSPORT: Priority = step(Ccpt, StandardKey::Passport, "National passport number");
/// The priorities of the United Kingdom.
const OF_GB: &[Priority] = &[step(Nidn, StandardKey::Nino, "UK National Insurance number"), CONCAT];

/// Builds a row that applies under every regime, from the first day of the regulation on.
const fn row(code: &str, name: &'static str, priorities: &'static [Priority]) -> Annex2Row {
    Annex2Row {
        country: Some(Country::of(code)),
        name,
        regimes: &Regime::ALL,
        priorities,
        from: Regime::Eu.first_day(),
        until: None,
        source: REGULATION,
    }
}

/// Builds a priority.
const fn step(scheme: Scheme, standard: StandardKey, national_name: &'static str) -> Priority {
    Priority { standard, scheme, national_name }
}

/// The rows of Annex II in the order of the country codes, superseded ones before those that replace them, and at the
/// end "All other countries".
///
/// `CONCAT` is the first priority of AT, DE, FR, HU, IE and LU; EE, ES, IS, IT, MT and PL do not allow it at all. The
/// `GB` row is still printed in the EU's text, but ESMA reads references to the United Kingdom as references to a third
/// country, so since the end of the transition period it applies under the UK regime only.
// Laid out by hand, with a line for each priority, so that it can be read next to the Annex.
#[rustfmt::skip]
pub const ANNEX_II: &[Annex2Row] = &[
    row("AT", "Austria", &[CONCAT]),
    row("BE", "Belgium", &[
        step(Nidn, StandardKey::Nn, "Belgian National Number (Numéro de registre national / Rijksregisternummer)"),
        CONCAT,
    ]),
    row("BG", "Bulgaria", &[
        step(Nidn, StandardKey::Egn, "Bulgarian Personal Number (EGN)"),
        CONCAT,
    ]),
    row("CY", "Cyprus", &[
        PASSPORT,
        CONCAT,
    ]),
    row("CZ", "Czech Republic", &[
        step(Nidn, StandardKey::Rc, "National identification number (Rodné číslo)"),
        step(Ccpt, StandardKey::Passport, "Passport number"),
        CONCAT,
    ]),
    row("DE", "Germany", &[CONCAT]),
    row("DK", "Denmark", &[
        step(Nidn, StandardKey::Cpr, "Personal identity code (CPR), 10 characters DDMMYYXXXX"),
        CONCAT,
    ]),
    row("EE", "Estonia", &[
        step(Nidn, StandardKey::Ik, "Estonian Personal Identification Code (Isikukood)"),
    ]),
    row("ES", "Spain", &[
        step(Nidn, StandardKey::Nif,
            "Tax identification number (Código de identificación fiscal; in practice the NIF)"),
    ]),
    row("FI", "Finland", &[
        step(Nidn, StandardKey::Hetu, "Personal identity code (Henkilötunnus)"),
        CONCAT,
    ]),
    row("FR", "France", &[CONCAT]),
    row("GB", "United Kingdom", OF_GB).close_after(END_OF_TRANSITION),
    row("GB", "United Kingdom", OF_GB).apply_under(&[Regime::Uk], AFTER_TRANSITION, ONSHORED),
    row("GR", "Greece", &[
        step(Nidn, StandardKey::Dss, "10-digit DSS investor share"),
        CONCAT,
    ]),
    row("HR", "Croatia", &[
        step(Nidn, StandardKey::Oib, "Personal Identification Number (OIB, Osobni identifikacijski broj)"),
        CONCAT,
    ]),
    row("HU", "Hungary", &[CONCAT]),
    row("IE", "Ireland", &[CONCAT]),
    row("IS", "Iceland", &[
        step(Nidn, StandardKey::Kennitala, "Personal Identity Code (Kennitala)"),
    ]),
    row("IT", "Italy", &[
        step(Nidn, StandardKey::Cf, "Fiscal code (Codice fiscale)"),
    ]),
    row("LI", "Liechtenstein", &[
        PASSPORT,
        step(Nidn, StandardKey::IdCard, "National identity card number"),
        CONCAT,
    ]),
    row("LT", "Lithuania", &[
        step(Nidn, StandardKey::Ak, "Personal code (Asmens kodas)"),
        PASSPORT,
        CONCAT,
    ]),
    row("LU", "Luxembourg", &[CONCAT]),
    row("LV", "Latvia", &[
        step(Nidn, StandardKey::Pk, "Personal code (Personas kods)"),
        CONCAT,
    ]),
    row("MT", "Malta", &[
        step(Nidn, StandardKey::Id, "National Identification Number"),
        PASSPORT,
    ]),
    row("NL", "Netherlands", &[
        PASSPORT,
        step(Nidn, StandardKey::IdCard, "National identity card number"),
        CONCAT,
    ]),
    row("NO", "Norway", &[
        step(Nidn, StandardKey::Fnr, "11-digit personal id (Fødselsnummer)"),
        CONCAT,
    ]),
    row("PL", "Poland", &[
        step(Nidn, StandardKey::Pesel, "National Identification Number (PESEL)"),
        step(Nidn, StandardKey::Nip, "Tax number (Numer identyfikacji podatkowej)"),
    ]),
    row("PT", "Portugal", &[
        step(Nidn, StandardKey::Nif, "Tax number (Número de Identificação Fiscal)"),
        PASSPORT,
        CONCAT,
    ]),
    row("RO", "Romania", &[
        step(Nidn, StandardKey::Cnp, "National Identification Number (Cod Numeric Personal)"),
        PASSPORT,
        CONCAT,
    ]),
    row("SE", "Sweden", &[
        step(Nidn, StandardKey::Pnr, "Personal identity number (Personnummer)"),
        CONCAT,
    ]),
    row("SI", "Slovenia", &[
        step(Nidn, StandardKey::Emso, "Personal Identification Number (EMŠO)"),
        CONCAT,
    ]),
    row("SK", "Slovakia", &[
        step(Nidn, StandardKey::Rc, "Personal number (Rodné číslo)"),
        PASSPORT,
        CONCAT,
    ]),
    Annex2Row { country: None, ..row("AT", "All other countries", &[PASSPORT, CONCAT]) },
];

/// Returns the priorities of a nationality on a day, first one first (Article 6(2) and Annex II).
///
/// The list is empty before the first day of the regime, and never after. Since 2021 a British national falls under
/// "All other countries" in the EU: passport number, then `CONCAT`; a National Insurance number is not used.
pub fn priorities(country: Country, regime: Regime, as_of: Date) -> &'static [Priority] {
    let row_of = |country: Option<Country>| {
        ANNEX_II.iter().find(|row| row.country == country && row.applies(regime, as_of))
    };
    row_of(Some(country)).or_else(|| row_of(None)).map_or(&[], |row| row.priorities)
}

/// Returns whether the first priority of a nationality is `CONCAT` on a day, so that the person need not be asked for
/// an identifier.
pub fn first_is_concat(country: Country, regime: Regime, as_of: Date) -> bool {
    priorities(country, regime, as_of).first().is_some_and(|first| first.scheme == Scheme::Concat)
}
