//! Slovenia: personal identification number (EMŠO).

use crate::{numbers, spellings};

#[test]
fn identification_numbers() {
    numbers(
        "SI",
        "EMSO",
        &[
            // The last three digits of the year, and 500 or more for women.
            ("1306931506728", "", "1931-06-13 F"),
            ("0101980500005", "", "1980-01-01 M"),
            ("0101980504507", "", "1980-01-01 M"),
            ("0101980505007", "", "1980-01-01 F"),
            ("0101980509509", "", "1980-01-01 F"),
            ("0101800500002", "", "1800-01-01 M"),
            ("3112899500001", "", "1899-12-31 M"),
            ("3112999500009", "", "1999-12-31 M"),
            ("2902000500004", "", "2000-02-29 M"),
            ("2111026505007", "", "2026-11-21 F"),
            // People registered elsewhere in former Yugoslavia.
            ("0101980100007", "", "1980-01-01 M"),
            ("0101980170005", "", "1980-01-01 M"),
            ("0101980330002", "", "1980-01-01 M"),
            ("0101980710018", "", "1980-01-01 M"),
            ("0101980910009", "", "1980-01-01 M"),
            ("0101980000002", "", "1980-01-01 M"),
            // Where the rest is 0 the check is 0; where it is 1 no number is issued, though some say 0.
            ("0101980500080", "", "1980-01-01 M"),
            ("0101980500110", "", "1980-01-01 M"),
            ("0101980500030", "soft: no number with these digits is issued", "1980-01-01 M"),
            ("0101980500170", "soft: no number with these digits is issued", "1980-01-01 M"),
            ("0101980500200", "soft: no number with these digits is issued", "1980-01-01 M"),
        ],
    );
}

#[test]
fn wrong_identification_numbers() {
    numbers(
        "SI",
        "EMSO",
        &[
            // The check digit.
            ("1306931506729", "check digit is 9, must be 8", "1931-06-13 F"),
            ("1306931506720", "check digit is 0, must be 8", "1931-06-13 F"),
            (
                "0101980500031",
                "soft: no number with these digits is issued | check digit is 1, must be 0",
                "1980-01-01 M",
            ),
            // Dates.
            ("2902900500018", "there is no birth date of day 29, month 02, year 1900", ""),
            ("3104980500005", "there is no birth date of day 31, month 04, year 1980", ""),
            ("0001980500000", "there is no birth date of day 00, month 01, year 1980", ""),
            ("0100980500009", "there is no birth date of day 01, month 00, year 1980", ""),
            ("0113980500003", "there is no birth date of day 01, month 13, year 1980", ""),
            ("3201980500000", "there is no birth date of day 32, month 01, year 1980", ""),
            ("2211026500018", "its date is in the future, in 2026", ""),
            ("0101799500001", "its date is in the future, in 2799", ""),
            ("0101030500009", "its date is in the future, in 2030", ""),
            // Lengths.
            ("", "has 0 characters, must have 13 digits", ""),
            ("7", "has 1 character, must have 13 digits", ""),
            ("13069315067280", "has 14 characters, must have 13 digits", ""),
            ("13069315067281306931506728", "has 26 characters, must have 13 digits", ""),
            // Characters other than ASCII digits.
            ("X306931506728", "character 1 is 'X', must be a digit", ""),
            ("13069X1506728", "character 6 is 'X', must be a digit", ""),
            ("130693150672X", "character 13 is 'X', must be a digit", ""),
            ("13٣6931506728", "character 3 is '٣', must be a digit", ""),
            (
                "O30693150672l",
                "character 1 is 'O', must be a digit | character 13 is 'l', must be a digit",
                "",
            ),
            ("1306 31506728", "character 5 is ' ', must be a digit", ""),
            ("1306-31506728", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn spellings_of_an_identification_number() {
    spellings(
        "SI",
        "EMSO",
        &[
            ("1306931 50 672 8", "1306931506728"),
            ("130693-1506728", "1306931506728"),
            ("'1306931506728", "1306931506728"),
        ],
    );
}
