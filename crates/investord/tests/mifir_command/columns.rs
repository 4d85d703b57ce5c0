//! Which columns are read as what.

use crate::{assert_contains, check, lines, objects, refused, told};

const READY: &str = "READY DE19720930KARL#SCHMI (CONCAT)";

#[track_caller]
fn assert_ready(more: &[&str], text: &str) -> String {
    let output = check(more, text.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_contains(&lines(&output)[0], READY);
    told(&output)
}

#[test]
fn headers_are_understood_in_seven_languages() {
    for header in [
        "First Name;Surname;Date of birth;Nationality",
        "VORNAME;NACHNAME;GEBURTSDATUM;STAATSANGEHÖRIGKEIT",
        "Vorname;Name;Geb.-Datum;Staatsangehoerigkeit",
        "Prénom;Nom de famille;Date de naissance;Nationalité",
        "Nombre;Apellidos;Fecha de nacimiento;Nacionalidad",
        "Nome;Cognome;Data di nascita;Cittadinanza",
        "Imię;Nazwisko;Data urodzenia;Obywatelstwo",
        "Voornaam;Achternaam;Geboortedatum;Nationaliteit",
        " first-name ; last_name\u{200b};birth date;NATIONALITIES",
    ] {
        let told = assert_ready(&[], &format!("{header}\nKarl;Schmidt;1972-09-30;DE\n"));
        assert_contains(
            &told,
            "is read as last_name"
                .replace("last_name", if header.contains("last_name") { "first_name" } else { "last_name" })
                .as_str(),
        );
    }
}

#[test]
fn other_names_are_mapped() {
    let text = "Rufname,Familie,Tag,Land 1,Land 2,PESEL\nJan,Nowak,1983-05-30,US,PL,83053078912\n";
    let maps = ["Rufname=first_name", "familie=last_name", "Tag=birth_date", "Land 1=nationalities"];
    let maps = [&maps[..], &["Land 2=nationalities", "PESEL=identifiers:PL:PESEL"]].concat();
    let words: Vec<&str> = maps.iter().flat_map(|map| ["--map", *map]).collect();
    let output = check(&words, text.as_bytes());
    assert_eq!(lines(&output), ["2\t1\tREADY PL83053078912 (NIDN)\t"], "{}", told(&output));
    for (map, expected) in [
        ("Rufname=vorname", "the fields are first_name, last_name"),
        ("Rufname", "must be HEADER=FIELD"),
        ("Nix=first_name", "there is no column 'Nix'"),
        ("Rufname=first_name:PL", "identifiers alone"),
    ] {
        assert_contains(&refused(&["--map", map], text.as_bytes()), expected);
    }
    // What was said counts more than what a name usually means.
    let text = "last_name,Nachname,first_name,birth_date,nationalities\nWeg,Schmidt,Karl,1972-09-30,DE\n";
    assert_ready(&["--map", "Nachname=last_name"], text);
}

#[test]
fn two_columns_for_one_field_are_refused_and_both_are_named() {
    for (header, expected) in [
        (
            "last_name,first_name,last_name,birth_date,nationalities",
            "column 1 ('last_name') and column 3 ('last_name')",
        ),
        (
            "last_name,first_name,Nachname,birth_date,nationalities",
            "column 1 ('last_name') and column 3 ('Nachname')",
        ),
        ("Name,first_name,Naam,birth_date,nationalities", "column 1 ('Name') and column 3 ('Naam')"),
        (
            "last_name,first_name,sex,gender,birth_date,nationality",
            "column 3 ('sex') and column 4 ('gender')",
        ),
    ] {
        let text = format!("{header}\n{}\n", "x,".repeat(header.matches(',').count()));
        assert_contains(&refused(&[], text.as_bytes()), expected);
    }
    let text = "last_name,first_name,note,note,birth_date,nationality\nSchmidt,Karl,,,1972-09-30,DE\n";
    assert_contains(
        &refused(&["--with", "note"], text.as_bytes()),
        "column 3 ('note') and column 4 ('note')",
    );
    assert_ready(&[], text);
    let text = "a,first_name,birth_date,nationalities\nSchmidt,Karl,1972-09-30,DE\n";
    assert_contains(&refused(&["--map", "a=last_name", "--map", "a=gender"], text.as_bytes()), "two fields");
}

#[test]
fn a_header_in_which_something_is_missing_names_the_likely_cause() {
    for (text, expected) in [
        ("a,b\n1,2\n", "the header, which has: a, b"),
        ("first_name,last_name,birth_date\nx,y,z\n", "'nationalities'"),
        ("Name,Geburtsdatum,Staat\nKarl Schmidt,1972-09-30,DE\n", "seems to hold full names"),
        ("Full name,Date of birth,Nationality\nKarl Schmidt,1972-09-30,DE\n", "seems to hold full names"),
        ("first_name^last_name^birth_date^nationalities\na^b^c^d\n", "--delimiter"),
        ("\"first_name,last_name,birth_date,nationality\"\n\"a,b,c,d\"\n", "is each line quoted as a whole?"),
        ("Karl,Schmidt,1972-09-30,DE\nEva,Berg,1972-09-30,DE\n", "the first line has to name the columns"),
        ("Rufname,last_name,birth_date,nationality\na,b,c,d\n", "--map \"HEADER=first_name\""),
    ] {
        assert_contains(&refused(&[], text.as_bytes()), expected);
    }
}

#[test]
fn columns_that_are_not_read_are_named() {
    let text = "PESEL,first_name,last_name,birth_date,nationality,Konto\n1,Karl,Schmidt,1972-09-30,DE,2\n";
    assert_contains(&assert_ready(&["--with", "Konto"], text), "not read: PESEL\n");
}

#[test]
fn words_for_gender_and_codes_of_countries_are_understood() {
    let answer = |nationality: &str, gender: &str| {
        let text = format!(
            "first_name,last_name,birth_date,nationality,identifiers,Geschlecht\n\
             Zofia,Kowalska,1954-01-01,{nationality},pl:54010150464,{gender}\n"
        );
        objects(&check(&["--json"], text.as_bytes())).remove(0)
    };
    for female in ["f", "F", "w", "weiblich", "Frau", "féminin", "mujer", "K", "kobieta", "V", "FEMALE", ""]
    {
        assert_eq!(answer("PL", female)["to_be_looked_at"], false, "{female}");
    }
    for male in ["m", "männlich", "maennlich", "Mężczyzna", "uomo", "MALE", "Herr"] {
        assert_eq!(answer("PL", male)["identifiers"][0]["faults"][0]["code"], "sex", "{male}");
    }
    assert_eq!(answer("PL", "zz")["errors"][0]["field"], "gender");
    for poland in ["PL", "pl", "POL", "pol", "'PL", "US;PL", "\u{200e}PL", "PL + US", "\"PL, US\""] {
        assert_eq!(answer(poland, "")["designation"]["country"], "PL", "{poland}");
    }
    for (wrong, expected) in
        [("Polen", "ISO 3166-1"), ("UK", "is GB"), ("EL", "is GR"), ("XYZ", "ISO 3166-1")]
    {
        assert_contains(answer(wrong, "")["errors"][0]["message"].as_str().unwrap(), expected);
    }
    let spanish = "nombre,apellidos,fecha de nacimiento,nacionalidad,sexo\n\
                   Ana,Ruiz,1954-01-01,DE,M\nJuan,Ruiz,1955-01-01,DE,H\n";
    let output = check(&[], spanish.as_bytes());
    assert_contains(&lines(&output)[0], "gender: M beside H can be a man or a woman");
}
