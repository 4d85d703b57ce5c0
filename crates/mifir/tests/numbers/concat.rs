//! CONCAT as a value: its form.

use crate::{numbers, spellings};

#[test]
fn concats() {
    numbers(
        "DE",
        "CONCAT",
        &[
            ("DE19800715GUNTEVOS##", "", "1980-07-15"),
            ("DE20000229ANNA#LEE##", "", "2000-02-29"),
            ("DE18991231A####B####", "", "1899-12-31"),
            ("DE20261121ABCDEFGHIJ", "", "2026-11-21"),
            // The country in front is that of the identifier.
            ("FR19800715GUNTEVOS##", "begins with FR, must begin with DE", "1980-07-15"),
            ("XX19800715GUNTEVOS##", "begins with XX, must begin with DE", "1980-07-15"),
            // Names: letters, then signs.
            (
                "DE19800715#####VOS##",
                "the name is #####, must be letters, then # up to the fifth place",
                "1980-07-15",
            ),
            (
                "DE19800715GUNTE#####",
                "the name is #####, must be letters, then # up to the fifth place",
                "1980-07-15",
            ),
            (
                "DE19800715GU#TEVOS##",
                "the name is GU#TE, must be letters, then # up to the fifth place",
                "1980-07-15",
            ),
            (
                "DE19800715#UNTEVOS##",
                "the name is #UNTE, must be letters, then # up to the fifth place",
                "1980-07-15",
            ),
            (
                "DE19800715GUNTEV#S##",
                "the name is V#S##, must be letters, then # up to the fifth place",
                "1980-07-15",
            ),
            (
                "DE19800715##########",
                "the name is #####, must be letters, then # up to the fifth place | the name is #####, must be letters, then # up to the fifth place",
                "1980-07-15",
            ),
            // Dates.
            ("DE19800230GUNTEVOS##", "there is no birth date of day 30, month 02, year 1980", ""),
            ("DE19801315GUNTEVOS##", "there is no birth date of day 15, month 13, year 1980", ""),
            ("DE19800700GUNTEVOS##", "there is no birth date of day 00, month 07, year 1980", ""),
            ("DE20261122GUNTEVOS##", "its date is in the future, in 2026", ""),
            ("DE00000715GUNTEVOS##", "", "0000-07-15"),
            // Lengths and characters.
            ("19800715GUNTEVOS##", "has 18 characters, must have 20 characters", ""),
            ("DE19800715GUNTEVOS#", "has 19 characters, must have 20 characters", ""),
            ("DE19800715GUNTEVOS###", "has 21 characters, must have 20 characters", ""),
            ("", "has 0 characters, must have 20 characters", ""),
            ("DE19800715GUNTEVOS#1", "character 20 is '1', must be a capital letter or #", ""),
            ("DE1980O715GUNTEVOS##", "character 7 is 'O', must be a digit", ""),
            ("D119800715GUNTEVOS##", "character 2 is '1', must be a capital letter", ""),
            ("DE19800715GÜNTEVOS##", "character 12 is 'Ü', must be a capital letter or #", ""),
            ("DE19800715gUNTEVOS##", "character 11 is 'g', must be a capital letter or #", ""),
        ],
    );
}

#[test]
fn spellings_of_a_concat() {
    spellings(
        "DE",
        "CONCAT",
        &[
            ("de 1980-07-15 gunte vos##", "DE19800715GUNTEVOS##"),
            ("DE19800715GUNTEVOS##", "DE19800715GUNTEVOS##"),
        ],
    );
}
