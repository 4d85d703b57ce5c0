//! Maps columns to fields, by header or by `--map`.

use std::str::FromStr;

use anyhow::bail;
use csv::StringRecord;

use super::headers::{ColumnField, fold, is_full_name, is_name};
use super::record::is_ignorable;

/// A column whose field is given on the command line, as in `Nachname=last_name` or `PESEL=identifiers:PL:PESEL`.
#[derive(Clone, Debug)]
pub struct Mapping {
    header: String,
    field: ColumnField,
    /// Prefix of each value of identifiers: country, or country and standard.
    prefix: Option<String>,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (header, target) =
            text.rsplit_once('=').ok_or("must be HEADER=FIELD, as in Nachname=last_name")?;
        let (name, prefix) = match target.trim().split_once(':') {
            Some((name, prefix)) => (name, Some(prefix.to_owned())),
            None => (target.trim(), None),
        };
        let field = ColumnField::named(name).ok_or_else(|| {
            let names = ColumnField::ALL.map(ColumnField::name).join(", ");
            format!("'{name}' is no field; the fields are {names}")
        })?;
        if prefix.is_some() && field != ColumnField::Identifiers {
            return Err("a country in front of values belongs to identifiers alone".to_owned());
        }
        Ok(Self { header: header.trim().to_owned(), field, prefix })
    }
}

/// The position of each field in a record.
#[derive(Default)]
pub struct Columns {
    pub first_name: usize,
    pub last_name: usize,
    pub birth_date: usize,
    pub nationalities: Vec<usize>,
    /// Positions of the identifiers, with the prefix of their values.
    pub identifiers: Vec<(usize, Option<String>)>,
    pub gender: Option<usize>,
    /// Columns that are passed through, with their names in the output.
    pub with: Vec<(String, usize)>,
    /// Number of columns of the header.
    pub count: usize,
    /// Columns whose header differs from the name of their field.
    renamed: Vec<(String, &'static str)>,
    /// Columns that are not read.
    unread: Vec<String>,
}

/// Counts the columns of a header whose field is known.
pub fn count_known(header: &StringRecord, mappings: &[Mapping]) -> usize {
    let is_known = |name: &&str| {
        mappings.iter().any(|mapping| is_named(name, &mapping.header))
            || ColumnField::of_header(name).is_some()
    };
    header.iter().filter(is_known).count()
}

impl Columns {
    /// Maps the columns of a header to fields. `--map` takes precedence over the names of columns.
    ///
    /// # Errors
    ///
    /// Fails if a mandatory field has no column, a field has too many, or an option names an unknown column.
    pub fn find(header: &StringRecord, mappings: &[Mapping], with: &[String]) -> anyhow::Result<Self> {
        let mut found = MatchedColumns { header, columns: Vec::new() };
        for mapping in mappings {
            let at = found.only(&mapping.header, "--map")?;
            found.columns.push((at, mapping.field, mapping.prefix.clone()));
        }
        let mapped: Vec<usize> = found.columns.iter().map(|(at, ..)| *at).collect();
        let asked: Vec<ColumnField> = mappings.iter().map(|mapping| mapping.field).collect();
        for (at, name) in header.iter().enumerate().filter(|(at, _)| !mapped.contains(at)) {
            let field = ColumnField::of_header(name).filter(|field| !asked.contains(field));
            found.columns.extend(field.map(|field| (at, field, None)));
        }
        found.take_name_as_last_name()?;
        found.check(&asked)?;
        let columns = found.columns.iter().map(|(at, field, _)| (header[*at].trim(), field.name()));
        let renamed = columns.filter(|(name, field)| name != field);
        let is_unread =
            |at: &usize| !header[*at].trim().is_empty() && !found.columns.iter().any(|(read, ..)| read == at);
        let unread = (0..header.len()).filter(is_unread).map(|at| printable(&header[at])).collect();
        Ok(Self {
            first_name: found.need(ColumnField::FirstName)?,
            last_name: found.need(ColumnField::LastName)?,
            birth_date: found.need(ColumnField::BirthDate)?,
            nationalities: {
                found.need(ColumnField::Nationalities)?;
                found.all(ColumnField::Nationalities).map(|(at, _)| at).collect()
            },
            identifiers: found.all(ColumnField::Identifiers).collect(),
            gender: found.all(ColumnField::Gender).map(|(at, _)| at).next(),
            with: found.with(with)?,
            count: header.len(),
            renamed: renamed.map(|(name, field)| (printable(name), field)).collect(),
            unread,
        })
    }
}

impl Columns {
    /// Returns messages about the columns that are read under another name, and about those that are not read.
    pub fn describe(&self) -> Vec<String> {
        let renamed: Vec<String> =
            self.renamed.iter().map(|(name, field)| format!("{name} is read as {field}")).collect();
        let with = |name: &&String| !self.with.iter().any(|(passed, _)| passed == *name);
        let unread: Vec<&str> = self.unread.iter().filter(with).map(String::as_str).collect();
        let unread = (!unread.is_empty()).then(|| format!("not read: {}", unread.join(", ")));
        (!renamed.is_empty()).then(|| renamed.join(", ")).into_iter().chain(unread).collect()
    }
}

/// The columns that are matched so far, with their fields and prefixes.
struct MatchedColumns<'a> {
    header: &'a StringRecord,
    columns: Vec<(usize, ColumnField, Option<String>)>,
}

impl MatchedColumns<'_> {
    /// Returns the position of the only column of this name. An exact match takes precedence over one that differs in
    /// case, diacritics or punctuation.
    fn only(&self, name: &str, option: &str) -> anyhow::Result<usize> {
        let exact: Vec<usize> = self.positions(|header| header.trim_matches(is_ignorable) == name);
        let near = || self.positions(|header| is_named(header, name));
        let found = if exact.is_empty() { near() } else { exact };
        match found[..] {
            [at] => Ok(at),
            [] => bail!("{option}: there is no column '{name}' in the header, which has: {}", self.names()),
            _ => bail!("{option}: '{name}' is the name of several columns: {}", self.list_columns(&found)),
        }
    }

    /// Returns the positions of the headers that satisfy a condition.
    fn positions(&self, is_it: impl Fn(&str) -> bool) -> Vec<usize> {
        self.header.iter().enumerate().filter(|(_, header)| is_it(header)).map(|(at, _)| at).collect()
    }

    /// Returns the columns of a field.
    fn all(&self, field: ColumnField) -> impl Iterator<Item = (usize, Option<String>)> {
        let columns = self.columns.iter().filter(move |(_, found, _)| *found == field);
        columns.map(|(at, _, prefix)| (*at, prefix.clone()))
    }

    /// Maps a column `Name` to last names if there is a column of first names.
    fn take_name_as_last_name(&mut self) -> anyhow::Result<()> {
        let has = |field: ColumnField| self.all(field).next().is_some();
        if has(ColumnField::LastName) || !has(ColumnField::FirstName) {
            return Ok(());
        }
        match self.positions(is_name)[..] {
            [] => {}
            [at] => self.columns.push((at, ColumnField::LastName, None)),
            ref several => {
                bail!("several columns could be last_name: {}; choose with --map", self.list_columns(several))
            }
        }
        Ok(())
    }

    /// Refuses two columns for one field. Nationalities and identifiers may have several if `--map` asks for them.
    fn check(&self, asked: &[ColumnField]) -> anyhow::Result<()> {
        for field in ColumnField::ALL {
            let found: Vec<usize> = self.all(field).map(|(at, _)| at).collect();
            let may_be_several = matches!(field, ColumnField::Nationalities | ColumnField::Identifiers);
            if found.len() > 1 && !(may_be_several && asked.contains(&field)) {
                bail!(
                    "there is more than one column for {}: {}; choose with --map \"HEADER={}\", or rename one",
                    field.name(),
                    self.list_columns(&found),
                    field.name()
                );
            }
        }
        let mut mapped: Vec<usize> = self.columns.iter().map(|(at, ..)| *at).collect();
        mapped.sort_unstable();
        if let Some(twice) = mapped.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("--map: {} is given to two fields", self.list_columns(&twice[..1]));
        }
        Ok(())
    }

    /// Returns the position of a mandatory field.
    fn need(&self, field: ColumnField) -> anyhow::Result<usize> {
        if let Some((at, _)) = self.all(field).next() {
            return Ok(at);
        }
        let hint = self.hint(field);
        bail!("there is no column '{}' in the header, which has: {}{hint}", field.name(), self.names())
    }

    /// Suggests the likely cause of a missing column.
    fn hint(&self, field: ColumnField) -> String {
        let full = self.positions(is_full_name);
        let is_person = matches!(field, ColumnField::FirstName | ColumnField::LastName);
        if is_person && !full.is_empty() {
            let place = self.list_columns(&full);
            return format!(
                "; {place} seems to hold full names, but first and last names are needed in columns of their own, \
                 because CONCAT takes five letters of each"
            );
        }
        let has_letters = |name: &str| name.chars().any(char::is_alphabetic);
        match self.header.len() {
            1 if self.header[0].contains([',', ';', '\t']) => "; is each line quoted as a whole?".to_owned(),
            1 => "; the first line has to name the columns, and if another character divides them, say so with \
                  --delimiter"
                .to_owned(),
            _ if self.columns.is_empty() && self.header.iter().any(|name| !has_letters(name)) => {
                "; the first line has to name the columns".to_owned()
            }
            _ => format!("; a column of another name is taken with --map \"HEADER={}\"", field.name()),
        }
    }

    /// Returns the columns to pass through, each once and under a unique name.
    fn with(&self, names: &[String]) -> anyhow::Result<Vec<(String, usize)>> {
        let mut with: Vec<(String, usize)> = Vec::new();
        for name in names {
            if name == "*" {
                let all = self.header.iter().enumerate();
                with.extend(all.map(|(at, name)| (name.trim_matches(is_ignorable).to_owned(), at)));
            } else {
                let at = self.only(name, "--with")?;
                with.push((self.header[at].trim_matches(is_ignorable).to_owned(), at));
            }
        }
        let mut seen = Vec::new();
        with.retain(|(_, at)| !seen.contains(at) && (seen.push(*at), true).1);
        for index in 0..with.len() {
            let (name, at) = &with[index];
            if name.is_empty() || with[..index].iter().any(|(other, _)| other == name) {
                let name = format!("{name} (column {})", at + 1);
                name.trim_start().clone_into(&mut with[index].0);
            }
        }
        Ok(with)
    }

    /// Lists the columns of the header for a message.
    fn names(&self) -> String {
        let names: Vec<String> = self.header.iter().take(MAX_NAMES).map(printable).collect();
        let more = if self.header.len() > MAX_NAMES { ", …" } else { "" };
        names.join(", ") + more
    }

    /// Lists columns by number and name for a message.
    fn list_columns(&self, columns: &[usize]) -> String {
        let place = |at: &usize| format!("column {} ('{}')", at + 1, printable(&self.header[*at]));
        columns.iter().map(place).collect::<Vec<_>>().join(" and ")
    }
}

/// Maximum number of columns in a message: a file without a header would fill the terminal.
const MAX_NAMES: usize = 50;
/// Maximum number of characters of a column name in a message, for the same reason.
const MAX_LETTERS: usize = 60;

/// Compares a header with a name, ignoring case, diacritics and punctuation.
fn is_named(header: &str, name: &str) -> bool {
    !name.is_empty() && fold(header) == fold(name)
}

/// Shortens a name from the file for a message, and removes control characters, which could manipulate a terminal.
fn printable(name: &str) -> String {
    let name = name.trim_matches(is_ignorable);
    name.chars().take(MAX_LETTERS).filter(|letter| !letter.is_control()).collect()
}
