//! Poland: PESEL and tax number (NIP).

use crate::{numbers, spellings};

#[test]
fn pesel_numbers() {
    numbers(
        "PL",
        "PESEL",
        &[
            // The month tells the century; the tenth digit is odd for men.
            ("00810100019", "", "1800-01-01 M"),
            ("04822900029", "", "1804-02-29 F"),
            ("25923199996", "", "1825-12-31 M"),
            ("00010100015", "", "1900-01-01 M"),
            ("04022900025", "", "1904-02-29 F"),
            ("25123199992", "", "1925-12-31 M"),
            ("00210100011", "", "2000-01-01 M"),
            ("04222900021", "", "2004-02-29 F"),
            ("25323199998", "", "2025-12-31 M"),
            ("54010150464", "", "1954-01-01 F"),
            ("26312100012", "", "2026-11-21 M"),
        ],
    );
}

#[test]
fn wrong_pesel_numbers() {
    numbers(
        "PL",
        "PESEL",
        &[
            // The check digit.
            ("54010150460", "check digit is 0, must be 4", "1954-01-01 F"),
            ("54010150463", "check digit is 3, must be 4", "1954-01-01 F"),
            ("54010150465", "check digit is 5, must be 4", "1954-01-01 F"),
            ("54010150469", "check digit is 9, must be 4", "1954-01-01 F"),
            ("45010150464", "check digit is 4, must be 2", "1945-01-01 F"),
            // Months between the centuries, and days that do not exist.
            ("54000150463", "there is no birth date of day 01, month 00, year 1954", ""),
            ("54130150469", "there is no birth date of day 01, month 13, year 1954", ""),
            ("54190150465", "there is no birth date of day 01, month 19, year 1954", ""),
            ("54200150469", "there is no birth date of day 01, month 00, year 2054", ""),
            ("54330150465", "there is no birth date of day 01, month 13, year 2054", ""),
            ("54400150465", "there is no birth date of day 01, month 00, year 2154", ""),
            ("54590150467", "there is no birth date of day 01, month 19, year 2154", ""),
            ("54600150461", "there is no birth date of day 01, month 00, year 2254", ""),
            ("54800150467", "there is no birth date of day 01, month 00, year 1854", ""),
            ("54930150463", "there is no birth date of day 01, month 13, year 1854", ""),
            ("54990150469", "there is no birth date of day 01, month 19, year 1854", ""),
            ("00022950466", "there is no birth date of day 29, month 02, year 1900", ""),
            ("54022950469", "there is no birth date of day 29, month 02, year 1954", ""),
            ("54043150464", "there is no birth date of day 31, month 04, year 1954", ""),
            ("54010050467", "there is no birth date of day 00, month 01, year 1954", ""),
            ("54013250468", "there is no birth date of day 32, month 01, year 1954", ""),
            // Centuries and days to come.
            ("26312200019", "its date is in the future, in 2026", ""),
            ("27210100018", "its date is in the future, in 2027", ""),
            ("00410100017", "its date is in the future, in 2100", ""),
            ("00610100013", "its date is in the future, in 2200", ""),
            // Lengths.
            ("", "has 0 characters, must have 11 digits", ""),
            ("7", "has 1 character, must have 11 digits", ""),
            ("540101504640", "has 12 characters, must have 11 digits", ""),
            ("5401015046454010150464", "has 22 characters, must have 11 digits", ""),
            // Characters other than ASCII digits.
            ("X4010150464", "character 1 is 'X', must be a digit", ""),
            ("5401X150464", "character 5 is 'X', must be a digit", ""),
            ("5401015046X", "character 11 is 'X', must be a digit", ""),
            ("54٣10150464", "character 3 is '٣', must be a digit", ""),
            ("O401015046l", "character 1 is 'O', must be a digit | character 11 is 'l', must be a digit", ""),
            ("5401 150464", "character 5 is ' ', must be a digit", ""),
            ("5401-150464", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn tax_numbers() {
    numbers(
        "PL",
        "NIP",
        &[
            // Every check digit.
            ("6720300590", "", ""),
            ("6720300561", "", ""),
            ("6720300532", "", ""),
            ("6720300503", "", ""),
            ("6720300584", "", ""),
            ("6720300555", "", ""),
            ("6720300526", "", ""),
            ("6720300437", "", ""),
            ("6720300578", "", ""),
            ("6720300549", "", ""),
            ("6720304990", "", ""),
            // Wrong by one, exchanged, and digits whose check would be 10.
            ("6720304991", "check digit is 1, must be 0", ""),
            ("6720304999", "check digit is 9, must be 0", ""),
            ("7620304990", "check digit is 0, must be 1", ""),
            ("6720300160", "no number with these digits is issued", ""),
            ("6720300220", "no number with these digits is issued", ""),
            ("6720300390", "no number with these digits is issued", ""),
            // Lengths.
            ("", "has 0 characters, must have 10 digits", ""),
            ("7", "has 1 character, must have 10 digits", ""),
            ("67203049900", "has 11 characters, must have 10 digits", ""),
            ("67203049906720304990", "has 20 characters, must have 10 digits", ""),
            // Characters other than ASCII digits.
            ("X720304990", "character 1 is 'X', must be a digit", ""),
            ("6720X04990", "character 5 is 'X', must be a digit", ""),
            ("672030499X", "character 10 is 'X', must be a digit", ""),
            ("67٣0304990", "character 3 is '٣', must be a digit", ""),
            ("O72030499l", "character 1 is 'O', must be a digit | character 10 is 'l', must be a digit", ""),
            ("6720 04990", "character 5 is ' ', must be a digit", ""),
            ("6720-04990", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn spellings_of_a_pesel() {
    spellings(
        "PL",
        "PESEL",
        &[
            ("540101 50464", "54010150464"),
            ("540101-50464", "54010150464"),
            ("5401 0150 464", "54010150464"),
            ("'54010150464", "54010150464"),
        ],
    );
}

#[test]
fn spellings_of_a_tax_number() {
    spellings(
        "PL",
        "NIP",
        &[("672-030-49-90", "6720304990"), ("672 030 49 90", "6720304990"), ("PL6720304990", "PL6720304990")],
    );
}
