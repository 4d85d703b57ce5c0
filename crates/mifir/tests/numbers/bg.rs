//! Bulgaria: personal number (EGN).

use crate::{numbers, spellings};

#[test]
fn personal_numbers() {
    numbers(
        "BG",
        "EGN",
        &[
            // The ninth digit is even for men.
            ("7407223847", "", "1974-07-22 M"),
            ("7407223852", "", "1974-07-22 F"),
            ("7407220004", "", "1974-07-22 M"),
            ("7407229995", "", "1974-07-22 F"),
            // The month tells the century: as it is, with 20 and with 40.
            ("0001010019", "", "1900-01-01 F"),
            ("9912310017", "", "1999-12-31 F"),
            ("9932310027", "", "1899-12-31 M"),
            ("8021010126", "", "1880-01-01 M"),
            ("0041010018", "", "2000-01-01 F"),
            ("0042290119", "", "2000-02-29 F"),
            ("2651210019", "", "2026-11-21 F"),
            // Leap days: 1900 had none, 1896 and 2004 had one.
            ("0002290017", "there is no birth date of day 29, month 02, year 1900", ""),
            ("9622290010", "", "1896-02-29 F"),
            ("0442290010", "", "2004-02-29 F"),
            ("0342290017", "there is no birth date of day 29, month 02, year 2003", ""),
            // A check of 10 is written as 0.
            ("7407220010", "", "1974-07-22 F"),
            ("7407220160", "", "1974-07-22 M"),
            ("7407220200", "", "1974-07-22 M"),
        ],
    );
}

#[test]
fn wrong_personal_numbers() {
    numbers(
        "BG",
        "EGN",
        &[
            ("7407223848", "check digit is 8, must be 7", "1974-07-22 M"),
            ("7407223840", "check digit is 0, must be 7", "1974-07-22 M"),
            ("4707223847", "check digit is 7, must be 2", "1947-07-22 M"),
            // Months and days that do not exist.
            ("7400220018", "there is no birth date of day 22, month 00, year 1974", ""),
            ("7413220019", "there is no birth date of day 22, month 13, year 1974", ""),
            ("7420220012", "there is no birth date of day 22, month 20, year 1974", ""),
            ("7433220013", "there is no birth date of day 22, month 33, year 1974", ""),
            ("7440220017", "there is no birth date of day 22, month 40, year 1974", ""),
            ("7453220018", "there is no birth date of day 22, month 53, year 1974", ""),
            ("7499220014", "there is no birth date of day 22, month 99, year 1974", ""),
            ("7407000015", "there is no birth date of day 00, month 07, year 1974", ""),
            ("7407320019", "there is no birth date of day 32, month 07, year 1974", ""),
            ("7406310016", "there is no birth date of day 31, month 06, year 1974", ""),
            // The day after today, and a later year.
            ("2651220017", "its date is in the future, in 2026", ""),
            ("3041010013", "its date is in the future, in 2030", ""),
            // Lengths.
            ("", "has 0 characters, must have 10 digits", ""),
            ("7", "has 1 character, must have 10 digits", ""),
            ("74072238470", "has 11 characters, must have 10 digits", ""),
            ("74072238477407223847", "has 20 characters, must have 10 digits", ""),
            // Characters other than ASCII digits.
            ("X407223847", "character 1 is 'X', must be a digit", ""),
            ("7407X23847", "character 5 is 'X', must be a digit", ""),
            ("740722384X", "character 10 is 'X', must be a digit", ""),
            ("74٣7223847", "character 3 is '٣', must be a digit", ""),
            ("O40722384l", "character 1 is 'O', must be a digit | character 10 is 'l', must be a digit", ""),
            ("7407 23847", "character 5 is ' ', must be a digit", ""),
            ("7407-23847", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn spellings_of_a_personal_number() {
    spellings(
        "BG",
        "EGN",
        &[
            ("740722 3847", "7407223847"),
            ("74.07.22-3847", "7407223847"),
            ("740722/3847", "7407223847"),
            ("'7407223847", "7407223847"),
            ("7407\u{200b}223847", "7407223847"),
            ("7407223847", "7407223847"),
        ],
    );
}
