//! Names of columns in the languages of customers' lists.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A field of a person that a column can contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnField {
    FirstName,
    LastName,
    BirthDate,
    Nationalities,
    Identifiers,
    Gender,
}

impl ColumnField {
    /// All fields, in the order in which messages list them.
    pub const ALL: [ColumnField; 6] = [
        ColumnField::FirstName,
        ColumnField::LastName,
        ColumnField::BirthDate,
        ColumnField::Nationalities,
        ColumnField::Identifiers,
        ColumnField::Gender,
    ];

    /// Returns the name of the field, which is that of the member in the API.
    pub const fn name(self) -> &'static str {
        match self {
            ColumnField::FirstName => "first_name",
            ColumnField::LastName => "last_name",
            ColumnField::BirthDate => "birth_date",
            ColumnField::Nationalities => "nationalities",
            ColumnField::Identifiers => "identifiers",
            ColumnField::Gender => "gender",
        }
    }

    /// Returns the field of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Returns the names of the column in English, German, French, Spanish, Italian, Polish and Dutch.
    const fn synonyms(self) -> &'static str {
        match self {
            ColumnField::FirstName => {
                "first name, first names, forename, forenames, given name, given names, Vorname, Vornamen, prénom, \
                 prénoms, nombre, nombres, nombre de pila, nome, nomi, imię, imiona, voornaam, voornamen"
            }
            ColumnField::LastName => {
                "last name, last names, surname, surnames, family name, Nachname, Nachnamen, Familienname, Zuname, \
                 nom, nom de famille, apellido, apellidos, cognome, cognomi, nazwisko, nazwiska, achternaam, \
                 familienaam"
            }
            ColumnField::BirthDate => {
                "birth date, date of birth, DOB, birthday, Geburtsdatum, Geburtstag, Geb.-Datum, Gebdat, date de \
                 naissance, date naissance, fecha de nacimiento, fecha nacimiento, data di nascita, data nascita, \
                 data urodzenia, geboortedatum"
            }
            ColumnField::Nationalities => {
                "nationalities, nationality, citizenship, citizenships, Staatsangehörigkeit, Staatsangehörigkeiten, \
                 Staatsbürgerschaft, Staatsbürgerschaften, Nationalität, Nationalitäten, nationalité, nationalités, \
                 citoyenneté, nacionalidad, nacionalidades, ciudadanía, nazionalità, cittadinanza, cittadinanze, \
                 obywatelstwo, obywatelstwa, narodowość, nationaliteit, nationaliteiten, staatsburgerschap"
            }
            ColumnField::Identifiers => {
                "identifiers, identifier, national identifier, national identifiers, Kennung, Kennungen, \
                 Identifikator, Identifikatoren, identifiant, identifiants, identificador, identificadores, \
                 identificatore, identificatori, identyfikator, identyfikatory"
            }
            ColumnField::Gender => {
                "gender, sex, Geschlecht, sexe, genre, sexo, género, sesso, genere, płeć, geslacht"
            }
        }
    }

    /// Returns the field that a header names by itself.
    pub fn of_header(header: &str) -> Option<Self> {
        let folded = fold(header);
        Self::ALL.into_iter().find(|field| is_one_of(&folded, field.synonyms()))
    }
}

/// Headers of full names or, beside a column of first names, of last names.
const NAMES: &str = "name, names, naam";
/// Headers of columns with more than one field.
const FULL_NAMES: &str = "full name, customer name, client name, customer, client, Kundenname, Kunde, voller Name, \
                          vollständiger Name, Vor- und Nachname, Vorname Nachname, Name Vorname, Nachname Vorname, nom \
                          complet, nom et prénom, nom prénom, prénom nom, nombre completo, nombre y apellidos, \
                          apellidos y nombre, nome completo, nome cognome, nome e cognome, cognome nome, imię i \
                          nazwisko, nazwisko i imię, volledige naam";

/// Returns whether a folded name occurs in a list.
fn is_one_of(name: &str, names: &str) -> bool {
    names.split(',').any(|one| fold(one) == name)
}

/// Returns whether a header names last names only beside a column of first names.
pub fn is_name(header: &str) -> bool {
    is_one_of(&fold(header), NAMES)
}

/// Returns whether a header seems to name first and last names in one column.
pub fn is_full_name(header: &str) -> bool {
    is_name(header) || is_one_of(&fold(header), FULL_NAMES)
}

/// Reduces a text to its letters and digits, without case and diacritics, for comparison. An umlaut that is written
/// with an e is equal to the letter without dots.
pub fn fold(text: &str) -> String {
    let base = text.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase);
    let letters: String = base
        .filter(|letter| letter.is_alphanumeric())
        // Unicode has no decomposition for these two letters.
        .map(|letter| match letter {
            'ł' => 'l',
            'ø' => 'o',
            letter => letter,
        })
        .collect();
    letters.replace('ß', "ss").replace("ae", "a").replace("oe", "o").replace("ue", "u")
}
