//! Checks identifiers, a line each (`COUNTRY STANDARD VALUE`), as of the day that is the first argument: the codes of
//! the hard faults, those of the soft ones, birth date and sex, separated by tabs.

use std::error::Error;
use std::io::{BufWriter, Write, stdin, stdout};

use jiff::civil::Date;
use mifir::{Birth, Country, Severity, StandardKey, standard};

fn main() -> Result<(), Box<dyn Error>> {
    let today: Date = std::env::args().nth(1).ok_or("the day is missing, as in 2026-11-21")?.parse()?;
    let mut out = BufWriter::new(stdout().lock());
    for line in stdin().lines() {
        let line = line?;
        let mut words = line.splitn(3, ' ');
        let (country, key, value) = (words.next(), words.next(), words.next().unwrap_or_default());
        let country: Country = country.unwrap_or_default().parse()?;
        let key: StandardKey = key.unwrap_or_default().parse()?;
        let standard = standard(country, key).ok_or_else(|| format!("unknown standard: {line}"))?;
        let checked = standard.check(country, value, today);
        for severity in [Severity::Hard, Severity::Soft] {
            let codes = checked.faults.iter().filter(|fault| fault.severity == severity);
            let codes: Vec<&str> = codes.map(|fault| fault.what.code()).collect();
            write!(out, "{}\t", codes.join(","))?;
        }
        match checked.encoded.birth {
            Birth::On(date) => write!(out, "{date}")?,
            Birth::InSomeCentury { day, month, year } => write!(out, "{year:02}-{month:02}-{day:02}")?,
            Birth::Unknown => {}
        }
        writeln!(
            out,
            "\t{}",
            checked.encoded.sex.map_or("", |sex| if sex == mifir::Sex::Male { "M" } else { "F" })
        )?;
    }
    Ok(out.flush()?)
}
