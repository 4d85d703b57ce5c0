//! Romania: personal numeric code (CNP).

use crate::{numbers, spellings};

#[test]
fn numeric_codes() {
    numbers(
        "RO",
        "CNP",
        &[
            // The first digit tells century and sex.
            ("1000101041974", "", "1900-01-01 M"),
            ("1040229041973", "", "1904-02-29 M"),
            ("1261121041978", "", "1926-11-21 M"),
            ("2000101041976", "", "1900-01-01 F"),
            ("2040229041975", "", "1904-02-29 F"),
            ("2261121041971", "", "1926-11-21 F"),
            ("3000101041978", "", "1800-01-01 M"),
            ("3040229041977", "", "1804-02-29 M"),
            ("3261121041971", "", "1826-11-21 M"),
            ("4000101041971", "", "1800-01-01 F"),
            ("4040229041979", "", "1804-02-29 F"),
            ("4261121041973", "", "1826-11-21 F"),
            ("5000101041971", "", "2000-01-01 M"),
            ("5040229041970", "", "2004-02-29 M"),
            ("5261121041975", "", "2026-11-21 M"),
            ("6000101041973", "", "2000-01-01 F"),
            ("6040229041972", "", "2004-02-29 F"),
            ("6261121041977", "", "2026-11-21 F"),
            ("1991231041976", "", "1999-12-31 M"),
            // A check of 10 is written as 1.
            ("1800101040051", "", "1980-01-01 M"),
            ("1800101040131", "", "1980-01-01 M"),
            ("1800101040211", "", "1980-01-01 M"),
            // Counties, the offices that were added, and consulates.
            ("1800101010015", "", "1980-01-01 M"),
            ("1800101400016", "", "1980-01-01 M"),
            ("1800101460011", "", "1980-01-01 M"),
            ("1800101470017", "", "1980-01-01 M"),
            ("1800101510018", "", "1980-01-01 M"),
            ("1800101520015", "", "1980-01-01 M"),
            ("1800101700011", "", "1980-01-01 M"),
            ("1800101800014", "", "1980-01-01 M"),
            ("1800101830016", "", "1980-01-01 M"),
        ],
    );
}

/// A code may be good with these.
#[test]
fn soft_faults() {
    numbers(
        "RO",
        "CNP",
        &[
            // Codes that have been seen without a known meaning.
            (
                "1800101480014",
                "soft: the county is 48, must be 01 to 47, 51, 52, 70 or 80 to 83 as a rule",
                "1980-01-01 M",
            ),
            (
                "1800101500010",
                "soft: the county is 50, must be 01 to 47, 51, 52, 70 or 80 to 83 as a rule",
                "1980-01-01 M",
            ),
            (
                "1800101540011",
                "soft: the county is 54, must be 01 to 47, 51, 52, 70 or 80 to 83 as a rule",
                "1980-01-01 M",
            ),
            (
                "1800101560014",
                "soft: the county is 56, must be 01 to 47, 51, 52, 70 or 80 to 83 as a rule",
                "1980-01-01 M",
            ),
            (
                "1800101600015",
                "soft: the county is 60, must be 01 to 47, 51, 52, 70 or 80 to 83 as a rule",
                "1980-01-01 M",
            ),
            (
                "1800101640014",
                "soft: the county is 64, must be 01 to 47, 51, 52, 70 or 80 to 83 as a rule",
                "1980-01-01 M",
            ),
            (
                "1800101780018",
                "soft: the county is 78, must be 01 to 47, 51, 52, 70 or 80 to 83 as a rule",
                "1980-01-01 M",
            ),
            (
                "1800101790015",
                "soft: the county is 79, must be 01 to 47, 51, 52, 70 or 80 to 83 as a rule",
                "1980-01-01 M",
            ),
            (
                "1800101840013",
                "soft: the county is 84, must be 01 to 47, 51, 52, 70 or 80 to 83 as a rule",
                "1980-01-01 M",
            ),
            (
                "1800101990014",
                "soft: the county is 99, must be 01 to 47, 51, 52, 70 or 80 to 83 as a rule",
                "1980-01-01 M",
            ),
            // Foreign residents, whose century is not encoded.
            ("7800101040018", "soft: is a number of a foreign resident", " M"),
            ("8800101040011", "soft: is a number of a foreign resident", " F"),
            ("7000229040013", "soft: is a number of a foreign resident", " M"),
            (
                "7810229040012",
                "soft: is a number of a foreign resident | there is no birth date of day 29, month 02, year 81",
                " M",
            ),
            (
                "7801301040016",
                "soft: is a number of a foreign resident | there is no birth date of day 01, month 13, year 80",
                " M",
            ),
        ],
    );
}

#[test]
fn wrong_numeric_codes() {
    numbers(
        "RO",
        "CNP",
        &[
            // The check digit.
            ("1991231041977", "check digit is 7, must be 6", "1999-12-31 M"),
            ("1991231041970", "check digit is 0, must be 6", "1999-12-31 M"),
            ("1800101040050", "check digit is 0, must be 1", "1980-01-01 M"),
            // Counties that were never issued.
            ("1800101000018", "the county is 00, must be a code that has been issued", "1980-01-01 M"),
            ("1800101490011", "the county is 49, must be a code that has been issued", "1980-01-01 M"),
            ("1800101530012", "the county is 53, must be a code that has been issued", "1980-01-01 M"),
            ("1800101550017", "the county is 55, must be a code that has been issued", "1980-01-01 M"),
            // First digits that are none; 9 begins a tax number.
            ("0800101040015", "the sign of the century is 0, must be 1 to 8; 9 is a tax number", ""),
            ("9800101040011", "the sign of the century is 9, must be 1 to 8; 9 is a tax number", ""),
            // Dates.
            ("1000229040012", "there is no birth date of day 29, month 02, year 1900", ""),
            ("5000229040011", "", "2000-02-29 M"),
            ("1800230040014", "there is no birth date of day 30, month 02, year 1980", ""),
            ("1800431040014", "there is no birth date of day 31, month 04, year 1980", ""),
            ("1800001040013", "there is no birth date of day 01, month 00, year 1980", ""),
            ("1801301040015", "there is no birth date of day 01, month 13, year 1980", ""),
            ("1800100040014", "there is no birth date of day 00, month 01, year 1980", ""),
            ("5261122040011", "its date is in the future, in 2026", ""),
            ("6300101040014", "its date is in the future, in 2030", ""),
            // Lengths.
            ("", "has 0 characters, must have 13 digits", ""),
            ("7", "has 1 character, must have 13 digits", ""),
            ("19912310419760", "has 14 characters, must have 13 digits", ""),
            ("19912310419761991231041976", "has 26 characters, must have 13 digits", ""),
            // Characters other than ASCII digits.
            ("X991231041976", "character 1 is 'X', must be a digit", ""),
            ("19912X1041976", "character 6 is 'X', must be a digit", ""),
            ("199123104197X", "character 13 is 'X', must be a digit", ""),
            ("19٣1231041976", "character 3 is '٣', must be a digit", ""),
            (
                "O99123104197l",
                "character 1 is 'O', must be a digit | character 13 is 'l', must be a digit",
                "",
            ),
            ("1991 31041976", "character 5 is ' ', must be a digit", ""),
            ("1991-31041976", "character 5 is '-', must be a digit", ""),
        ],
    );
}

#[test]
fn spellings_of_a_numeric_code() {
    spellings(
        "RO",
        "CNP",
        &[
            ("1 991231 04 197 6", "1991231041976"),
            ("1991231-04-1976", "1991231041976"),
            ("'1991231041976", "1991231041976"),
        ],
    );
}
