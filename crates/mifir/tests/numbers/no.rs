//! Norway: birth number (fødselsnummer).

use jiff::civil::date;

use crate::{numbers, numbers_on, spellings};

#[test]
fn birth_numbers() {
    numbers(
        "NO",
        "FNR",
        &[
            // Serial number and year tell the century; the third digit of the serial number is odd for men.
            ("17050144917", "", "1901-05-17 M"),
            ("01010000110", "", "1900-01-01 M"),
            ("01010000463", "", "1900-01-01 F"),
            ("31129900183", "", "1999-12-31 M"),
            ("31129900264", "", "1999-12-31 F"),
            ("01015450149", "", "1854-01-01 M"),
            ("01015450068", "", "1854-01-01 F"),
            ("31129950369", "", "1899-12-31 M"),
            ("31129950016", "", "1899-12-31 F"),
            ("01010050134", "", "2000-01-01 M"),
            ("01010050053", "", "2000-01-01 F"),
            ("21112650196", "", "2026-11-21 M"),
            ("21112650005", "", "2026-11-21 F"),
            ("29020050169", "", "2000-02-29 M"),
            ("29020050088", "", "2000-02-29 F"),
            ("01014090521", "", "1940-01-01 M"),
            ("01014090017", "", "1940-01-01 F"),
            ("31129990158", "", "1999-12-31 M"),
            ("31129990077", "", "1999-12-31 F"),
            // A D-number adds 40 to the day.
            ("57010100110", "soft: is a D-number, of somebody without a birth number", "1901-01-17 M"),
            ("71017000467", "soft: is a D-number, of somebody without a birth number", "1970-01-31 F"),
            ("41010050128", "soft: is a D-number, of somebody without a birth number", "2000-01-01 M"),
        ],
    );
}

#[test]
fn wrong_birth_numbers() {
    numbers(
        "NO",
        "FNR",
        &[
            // Both check digits.
            ("17050144918", "check digit is 8, must be 7", "1901-05-17 M"),
            ("17050144910", "check digit is 0, must be 7", "1901-05-17 M"),
            ("17050144907", "check digit is 0, must be 1 | check digit is 7, must be 9", "1901-05-17 M"),
            ("17050144927", "check digit is 2, must be 1 | check digit is 7, must be 5", "1901-05-17 M"),
            // Digits whose check would be 10.
            (
                "17050100600",
                "no number with these digits is issued | no number with these digits is issued",
                "1901-05-17 F",
            ),
            ("17050100430", "no number with these digits is issued", "1901-05-17 F"),
            // Serial numbers that no century of the year has.
            (
                "01014050147",
                "the sign of the century is 501, must be 000 to 499, or one of the others for this year",
                "",
            ),
            (
                "01015350128",
                "the sign of the century is 501, must be 000 to 499, or one of the others for this year",
                "",
            ),
            (
                "01015475141",
                "the sign of the century is 751, must be 000 to 499, or one of the others for this year",
                "",
            ),
            (
                "01019975149",
                "the sign of the century is 751, must be 000 to 499, or one of the others for this year",
                "",
            ),
            // Help numbers and numbers of synthetic persons add to the month.
            ("17410100371", "there is no birth date of day 17, month 41, year 1901", ""),
            ("17520100148", "there is no birth date of day 17, month 52, year 1901", ""),
            ("17660100156", "there is no birth date of day 17, month 66, year 1901", ""),
            ("17770100194", "there is no birth date of day 17, month 77, year 1901", ""),
            ("17810100192", "there is no birth date of day 17, month 81, year 1901", ""),
            ("17920100120", "there is no birth date of day 17, month 92, year 1901", ""),
            // Dates.
            ("29020100166", "there is no birth date of day 29, month 02, year 1901", ""),
            ("00050100162", "there is no birth date of day 00, month 05, year 1901", ""),
            ("32050100153", "there is no birth date of day 32, month 05, year 1901", ""),
            ("31040100124", "there is no birth date of day 31, month 04, year 1901", ""),
            ("17000100137", "there is no birth date of day 17, month 00, year 1901", ""),
            (
                "72050100147",
                "soft: is a D-number, of somebody without a birth number | there is no birth date of day 32, month 05, year 1901",
                "",
            ),
            ("22112650125", "its date is in the future, in 2026", ""),
            ("01013950187", "its date is in the future, in 2039", ""),
            // Lengths.
            ("", "has 0 characters, must have 11 digits", ""),
            ("7", "has 1 character, must have 11 digits", ""),
            ("170501449170", "has 12 characters, must have 11 digits", ""),
            ("1705014491717050144917", "has 22 characters, must have 11 digits", ""),
            // Characters other than ASCII digits.
            ("X7050144917", "character 1 is 'X', must be a digit", ""),
            ("1705X144917", "character 5 is 'X', must be a digit", ""),
            ("1705014491X", "character 11 is 'X', must be a digit", ""),
            ("17٣50144917", "character 3 is '٣', must be a digit", ""),
            ("O705014491l", "character 1 is 'O', must be a digit | character 11 is 'l', must be a digit", ""),
            ("1705 144917", "character 5 is ' ', must be a digit", ""),
            ("1705-144917", "character 5 is '-', must be a digit", ""),
        ],
    );
}

/// From 1 January 2032 numbers are issued that hold neither sex nor century, so none is read from any number.
#[test]
fn numbers_from_2032_on() {
    numbers_on(
        "NO",
        "FNR",
        date(2032, 1, 1),
        &[
            ("01018000136", "", ""),
            ("01013950187", "", ""),
            ("41018000391", "soft: is a D-number, of somebody without a birth number", ""),
            // The first check digit is soft then, the second is not.
            ("01018000101", "soft: check digit is 0, must be 3", ""),
            ("01018000128", "soft: check digit is 2, must be 3", ""),
            ("01018000144", "soft: check digit is 4, must be 3", ""),
            ("01018000152", "soft: check digit is 5, must be 3", ""),
            ("01018000137", "check digit is 7, must be 6", ""),
            // A day that no century has is wrong as before.
            ("30028000371", "there is no birth date of day 30, month 02, year 80", ""),
            ("01138000164", "there is no birth date of day 01, month 13, year 80", ""),
        ],
    );
}

#[test]
fn the_last_day_of_the_old_rule() {
    numbers_on(
        "NO",
        "FNR",
        date(2031, 12, 31),
        &[
            ("01018000136", "", "1980-01-01 M"),
            ("01013950187", "its date is in the future, in 2039", ""),
            ("31123150190", "", "2031-12-31 M"),
        ],
    );
}

#[test]
fn spellings_of_a_birth_number() {
    spellings(
        "NO",
        "FNR",
        &[
            ("170501 44917", "17050144917"),
            ("17.05.01-44917", "17050144917"),
            ("170501-449 17", "17050144917"),
            ("'17050144917", "17050144917"),
        ],
    );
}
