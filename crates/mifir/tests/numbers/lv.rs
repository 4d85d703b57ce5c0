//! Latvia: personal code (personas kods).

use crate::{numbers, spellings};

#[test]
fn codes_with_a_date() {
    numbers(
        "LV",
        "PK",
        &[
            // The seventh digit tells the century.
            ("11115916486", "", "1959-11-11"),
            ("01018000012", "", "1880-01-01"),
            ("31129900010", "", "1899-12-31"),
            ("01010010013", "", "1900-01-01"),
            ("31129910016", "", "1999-12-31"),
            ("29020020017", "", "2000-02-29"),
            ("21112620013", "", "2026-11-21"),
            ("30015910013", "", "1959-01-30"),
            ("31125910019", "", "1959-12-31"),
            // Where the check would be 10 no code is issued; some say 0.
            ("11115910050", "soft: no number with these digits is issued", "1959-11-11"),
            ("11115910130", "soft: no number with these digits is issued", "1959-11-11"),
            ("11115910210", "soft: no number with these digits is issued", "1959-11-11"),
        ],
    );
}

/// Since 1 July 2017.
#[test]
fn random_codes() {
    numbers(
        "LV",
        "PK",
        &[
            // They begin with 3 and a digit from 2 to 9, and hold nothing of the person.
            ("32000000008", "", ""),
            ("33000000002", "", ""),
            ("34000000007", "", ""),
            ("35000000001", "", ""),
            ("36000000006", "", ""),
            ("37000000000", "", ""),
            ("38000000005", "", ""),
            ("39000000018", "", ""),
            // Whether the last digit is a check is not known, so a wrong one is soft.
            ("32000000017", "soft: check digit is 7, must be 6", ""),
            ("32000000011", "soft: check digit is 1, must be 6", ""),
            ("32000000015", "soft: check digit is 5, must be 6", ""),
            ("32000000180", "soft: no number with these digits is issued", ""),
            (
                "32000000181",
                "soft: no number with these digits is issued | soft: check digit is 1, must be 0",
                "",
            ),
        ],
    );
}

#[test]
fn wrong_codes() {
    numbers(
        "LV",
        "PK",
        &[
            ("11115916487", "check digit is 7, must be 6", "1959-11-11"),
            ("11115916480", "check digit is 0, must be 6", "1959-11-11"),
            ("11115916485", "check digit is 5, must be 6", "1959-11-11"),
            // Centuries that are none.
            ("11115930018", "the sign of the century is 3, must be 0, 1 or 2", ""),
            ("11115940013", "the sign of the century is 4, must be 0, 1 or 2", ""),
            ("11115950019", "the sign of the century is 5, must be 0, 1 or 2", ""),
            ("11115960014", "the sign of the century is 6, must be 0, 1 or 2", ""),
            ("11115970028", "the sign of the century is 7, must be 0, 1 or 2", ""),
            ("11115980015", "the sign of the century is 8, must be 0, 1 or 2", ""),
            ("11115990010", "the sign of the century is 9, must be 0, 1 or 2", ""),
            // Dates.
            ("29020010011", "there is no birth date of day 29, month 02, year 1900", ""),
            ("31045910019", "there is no birth date of day 31, month 04, year 1959", ""),
            ("00115910013", "there is no birth date of day 00, month 11, year 1959", ""),
            ("11005910016", "there is no birth date of day 11, month 00, year 1959", ""),
            ("11135910014", "there is no birth date of day 11, month 13, year 1959", ""),
            ("40015910012", "there is no birth date of day 40, month 01, year 1959", ""),
            ("99995910013", "there is no birth date of day 99, month 99, year 1959", ""),
            ("22112620018", "its date is in the future, in 2026", ""),
            ("01013020014", "its date is in the future, in 2030", ""),
            // Lengths.
            ("", "has 0 characters, must have 11 digits", ""),
            ("7", "has 1 character, must have 11 digits", ""),
            ("111159164860", "has 12 characters, must have 11 digits", ""),
            ("1111591648611115916486", "has 22 characters, must have 11 digits", ""),
            // Characters other than ASCII digits.
            ("X1115916486", "character 1 is 'X', must be a digit", ""),
            ("1111X916486", "character 5 is 'X', must be a digit", ""),
            ("1111591648X", "character 11 is 'X', must be a digit", ""),
            ("11٣15916486", "character 3 is '٣', must be a digit", ""),
            ("O111591648l", "character 1 is 'O', must be a digit | character 11 is 'l', must be a digit", ""),
            ("1111 916486", "character 5 is ' ', must be a digit", ""),
            ("1111-916486", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn spellings_of_a_code() {
    spellings(
        "LV",
        "PK",
        &[
            ("111159-16486", "11115916486"),
            ("111159 16486", "11115916486"),
            ("320000\u{2013}00011", "32000000011"),
            ("'111159-16486", "11115916486"),
        ],
    );
}
