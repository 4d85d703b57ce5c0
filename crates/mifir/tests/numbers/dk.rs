//! Denmark: CPR number.

use crate::{numbers, spellings};

#[test]
fn cpr_numbers() {
    numbers(
        "DK",
        "CPR",
        &[
            // The seventh digit and the year tell the century; the last digit is odd for men.
            ("0102000001", "", "1900-02-01 M"),
            ("0102000002", "", "1900-02-01 F"),
            ("0102990001", "", "1999-02-01 M"),
            ("0102990002", "", "1999-02-01 F"),
            ("0102263001", "", "1926-02-01 M"),
            ("0102263002", "", "1926-02-01 F"),
            ("0102993001", "", "1999-02-01 M"),
            ("0102993002", "", "1999-02-01 F"),
            ("0102004001", "", "2000-02-01 M"),
            ("0102004002", "", "2000-02-01 F"),
            ("0102264001", "", "2026-02-01 M"),
            ("0102264002", "", "2026-02-01 F"),
            ("0102374001", "", "1937-02-01 M"),
            ("0102374002", "", "1937-02-01 F"),
            ("0102994001", "", "1999-02-01 M"),
            ("0102994002", "", "1999-02-01 F"),
            ("0102005001", "", "2000-02-01 M"),
            ("0102005002", "", "2000-02-01 F"),
            ("0102265001", "", "2026-02-01 M"),
            ("0102265002", "", "2026-02-01 F"),
            ("0102585001", "", "1858-02-01 M"),
            ("0102585002", "", "1858-02-01 F"),
            ("0102995001", "", "1899-02-01 M"),
            ("0102995002", "", "1899-02-01 F"),
            ("0102586001", "", "1858-02-01 M"),
            ("0102586002", "", "1858-02-01 F"),
            ("0102997001", "", "1899-02-01 M"),
            ("0102997002", "", "1899-02-01 F"),
            ("0102008001", "", "2000-02-01 M"),
            ("0102008002", "", "2000-02-01 F"),
            ("0102588001", "", "1858-02-01 M"),
            ("0102588002", "", "1858-02-01 F"),
            ("0102009001", "", "2000-02-01 M"),
            ("0102009002", "", "2000-02-01 F"),
            ("0102379001", "", "1937-02-01 M"),
            ("0102379002", "", "1937-02-01 F"),
            ("0102999001", "", "1999-02-01 M"),
            ("0102999002", "", "1999-02-01 F"),
        ],
    );
}

/// Since October 2007 numbers are issued that do not fulfil it.
#[test]
fn the_check_is_no_longer_guaranteed() {
    numbers(
        "DK",
        "CPR",
        &[
            ("1705010540", "", "1901-05-17 F"),
            ("1705010541", "", "1901-05-17 M"),
            ("1705010542", "", "1901-05-17 F"),
            ("1705010543", "", "1901-05-17 M"),
            ("1705010544", "", "1901-05-17 F"),
            ("1705010545", "", "1901-05-17 M"),
            ("1705010546", "", "1901-05-17 F"),
            ("1705010547", "", "1901-05-17 M"),
            ("1705010548", "", "1901-05-17 F"),
            ("1705010549", "", "1901-05-17 M"),
        ],
    );
}

#[test]
fn wrong_cpr_numbers() {
    numbers(
        "DK",
        "CPR",
        &[
            // Dates that do not exist; replacement numbers of hospitals add 60 to the day.
            ("3002010541", "there is no birth date of day 30, month 02, year 1901", ""),
            ("2902010541", "there is no birth date of day 29, month 02, year 1901", ""),
            ("2902000541", "there is no birth date of day 29, month 02, year 1900", ""),
            ("2902004541", "", "2000-02-29 M"),
            ("2902040541", "", "1904-02-29 M"),
            ("3104010541", "there is no birth date of day 31, month 04, year 1901", ""),
            ("0005010541", "there is no birth date of day 00, month 05, year 1901", ""),
            ("1700010541", "there is no birth date of day 17, month 00, year 1901", ""),
            ("1713010541", "there is no birth date of day 17, month 13, year 1901", ""),
            ("6105010541", "there is no birth date of day 61, month 05, year 1901", ""),
            ("9105010541", "there is no birth date of day 91, month 05, year 1901", ""),
            // The day after today, and later years of the century that the seventh digit tells.
            ("2111264541", "", "2026-11-21 M"),
            ("2211264541", "its date is in the future, in 2026", ""),
            ("0102274541", "its date is in the future, in 2027", ""),
            ("0102364541", "its date is in the future, in 2036", ""),
            ("0102575541", "its date is in the future, in 2057", ""),
            ("0102369541", "its date is in the future, in 2036", ""),
            // Lengths.
            ("", "has 0 characters, must have 10 digits", ""),
            ("7", "has 1 character, must have 10 digits", ""),
            ("17050105400", "has 11 characters, must have 10 digits", ""),
            ("17050105401705010540", "has 20 characters, must have 10 digits", ""),
            // Characters other than ASCII digits.
            ("X705010540", "character 1 is 'X', must be a digit", ""),
            ("1705X10540", "character 5 is 'X', must be a digit", ""),
            ("170501054X", "character 10 is 'X', must be a digit", ""),
            ("17٣5010540", "character 3 is '٣', must be a digit", ""),
            ("O70501054l", "character 1 is 'O', must be a digit | character 10 is 'l', must be a digit", ""),
            ("1705 10540", "character 5 is ' ', must be a digit", ""),
            ("1705-10540", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn spellings_of_a_cpr_number() {
    spellings(
        "DK",
        "CPR",
        &[
            ("170501-0540", "1705010540"),
            ("170501 0540", "1705010540"),
            ("17.05.01-0540", "1705010540"),
            ("170501\u{2013}0540", "1705010540"),
            ("'1705010540", "1705010540"),
            ("\u{feff}1705010540", "1705010540"),
        ],
    );
}
