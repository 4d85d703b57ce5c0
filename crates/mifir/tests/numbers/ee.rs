//! Estonia and Lithuania: personal code.

use crate::{numbers, spellings};

#[test]
fn estonian_codes() {
    numbers(
        "EE",
        "IK",
        &[
            // The first digit tells century and sex.
            ("10001010013", "", "1800-01-01 M"),
            ("10810021726", "", "1808-10-02 M"),
            ("10402299997", "", "1804-02-29 M"),
            ("20001010014", "", "1800-01-01 F"),
            ("20810021727", "", "1808-10-02 F"),
            ("20402299998", "", "1804-02-29 F"),
            ("30001010015", "", "1900-01-01 M"),
            ("30810021728", "", "1908-10-02 M"),
            ("30402299999", "", "1904-02-29 M"),
            ("40001010016", "", "1900-01-01 F"),
            ("40810021729", "", "1908-10-02 F"),
            ("40402299990", "", "1904-02-29 F"),
            ("50001010017", "", "2000-01-01 M"),
            ("50810021721", "", "2008-10-02 M"),
            ("50402299990", "", "2004-02-29 M"),
            ("60001010018", "", "2000-01-01 F"),
            ("60810021720", "", "2008-10-02 F"),
            ("60402299991", "", "2004-02-29 F"),
            ("52611210011", "", "2026-11-21 M"),
            ("40810021729", "", "1908-10-02 F"),
            // The second row of weights, where the first leaves 10; and 0, where the second leaves 10 as well.
            ("38012310075", "", "1980-12-31 M"),
            ("38012310192", "", "1980-12-31 M"),
            ("38012310327", "", "1980-12-31 M"),
            ("38012310200", "", "1980-12-31 M"),
            ("38012311960", "", "1980-12-31 M"),
        ],
    );
}

#[test]
fn wrong_estonian_codes() {
    numbers(
        "EE",
        "IK",
        &[
            ("40810021720", "check digit is 0, must be 9", "1908-10-02 F"),
            ("40810021728", "check digit is 8, must be 9", "1908-10-02 F"),
            ("38012310076", "check digit is 6, must be 5", "1980-12-31 M"),
            // Centuries that are not issued.
            ("00810021725", "the sign of the century is 0, must be 1 to 6", ""),
            ("70810021721", "the sign of the century is 7, must be 1 to 6", ""),
            ("80810021722", "the sign of the century is 8, must be 1 to 6", ""),
            ("90810021723", "the sign of the century is 9, must be 1 to 6", ""),
            // Dates that do not exist, or have not come.
            ("30002290011", "there is no birth date of day 29, month 02, year 1900", ""),
            ("50002290013", "", "2000-02-29 M"),
            ("38102290019", "there is no birth date of day 29, month 02, year 1981", ""),
            ("38013310019", "there is no birth date of day 31, month 13, year 1980", ""),
            ("38000310011", "there is no birth date of day 31, month 00, year 1980", ""),
            ("38012320010", "there is no birth date of day 32, month 12, year 1980", ""),
            ("38011000017", "there is no birth date of day 00, month 11, year 1980", ""),
            ("52611220018", "its date is in the future, in 2026", ""),
            ("63001010013", "its date is in the future, in 2030", ""),
            // Lengths.
            ("", "has 0 characters, must have 11 digits", ""),
            ("7", "has 1 character, must have 11 digits", ""),
            ("408100217290", "has 12 characters, must have 11 digits", ""),
            ("4081002172940810021729", "has 22 characters, must have 11 digits", ""),
            // Characters other than ASCII digits.
            ("X0810021729", "character 1 is 'X', must be a digit", ""),
            ("4081X021729", "character 5 is 'X', must be a digit", ""),
            ("4081002172X", "character 11 is 'X', must be a digit", ""),
            ("40٣10021729", "character 3 is '٣', must be a digit", ""),
            ("O081002172l", "character 1 is 'O', must be a digit | character 11 is 'l', must be a digit", ""),
            ("4081 021729", "character 5 is ' ', must be a digit", ""),
            ("4081-021729", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn lithuanian_codes() {
    numbers(
        "LT",
        "AK",
        &[
            ("40810020395", "", "1908-10-02 F"),
            ("38012310014", "", "1980-12-31 M"),
            ("60002290014", "", "2000-02-29 F"),
            ("19912310019", "", "1899-12-31 M"),
            // Open: codes that begin with 9 hold no date.
            ("93302110077", "soft: is a code that begins with 9, which holds no date and is rare", ""),
            ("99999999997", "soft: is a code that begins with 9, which holds no date and is rare", ""),
            (
                "99999999998",
                "check digit is 8, must be 7 | soft: is a code that begins with 9, which holds no date and is rare",
                "",
            ),
            ("70810021721", "the sign of the century is 7, must be 1 to 6", ""),
            ("80810021722", "the sign of the century is 8, must be 1 to 6", ""),
            ("40810020394", "check digit is 4, must be 5", "1908-10-02 F"),
            ("52611220018", "its date is in the future, in 2026", ""),
            // Lengths.
            ("", "has 0 characters, must have 11 digits", ""),
            ("7", "has 1 character, must have 11 digits", ""),
            ("408100203950", "has 12 characters, must have 11 digits", ""),
            ("4081002039540810020395", "has 22 characters, must have 11 digits", ""),
        ],
    );
}

#[test]
fn spellings_of_a_code() {
    spellings(
        "EE",
        "IK",
        &[
            ("408 1002 1729", "40810021729"),
            ("4.081002.1729", "40810021729"),
            ("40810021729 ", "40810021729"),
            ("'40810021729", "40810021729"),
        ],
    );
}
