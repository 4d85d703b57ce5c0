//! Italy: fiscal code (codice fiscale).

use crate::{numbers, spellings};

#[test]
fn fiscal_codes() {
    numbers(
        "IT",
        "CF",
        &[
            // Every month has its letter.
            ("RSSMRA80A15H501I", "", "??80-01-15 M"),
            ("RSSMRA80B15H501H", "", "??80-02-15 M"),
            ("RSSMRA80C15H501M", "", "??80-03-15 M"),
            ("RSSMRA80D15H501O", "", "??80-04-15 M"),
            ("RSSMRA80E15H501Q", "", "??80-05-15 M"),
            ("RSSMRA80H15H501Y", "", "??80-06-15 M"),
            ("RSSMRA80L15H501L", "", "??80-07-15 M"),
            ("RSSMRA80M15H501Z", "", "??80-08-15 M"),
            ("RSSMRA80P15H501K", "", "??80-09-15 M"),
            ("RSSMRA80R15H501P", "", "??80-10-15 M"),
            ("RSSMRA80S15H501T", "", "??80-11-15 M"),
            ("RSSMRA80T15H501V", "", "??80-12-15 M"),
            // 40 is added to the day for women; the century is not encoded.
            ("RSSMRA00A01H501C", "", "??00-01-01 M"),
            ("RSSMRA00A31H501F", "", "??00-01-31 M"),
            ("RSSMRA00A41H501G", "", "??00-01-01 F"),
            ("RSSMRA00A71H501J", "", "??00-01-31 F"),
            ("KVRGZZ59S51Z404L", "", "??59-11-11 F"),
            ("RSSMRA00B29H501Y", "", "??00-02-29 M"),
            ("RSSMRA96B69H501C", "", "??96-02-29 F"),
            ("RSSMRA26T31H501C", "", "??26-12-31 M"),
        ],
    );
}

/// People who would have the same code get letters for digits, from the right.
#[test]
fn omocodia() {
    numbers(
        "IT",
        "CF",
        &[
            ("RSSMRA80A41H501Y", "", "??80-01-01 F"),
            ("RSSMRA80A41H50MQ", "", "??80-01-01 F"),
            ("RSSMRA80A41H5LMB", "", "??80-01-01 F"),
            ("RSSMRA80A41HRLMW", "", "??80-01-01 F"),
            ("RSSMRA80A4MHRLMO", "", "??80-01-01 F"),
            ("RSSMRA80AQMHRLMA", "", "??80-01-01 F"),
            ("RSSMRA8LAQMHRLML", "", "??80-01-01 F"),
            ("RSSMRAULAQMHRLMI", "", "??80-01-01 F"),
            ("RSSMRAVMTMTHRLMI", "", "??91-12-17 M"),
            ("RSSMRANPDSRHSTUY", "", "??23-04-25 F"),
        ],
    );
}

#[test]
fn wrong_fiscal_codes() {
    numbers(
        "IT",
        "CF",
        &[
            // The control letter.
            ("RSSMRA80A41H501A", "check digit is A, must be Y", "??80-01-01 F"),
            ("RSSMRA80A41H501B", "check digit is B, must be Y", "??80-01-01 F"),
            ("RSSMRA80A41H501X", "check digit is X, must be Y", "??80-01-01 F"),
            ("RSSMRA80A41H501Z", "check digit is Z, must be Y", "??80-01-01 F"),
            // Days that do not exist.
            ("RSSMRA80A00H501V", "there is no birth date of day 00, month 01, year 80", ""),
            ("RSSMRA80A32H501C", "there is no birth date of day 32, month 01, year 80", ""),
            ("RSSMRA80A40H501Z", "there is no birth date of day 40, month 01, year 80", ""),
            ("RSSMRA80A72H501G", "there is no birth date of day 72, month 01, year 80", ""),
            ("RSSMRA80A81H501C", "there is no birth date of day 81, month 01, year 80", ""),
            ("RSSMRA80A99H501Y", "there is no birth date of day 99, month 01, year 80", ""),
            ("RSSMRA81B29H501R", "there is no birth date of day 29, month 02, year 81", ""),
            ("RSSMRA81B69H501V", "there is no birth date of day 69, month 02, year 81", ""),
            ("RSSMRA80D31H501D", "there is no birth date of day 31, month 04, year 80", ""),
            ("RSSMRA80B30H501X", "there is no birth date of day 30, month 02, year 80", ""),
            // Numbers of companies, lengths and characters.
            ("12345678901", "has 11 characters, must have 16 characters", ""),
            ("RSSMRA80A41H501", "has 15 characters, must have 16 characters", ""),
            ("RSSMRA80A41H501YA", "has 17 characters, must have 16 characters", ""),
            ("", "has 0 characters, must have 16 characters", ""),
            ("1SSMRA80A41H501Y", "character 1 is '1', must be a capital letter", ""),
            ("RSSMR080A41H501Y", "character 6 is '0', must be a capital letter", ""),
            ("RSSMRAO0A41H501Y", "character 7 is 'O', must be a digit or one of LMNPQRSTUV", ""),
            ("RSSMRA80F41H501Y", "character 9 is 'F', must be one of ABCDEHLMPRST", ""),
            ("RSSMRA80141H501Y", "character 9 is '1', must be one of ABCDEHLMPRST", ""),
            ("RSSMRA80AK1H501Y", "character 10 is 'K', must be a digit or one of LMNPQRSTUV", ""),
            ("RSSMRA80A415501Y", "character 12 is '5', must be a capital letter", ""),
            ("RSSMRA80A41H50WY", "character 15 is 'W', must be a digit or one of LMNPQRSTUV", ""),
            ("RSSMRA80A41H5011", "character 16 is '1', must be a capital letter", ""),
            (
                "rssmra80a41h501y",
                "character 1 is 'r', must be a capital letter | character 2 is 's', must be a capital letter | character 3 is 's', must be a capital letter | character 4 is 'm', must be a capital letter | character 5 is 'r', must be a capital letter | character 6 is 'a', must be a capital letter | character 9 is 'a', must be one of ABCDEHLMPRST | character 12 is 'h', must be a capital letter | character 16 is 'y', must be a capital letter",
                "",
            ),
        ],
    );
}

#[test]
fn spellings_of_a_fiscal_code() {
    spellings(
        "IT",
        "CF",
        &[
            ("kvr gzz 59s51 z404 l", "KVRGZZ59S51Z404L"),
            ("KVRGZZ-59S51-Z404L", "KVRGZZ59S51Z404L"),
            ("KVRGZZ59S51Z404L\u{a0}", "KVRGZZ59S51Z404L"),
        ],
    );
}
