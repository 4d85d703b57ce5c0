//! Belgium: national number, and BIS numbers.

use crate::{numbers, spellings};

#[test]
fn national_numbers() {
    numbers(
        "BE",
        "NN",
        &[
            // Births of the 1900s: the first and last serial numbers, odd for men.
            ("68022900186", "", "1968-02-29 M"),
            ("68022900285", "", "1968-02-29 F"),
            ("68022999760", "", "1968-02-29 M"),
            ("68022999859", "", "1968-02-29 F"),
            ("00010112348", "", "1900-01-01 M"),
            ("99123112442", "", "1999-12-31 F"),
            ("26112200159", "", "1926-11-22 M"),
            // Births of the 2000s: a 2 in front of the nine digits changes the check digits.
            ("00010112377", "", "2000-01-01 M"),
            ("00022912419", "", "2000-02-29 F"),
            ("26112000151", "", "2026-11-20 M"),
            ("26112100220", "", "2026-11-21 F"),
            ("26112200188", "its date is in the future, in 2026", ""),
            // A year that has not come is one of the 1900s, whose check digits it must have.
            ("27010100187", "check digits are 87, must be 58", "1927-01-01 M"),
            ("27010100158", "", "1927-01-01 M"),
            // A date that is not known, or serial numbers that were used up.
            ("68000012344", "", " M"),
            ("68020012457", "", " F"),
            ("68000112512", "", " M"),
            ("68023112695", "", " F"),
            ("68029912791", "", " M"),
        ],
    );
}

#[test]
fn wrong_national_numbers() {
    numbers(
        "BE",
        "NN",
        &[
            // Check digits: each digit wrong by one, and two exchanged.
            ("68022928002", "check digits are 02, must be 01", "1968-02-29 F"),
            ("68022928011", "check digits are 11, must be 01", "1968-02-29 F"),
            ("68022928099", "check digits are 99, must be 01", "1968-02-29 F"),
            ("86022928001", "check digits are 01, must be 88", " F"),
            // Serial numbers.
            ("68022900087", "the serial number is 000, must be 001 to 998", "1968-02-29 F"),
            ("68022999958", "the serial number is 999, must be 001 to 998", "1968-02-29 M"),
            // Months that neither a national nor a BIS number has.
            ("68130112308", "there is no birth date of day 01, month 13, year 1968", ""),
            ("68190112350", "there is no birth date of day 01, month 19, year 1968", ""),
            ("68330112351", "there is no birth date of day 01, month 33, year 1968", ""),
            ("68390112393", "there is no birth date of day 01, month 39, year 1968", ""),
            ("68530112394", "there is no birth date of day 01, month 53, year 1968", ""),
            ("68990112328", "there is no birth date of day 01, month 99, year 1968", ""),
            ("00130112364", "there is no birth date of day 01, month 13, year 2000", ""),
            // Lengths.
            ("", "has 0 characters, must have 11 digits", ""),
            ("7", "has 1 character, must have 11 digits", ""),
            ("680229280010", "has 12 characters, must have 11 digits", ""),
            ("6802292800168022928001", "has 22 characters, must have 11 digits", ""),
            // Characters other than ASCII digits.
            ("X8022928001", "character 1 is 'X', must be a digit", ""),
            ("6802X928001", "character 5 is 'X', must be a digit", ""),
            ("6802292800X", "character 11 is 'X', must be a digit", ""),
            ("68٣22928001", "character 3 is '٣', must be a digit", ""),
            ("O802292800l", "character 1 is 'O', must be a digit | character 11 is 'l', must be a digit", ""),
            ("6802 928001", "character 5 is ' ', must be a digit", ""),
            ("6802-928001", "character 5 is '-', must be a digit", ""),
        ],
    );
}

/// A BIS number passes for a national one with a soft fault.
#[test]
fn bis_numbers_among_national_ones() {
    numbers(
        "BE",
        "NN",
        &[
            // The sex is known where 40 is added to the month, and not known where 20 is.
            (
                "68422912350",
                "soft: is a BIS number, of somebody who is not in the National Register",
                "1968-02-29 M",
            ),
            (
                "68422912449",
                "soft: is a BIS number, of somebody who is not in the National Register",
                "1968-02-29 F",
            ),
            (
                "68222912307",
                "soft: is a BIS number, of somebody who is not in the National Register",
                "1968-02-29",
            ),
            (
                "68222912406",
                "soft: is a BIS number, of somebody who is not in the National Register",
                "1968-02-29",
            ),
            (
                "68521212348",
                "soft: is a BIS number, of somebody who is not in the National Register",
                "1968-12-12 M",
            ),
            (
                "68321212305",
                "soft: is a BIS number, of somebody who is not in the National Register",
                "1968-12-12",
            ),
            ("00200112316", "soft: is a BIS number, of somebody who is not in the National Register", ""),
            ("00400112458", "soft: is a BIS number, of somebody who is not in the National Register", " F"),
            ("26612200150", "there is no birth date of day 22, month 61, year 2026", ""),
            (
                "26512200177",
                "soft: is a BIS number, of somebody who is not in the National Register | its date is in the future, in 2026",
                "",
            ),
        ],
    );
}

#[test]
fn bis_numbers() {
    numbers(
        "BE",
        "BIS",
        &[
            ("24422923977", "", "1924-02-29 M"),
            ("68422912449", "", "1968-02-29 F"),
            ("68222912307", "", "1968-02-29"),
            ("00410112366", "", "2000-01-01 M"),
            ("68320012374", "", ""),
            // A national number is no BIS number.
            ("68022912361", "there is no birth date of day 29, month 02, year 1968", ""),
            ("68002912347", "there is no birth date of day 29, month 00, year 1968", ""),
            ("68122912433", "there is no birth date of day 29, month 12, year 1968", ""),
            ("68422912300", "check digits are 00, must be 50", "1968-02-29 M"),
            ("68422900076", "the serial number is 000, must be 001 to 998", "1968-02-29 F"),
            ("2442292397", "has 10 characters, must have 11 digits", ""),
        ],
    );
}

#[test]
fn spellings_of_a_national_number() {
    spellings(
        "BE",
        "NN",
        &[
            ("68.02.29-280.01", "68022928001"),
            ("68 02 29 280 01", "68022928001"),
            ("680229-280/01", "68022928001"),
            ("(68)0229 280 01", "68022928001"),
            (" 68022928001\t", "68022928001"),
            ("68\u{a0}02\u{a0}29\u{a0}280\u{a0}01", "68022928001"),
            ("68.02.29\u{2013}280.01", "68022928001"),
            ("6802292800l", "6802292800L"),
        ],
    );
}
