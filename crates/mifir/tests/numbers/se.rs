//! Sweden: personal identity number (personnummer).

use crate::{numbers, spellings};

#[test]
fn numbers_of_twelve_digits() {
    numbers(
        "SE",
        "PNR",
        &[
            // The third digit of the serial number is odd for men.
            ("197407224901", "", "1974-07-22 F"),
            ("197407224919", "", "1974-07-22 M"),
            ("197407220016", "", "1974-07-22 M"),
            ("197407229991", "", "1974-07-22 M"),
            ("197407229983", "", "1974-07-22 F"),
            // Three centuries.
            ("188001011231", "", "1880-01-01 M"),
            ("189912311249", "", "1899-12-31 F"),
            ("200002291235", "", "2000-02-29 M"),
            ("202611211240", "", "2026-11-21 F"),
            // A coordination number adds 60 to the day.
            (
                "197407824916",
                "soft: is a coordination number, of somebody who was not registered",
                "1974-07-22 M",
            ),
            (
                "197407614929",
                "soft: is a coordination number, of somebody who was not registered",
                "1974-07-01 F",
            ),
            (
                "200002891232",
                "soft: is a coordination number, of somebody who was not registered",
                "2000-02-29 M",
            ),
            // Serial number 0 is doubtful.
            ("197407220008", "soft: the serial number is 000, must be 001 to 999", "1974-07-22 F"),
        ],
    );
}

#[test]
fn numbers_of_ten_digits() {
    numbers(
        "SE",
        "PNR",
        &[
            // Under 100 years of age: the last year with these digits that has begun.
            ("740722-4901", "", "1974-07-22 F"),
            ("261121-1232", "", "2026-11-21 M"),
            ("270101-1237", "", "1927-01-01 M"),
            ("000229-1235", "", "2000-02-29 M"),
            ("7407224901", "", "1974-07-22 F"),
            ("2701011237", "", "1927-01-01 M"),
            // From the year of the hundredth birthday: a hundred years before.
            ("261121+1232", "", "1926-11-21 M"),
            ("120506+4015", "", "1912-05-06 M"),
            ("270101+1237", "", "1827-01-01 M"),
            // A day of this year that has not come.
            ("261122-1231", "its date is in the future, in 2026", ""),
            // Coordination numbers.
            (
                "740782-4916",
                "soft: is a coordination number, of somebody who was not registered",
                "1974-07-22 M",
            ),
            // Signs that are none.
            ("740722/4901", "character 7 is '/', must be - or +", ""),
            ("740722 4901", "character 7 is ' ', must be - or +", ""),
            ("740722A4901", "character 7 is 'A', must be - or +", ""),
        ],
    );
}

#[test]
fn wrong_numbers() {
    numbers(
        "SE",
        "PNR",
        &[
            // The check digit is over ten digits.
            ("197407224902", "check digit is 2, must be 1", "1974-07-22 F"),
            ("197407224900", "check digit is 0, must be 1", "1974-07-22 F"),
            ("187407224901", "", "1874-07-22 F"),
            ("197407229401", "check digit is 1, must be 5", "1974-07-22 F"),
            ("740722-4902", "check digit is 2, must be 1", "1974-07-22 F"),
            // Centuries that are none.
            ("007407224901", "the sign of the century is 00, must be 18, 19 or 20", ""),
            ("167407224901", "the sign of the century is 16, must be 18, 19 or 20", ""),
            ("177407224901", "the sign of the century is 17, must be 18, 19 or 20", ""),
            ("217407224901", "the sign of the century is 21, must be 18, 19 or 20", ""),
            ("227407224901", "the sign of the century is 22, must be 18, 19 or 20", ""),
            ("997407224901", "the sign of the century is 99, must be 18, 19 or 20", ""),
            // Dates; organisations have a third digit of 2 or more.
            ("197413224903", "there is no birth date of day 22, month 13, year 1974", ""),
            ("197420224904", "there is no birth date of day 22, month 20, year 1974", ""),
            ("197400224908", "there is no birth date of day 22, month 00, year 1974", ""),
            ("197407324909", "there is no birth date of day 32, month 07, year 1974", ""),
            ("197407004907", "there is no birth date of day 00, month 07, year 1974", ""),
            ("197406604905", "there is no birth date of day 60, month 06, year 1974", ""),
            (
                "197406924907",
                "soft: is a coordination number, of somebody who was not registered | there is no birth date of day 32, month 06, year 1974",
                "",
            ),
            ("190002291235", "there is no birth date of day 29, month 02, year 1900", ""),
            ("202611221231", "its date is in the future, in 2026", ""),
            ("203001011232", "its date is in the future, in 2030", ""),
            // Lengths and characters; letters in the serial number are interim numbers.
            ("", "has 0 characters, must have 12 digits, or 10 with - or + before the last four", ""),
            (
                "7407224901234",
                "has 13 characters, must have 12 digits, or 10 with - or + before the last four",
                "",
            ),
            ("74072249", "has 8 characters, must have 12 digits, or 10 with - or + before the last four", ""),
            ("19740722T901", "character 9 is 'T', must be a digit", ""),
            ("1974O7224901", "character 5 is 'O', must be a digit", ""),
            ("740722-T901", "character 8 is 'T', must be a digit", ""),
            ("74O722-4901", "character 3 is 'O', must be a digit", ""),
        ],
    );
}

/// The century is that of a person under 100, or over 100 with a plus sign.
#[test]
fn ten_digits_become_twelve() {
    spellings(
        "SE",
        "PNR",
        &[
            ("740722-4901", "197407224901"),
            ("740722 4901", "197407224901"),
            ("7407224901", "197407224901"),
            ("740722+4901", "187407224901"),
            ("19740722-4901", "197407224901"),
            ("1974 07 22 4901", "197407224901"),
            ("197407224901", "197407224901"),
            ("270101-1234", "192701011234"),
            ("260101-1234", "202601011234"),
            ("260101+1234", "192601011234"),
            ("740722\u{2013}4901", "197407224901"),
            ("74-0722-4901", "74-0722-4901"),
            ("740722-490", "740722-490"),
            ("740722-49O1", "740722-49O1"),
            ("'740722-4901", "197407224901"),
        ],
    );
}
