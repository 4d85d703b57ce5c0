//! The names of the identifier standards of Annex II.

use std::fmt;
use std::str::FromStr;

/// The name of a standard of identifiers, unique within a country: `PESEL`, `PASSPORT`, `CONCAT`.
///
/// One name can stand for the numbers of two countries: `RC` for those of CZ and SK, `NIF` for those of ES and PT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "UPPERCASE"))]
#[non_exhaustive]
pub enum StandardKey {
    /// Lithuania: asmens kodas.
    Ak,
    /// Belgium: the number of people who are not in the National Register; in no row of Annex II.
    Bis,
    /// Italy: codice fiscale.
    Cf,
    /// Romania: cod numeric personal.
    Cnp,
    /// Every country: birth date and names in the form of Article 6(4).
    Concat,
    /// Denmark: CPR number.
    Cpr,
    /// Greece: investor share of the Dematerialised Securities System.
    Dss,
    /// Bulgaria: personal number (EGN).
    Egn,
    /// Slovenia: EMŠO.
    Emso,
    /// Norway: fødselsnummer.
    Fnr,
    /// Finland: henkilötunnus.
    Hetu,
    /// Malta: identity card number.
    Id,
    /// Liechtenstein and the Netherlands: identity card number.
    IdCard,
    /// Estonia: isikukood.
    Ik,
    /// Iceland: kennitala.
    Kennitala,
    /// Spain and Portugal: tax number of persons.
    Nif,
    /// United Kingdom: National Insurance number.
    Nino,
    /// Poland: tax number.
    Nip,
    /// Belgium: national number.
    Nn,
    /// Croatia: OIB.
    Oib,
    /// Every country: passport number.
    Passport,
    /// Poland: PESEL.
    Pesel,
    /// Latvia: personas kods.
    Pk,
    /// Sweden: personnummer.
    Pnr,
    /// Czech Republic and Slovakia: rodné číslo.
    Rc,
}

/// The error for a text that is no standard of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a standard of identifiers in capital letters")]
pub struct UnknownStandard;

impl StandardKey {
    /// All names, in alphabetical order.
    #[rustfmt::skip]
    pub const ALL: [Self; 25] = [
        Self::Ak, Self::Bis, Self::Cf, Self::Cnp, Self::Concat, Self::Cpr, Self::Dss, Self::Egn, Self::Emso,
        Self::Fnr, Self::Hetu, Self::Id, Self::IdCard, Self::Ik, Self::Kennitala, Self::Nif, Self::Nino, Self::Nip,
        Self::Nn, Self::Oib, Self::Passport, Self::Pesel, Self::Pk, Self::Pnr, Self::Rc,
    ];

    /// Returns the name in capital letters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ak => "AK",
            Self::Bis => "BIS",
            Self::Cf => "CF",
            Self::Cnp => "CNP",
            Self::Concat => "CONCAT",
            Self::Cpr => "CPR",
            Self::Dss => "DSS",
            Self::Egn => "EGN",
            Self::Emso => "EMSO",
            Self::Fnr => "FNR",
            Self::Hetu => "HETU",
            Self::Id => "ID",
            Self::IdCard => "IDCARD",
            Self::Ik => "IK",
            Self::Kennitala => "KENNITALA",
            Self::Nif => "NIF",
            Self::Nino => "NINO",
            Self::Nip => "NIP",
            Self::Nn => "NN",
            Self::Oib => "OIB",
            Self::Passport => "PASSPORT",
            Self::Pesel => "PESEL",
            Self::Pk => "PK",
            Self::Pnr => "PNR",
            Self::Rc => "RC",
        }
    }

    /// Returns the standard of a name in capital letters, taken exactly as written, or `None`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.as_str() == name)
    }
}

impl FromStr for StandardKey {
    type Err = UnknownStandard;

    fn from_str(name: &str) -> Result<Self, UnknownStandard> {
        Self::parse(name).ok_or(UnknownStandard)
    }
}

impl fmt::Display for StandardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
