//! Iceland: identity code (kennitala).

use crate::{numbers, spellings};

#[test]
fn identity_codes() {
    numbers(
        "IS",
        "KENNITALA",
        &[
            // The last digit tells the century.
            ("1306315769", "", "1931-06-13"),
            ("1201743399", "", "1974-01-12"),
            ("1201742079", "", "1974-01-12"),
            ("0101802528", "", "1880-01-01"),
            ("3112992558", "", "1899-12-31"),
            ("2902002530", "", "2000-02-29"),
            ("2111263370", "", "2026-11-21"),
            // Serial numbers of all tens.
            ("1201742079", "", "1974-01-12"),
            ("1201743049", "", "1974-01-12"),
            ("1201744019", "", "1974-01-12"),
            ("1201745099", "", "1974-01-12"),
            ("1201746069", "", "1974-01-12"),
            ("1201747039", "", "1974-01-12"),
            ("1201748009", "", "1974-01-12"),
            ("1201749089", "", "1974-01-12"),
            ("1201749919", "", "1974-01-12"),
        ],
    );
}

/// A code may be good with these.
#[test]
fn soft_faults() {
    numbers(
        "IS",
        "KENNITALA",
        &[
            // A check digit that is not right: since 2026 codes may be issued that do not fulfil it.
            ("1201743309", "soft: check digit is 0, must be 9", "1974-01-12"),
            ("1201743319", "soft: check digit is 1, must be 9", "1974-01-12"),
            ("1201743349", "soft: check digit is 4, must be 9", "1974-01-12"),
            ("1201743389", "soft: check digit is 8, must be 9", "1974-01-12"),
            // Digits whose check would be 10.
            ("1201742409", "soft: no number with these digits is issued", "1974-01-12"),
            ("1201743809", "soft: no number with these digits is issued", "1974-01-12"),
            // Serial numbers below 20.
            ("1201741939", "soft: the serial number is 19, must be 20 or more", "1974-01-12"),
            ("1201740029", "soft: the serial number is 00, must be 20 or more", "1974-01-12"),
            ("1201740109", "soft: the serial number is 01, must be 20 or more", "1974-01-12"),
            ("1201740539", "soft: the serial number is 05, must be 20 or more", "1974-01-12"),
        ],
    );
}

#[test]
fn wrong_identity_codes() {
    numbers(
        "IS",
        "KENNITALA",
        &[
            // Organisations add 40 to the day.
            ("4101742009", "the beginning is 41, must be 01 to 31; organisations add 40 to the day", ""),
            ("5201742069", "the beginning is 52, must be 01 to 31; organisations add 40 to the day", ""),
            ("7101742029", "the beginning is 71, must be 01 to 31; organisations add 40 to the day", ""),
            // Days and months that do not exist, and days to come.
            ("3202742069", "there is no birth date of day 32, month 02, year 1974", ""),
            ("2902752029", "there is no birth date of day 29, month 02, year 1975", ""),
            ("2902002029", "there is no birth date of day 29, month 02, year 1900", ""),
            ("3104742079", "there is no birth date of day 31, month 04, year 1974", ""),
            ("0001742039", "there is no birth date of day 00, month 01, year 1974", ""),
            ("1200742029", "there is no birth date of day 12, month 00, year 1974", ""),
            ("1213742189", "there is no birth date of day 12, month 13, year 1974", ""),
            ("7201742009", "there is no birth date of day 72, month 01, year 1974", ""),
            ("2211262030", "its date is in the future, in 2026", ""),
            ("0101302040", "its date is in the future, in 2030", ""),
            // Centuries that are none.
            ("1201743391", "the sign of the century is 1, must be 8, 9 or 0", ""),
            ("1201743392", "the sign of the century is 2, must be 8, 9 or 0", ""),
            ("1201743393", "the sign of the century is 3, must be 8, 9 or 0", ""),
            ("1201743394", "the sign of the century is 4, must be 8, 9 or 0", ""),
            ("1201743395", "the sign of the century is 5, must be 8, 9 or 0", ""),
            ("1201743396", "the sign of the century is 6, must be 8, 9 or 0", ""),
            ("1201743397", "the sign of the century is 7, must be 8, 9 or 0", ""),
            // Lengths.
            ("", "has 0 characters, must have 10 digits", ""),
            ("7", "has 1 character, must have 10 digits", ""),
            ("12017433990", "has 11 characters, must have 10 digits", ""),
            ("12017433991201743399", "has 20 characters, must have 10 digits", ""),
            // Characters other than ASCII digits.
            ("X201743399", "character 1 is 'X', must be a digit", ""),
            ("1201X43399", "character 5 is 'X', must be a digit", ""),
            ("120174339X", "character 10 is 'X', must be a digit", ""),
            ("12٣1743399", "character 3 is '٣', must be a digit", ""),
            ("O20174339l", "character 1 is 'O', must be a digit | character 10 is 'l', must be a digit", ""),
            ("1201 43399", "character 5 is ' ', must be a digit", ""),
            ("1201-43399", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn spellings_of_an_identity_code() {
    spellings(
        "IS",
        "KENNITALA",
        &[
            ("130631-5769", "1306315769"),
            ("130631 5769", "1306315769"),
            ("130631\u{2013}5769", "1306315769"),
            ("'1306315769", "1306315769"),
        ],
    );
}
