//! Czech Republic and Slovakia: birth number (rodné číslo).

use crate::{numbers, spellings};

#[test]
fn numbers_of_ten_digits() {
    numbers(
        "CZ",
        "RC",
        &[
            // 50 is added to the month for women.
            ("6303285175", "", "1963-03-28 M"),
            ("6353285170", "", "1963-03-28 F"),
            ("5401010010", "", "1954-01-01 M"),
            ("5451010015", "", "1954-01-01 F"),
            ("9962310017", "", "1999-12-31 F"),
            ("9912310012", "", "1999-12-31 M"),
            // From 54 on it is a year of the 1900s, below one of the 2000s.
            ("0002290013", "", "2000-02-29 M"),
            ("0052290018", "", "2000-02-29 F"),
            ("2611210019", "", "2026-11-21 M"),
            ("2661210013", "", "2026-11-21 F"),
            // Since 2004 another 20 is added when the numbers of a day are used up.
            ("0421150015", "", "2004-01-15 M"),
            ("0471150010", "", "2004-01-15 F"),
            ("2632200010", "its date is in the future, in 2026", ""),
            ("2532200011", "", "2025-12-20 M"),
            ("2582200016", "", "2025-12-20 F"),
            (
                "0321150016",
                "the sign of the century is 03, must be 04 or later where 20 is added to the month",
                "",
            ),
            (
                "9921150019",
                "the sign of the century is 99, must be 04 or later where 20 is added to the month",
                "",
            ),
            (
                "6371150016",
                "the sign of the century is 63, must be 04 or later where 20 is added to the month",
                "",
            ),
            // Nine digits that leave 10 have a check of 0.
            ("6303280050", "", "1963-03-28 M"),
            ("6303280160", "", "1963-03-28 M"),
            ("6303280270", "", "1963-03-28 M"),
            // Open: a year that has not come may be one before 1954.
            ("2701010015", "soft: is a number of ten digits for a birth before 1954", "1927-01-01 M"),
            ("5362310019", "soft: is a number of ten digits for a birth before 1954", "1953-12-31 F"),
        ],
    );
}

#[test]
fn numbers_of_nine_digits() {
    numbers(
        "CZ",
        "RC",
        &[
            // They have no check, and are of births before 1954.
            ("530101001", "", "1953-01-01 M"),
            ("535101999", "", "1953-01-01 F"),
            ("000101001", "", "1900-01-01 M"),
            ("010229001", "there is no birth date of day 29, month 02, year 1901", ""),
            ("046229001", "", "1904-12-29 F"),
            ("801231001", "", "1880-12-31 M"),
            ("996231001", "", "1899-12-31 F"),
            (
                "540101001",
                "the sign of the century is 54, must be 00 to 53 or 80 to 99 in a number of nine digits",
                "",
            ),
            (
                "790101001",
                "the sign of the century is 79, must be 00 to 53 or 80 to 99 in a number of nine digits",
                "",
            ),
            (
                "532101001",
                "the sign of the century is 53, must be 04 or later where 20 is added to the month",
                "",
            ),
            (
                "531301001",
                "there is no birth date of day 01, month 13, year 1953; a leading zero is missing?",
                "",
            ),
            ("530132001", "there is no birth date of day 32, month 01, year 1953", ""),
            ("530001001", "there is no birth date of day 01, month 00, year 1953", ""),
            ("535001001", "there is no birth date of day 01, month 50, year 1953", ""),
        ],
    );
}

#[test]
fn wrong_numbers() {
    numbers(
        "CZ",
        "RC",
        &[
            ("6303285176", "check digit is 6, must be 5", "1963-03-28 M"),
            ("6303285170", "check digit is 0, must be 5", "1963-03-28 M"),
            (
                "3603285175",
                "check digit is 5, must be 0 | soft: is a number of ten digits for a birth before 1954",
                "1936-03-28 M",
            ),
            // Months between the ranges, and days that do not exist.
            ("6313280017", "there is no birth date of day 28, month 13, year 1963", ""),
            ("6320280010", "there is no birth date of day 28, month 20, year 1963", ""),
            ("6341280011", "there is no birth date of day 28, month 41, year 1963", ""),
            ("6350280013", "there is no birth date of day 28, month 50, year 1963", ""),
            ("6363280011", "there is no birth date of day 28, month 63, year 1963", ""),
            ("6370280015", "there is no birth date of day 28, month 70, year 1963", ""),
            ("6393280014", "there is no birth date of day 28, month 93, year 1963", ""),
            ("6399280019", "there is no birth date of day 28, month 99, year 1963", ""),
            ("6302290016", "there is no birth date of day 29, month 02, year 1963", ""),
            ("6304310012", "there is no birth date of day 31, month 04, year 1963", ""),
            ("6354310017", "there is no birth date of day 31, month 04, year 1963", ""),
            ("6303000011", "there is no birth date of day 00, month 03, year 1963", ""),
            ("2611220018", "its date is in the future, in 2026", ""),
            // Lengths.
            ("", "has 0 characters, must have 9 or 10 digits", ""),
            ("63032851", "has 8 characters, must have 9 or 10 digits", ""),
            ("63032851751", "has 11 characters, must have 9 or 10 digits", ""),
            // Characters other than digits.
            ("630328517X", "character 10 is 'X', must be a digit", ""),
            ("63032851X", "character 9 is 'X', must be a digit", ""),
            ("630328/517", "character 7 is '/', must be a digit", ""),
        ],
    );
}

#[test]
fn slovak_numbers() {
    numbers(
        "SK",
        "RC",
        &[
            ("0002298197", "", "2000-02-29 M"),
            ("6353285170", "", "1963-03-28 F"),
            ("530101001", "", "1953-01-01 M"),
            ("0421150015", "", "2004-01-15 M"),
            ("0002298198", "check digit is 8, must be 7", "2000-02-29 M"),
            (
                "540101001",
                "the sign of the century is 54, must be 00 to 53 or 80 to 99 in a number of nine digits",
                "",
            ),
        ],
    );
}

#[test]
fn spellings_of_a_birth_number() {
    spellings(
        "CZ",
        "RC",
        &[
            ("630328/5175", "6303285175"),
            ("63 03 28 / 5175", "6303285175"),
            ("630328-5175", "6303285175"),
            ("530101/001", "530101001"),
            ("'630328/5175", "6303285175"),
            ("630328\u{2212}5175", "6303285175"),
        ],
    );
}
