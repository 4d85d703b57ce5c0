//! The figures, for people and for machines.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use http_message_signatures::Algorithm;
use investord::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use url::Url;

use crate::aims::{self, Bound, OWN, WORKS};
use crate::same_work::SAME_WORK;
use crate::works::{MAIN_PATH, Row, Work};
use crate::world::KEYS;

struct Fact {
    name: String,
    value: f64,
    unit: &'static str,
    bound: Option<Bound>,
}

impl Fact {
    fn verdict(&self) -> String {
        self.bound.map_or_else(String::new, |bound| bound.verdict(self.value))
    }
}

pub struct Report {
    started: Instant,
    users: usize,
    /// What was measured, with what, on what: a line each.
    pub about: Vec<String>,
    /// The main path, by Investord and by neighbours.
    pub rows: Vec<Row>,
    /// Lists of very many users.
    pub bulk: Vec<Row>,
    sections: Vec<(String, Vec<Fact>)>,
}

impl Report {
    pub fn new(users: usize) -> Self {
        let (rows, bulk, sections) = (Vec::new(), Vec::new(), Vec::new());
        Self { started: Instant::now(), users, about: Vec::new(), rows, bulk, sections }
    }

    /// What is told from here on stands under this title.
    pub fn section(&mut self, title: &str) {
        eprintln!("-- {title}");
        self.sections.push((title.to_owned(), Vec::new()));
    }

    pub fn fact(&mut self, name: &str, value: f64, unit: &'static str) {
        self.note(Fact { name: name.into(), value, unit, bound: None });
    }

    /// A figure that shall be at most `bound`.
    pub fn at_most(&mut self, name: &str, value: f64, unit: &'static str, bound: f64) {
        self.note(Fact { name: name.into(), value, unit, bound: Some(Bound::AtMost(bound)) });
    }

    /// A figure that shall be at least `bound`.
    pub fn at_least(&mut self, name: &str, value: f64, unit: &'static str, bound: f64) {
        self.note(Fact { name: name.into(), value, unit, bound: Some(Bound::AtLeast(bound)) });
    }

    fn note(&mut self, fact: Fact) {
        eprintln!("{}: {:.2} {} {}", fact.name, fact.value, fact.unit, fact.verdict());
        if let Some((_, facts)) = self.sections.last_mut() {
            facts.push(fact);
        }
    }

    /// Markdown.
    pub fn text(&self) -> String {
        let minutes = self.started.elapsed().as_secs().div_ceil(60);
        let now = SystemClock::default().now().strftime("%F %R UTC").to_string();
        let about: Vec<_> = self.about.iter().map(|line| format!("- {line}")).collect();
        let head = format!("Measured by `{}`, in {minutes} minutes until {now}, on:", command());
        let mut parts = vec![head, about.join("\n")];
        let mut part = |title: &str, table: Table| parts.push(format!("### {title}\n\n{table}"));
        let (own, neighbours): (Vec<_>, Vec<_>) =
            self.contestants().into_iter().partition(|name| name.starts_with(OWN) || *name == SAME_WORK);
        for (title, names) in [("Signed", own), ("Unsigned", neighbours)] {
            for name in names {
                let rows = sorted(self.rows.iter().filter(|row| row.contestant == name));
                part(&format!("{title}: {name}, {} users", self.users), rows_table(&rows));
            }
        }
        if let Some(table) = self.comparison() {
            part("Requests/s at 64 connections: signed, against the best unsigned neighbour", table);
        }
        if let Some(first) = self.bulk.first() {
            let table = rows_table(&sorted(self.bulk.iter()));
            part(&format!("Signed: lists of {} users", first.users), table);
        }
        let aims: Vec<Fact> = aims::of(&self.rows, &self.bulk)
            .into_iter()
            .map(|aim| Fact { name: aim.name, value: aim.value, unit: "", bound: Some(aim.bound) })
            .collect();
        if !aims.is_empty() {
            part("Aims", facts_table(&aims));
        }
        for (title, facts) in self.sections.iter().filter(|(_, facts)| !facts.is_empty()) {
            part(title, facts_table(facts));
        }
        parts.join("\n\n")
    }

    /// In order of their appearance.
    fn contestants(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !names.contains(&row.contestant.as_str()) {
                names.push(&row.contestant);
            }
        }
        names
    }

    /// How many times the requests per second of the best neighbour.
    fn comparison(&self) -> Option<Table> {
        let own: Vec<(&str, Algorithm)> = self
            .contestants()
            .into_iter()
            .filter(|name| name.starts_with(OWN))
            .flat_map(|name| KEYS.map(|key| (name, key)))
            .collect();
        let mut header = vec!["work".to_owned(), "best neighbour".to_owned(), "requests/s".to_owned()];
        header.extend(
            own.iter().map(|(name, key)| format!("{}, {}", name.trim_start_matches(OWN), key.name())),
        );
        let mut rows: Vec<Vec<String>> = Vec::new();
        for work in WORKS {
            let Some((name, best)) = aims::best_neighbour(&self.rows, work) else { continue };
            let mut row = vec![work.name(self.users), name.to_owned(), format!("{best:.0}")];
            row.extend(own.iter().map(|(name, key)| {
                let figure = aims::figure(&self.rows, name, Some(*key), work);
                figure.map_or_else(String::new, |figure| format!("{figure:.0} ({:.1} ×)", figure / best))
            }));
            rows.push(row);
        }
        (!rows.is_empty()).then(|| table(&header, rows, 2))
    }

    pub fn json(&self) -> Value {
        let fact = |Fact { name, value, unit, bound }: &Fact| {
            let (most, least) = match bound {
                Some(Bound::AtMost(bound)) => (Some(bound), None),
                Some(Bound::AtLeast(bound)) => (None, Some(bound)),
                None => (None, None),
            };
            json!({ "name": name, "value": value, "unit": unit, "at_most": most, "at_least": least })
        };
        let sections: serde_json::Map<_, _> = self
            .sections
            .iter()
            .map(|(title, facts)| (title.clone(), facts.iter().map(fact).collect::<Vec<_>>().into()))
            .collect();
        let aims = aims::of(&self.rows, &self.bulk).into_iter().map(
            |aim| json!({ "name": aim.name, "value": aim.value, "verdict": aim.bound.verdict(aim.value) }),
        );
        json!({
            "command": command(),
            "about": self.about,
            "users": self.users,
            "rows": self.rows.iter().map(row_json).collect::<Vec<_>>(),
            "bulk": self.bulk.iter().map(row_json).collect::<Vec<_>>(),
            "aims": aims.collect::<Vec<_>>(),
            "facts": sections,
        })
    }
}

fn row_json(row: &Row) -> Value {
    json!({
        "contestant": row.contestant,
        "operation": row.work.name(row.users),
        "key": row.key.map(Algorithm::name),
        "connections": row.connections,
        "rounds": row.rounds.len(),
        "requests_per_second": row.per_second(),
        "p50_ms": row.p50_ms(),
        "p99_ms": row.median(|round| round.p99_ms),
        "cpu_us": row.median(|round| round.service_us),
        "database_cpu_us": row.database_us(),
        "check_us": row.median(|round| round.check_us),
        "cpu_beyond_check_us": row.beyond_us(),
    })
}

/// Services in order of their appearance, works in theirs, those of a group side by side.
fn sorted<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<&'a Row> {
    let mut rows: Vec<&Row> = rows.collect();
    let mut names: Vec<&str> = Vec::new();
    for row in &rows {
        if !names.contains(&row.contestant.as_str()) {
            names.push(&row.contestant);
        }
    }
    let service = |row: &Row| names.iter().position(|name| *name == row.contestant);
    let group = |work: Work| MAIN_PATH.iter().position(|group| group.contains(&work)).unwrap_or(2);
    let key = |row: &Row| KEYS.iter().position(|kind| Some(*kind) == row.key);
    rows.sort_by_key(|row| (service(row), group(row.work), key(row), row.connections, row.work as usize));
    rows
}

/// The columns that say something about these rows.
fn rows_table(rows: &[&Row]) -> Table {
    type Column = (&'static str, bool, fn(&Row) -> String);
    let signed = rows.iter().any(|row| row.key.is_some());
    let database = rows.iter().any(|row| row.database_us().is_some());
    let several = rows.iter().any(|row| row.contestant != rows[0].contestant);
    let aimed = rows.iter().any(|row| aims::beyond_check(row).is_some());
    let columns: [Column; 11] = [
        ("service", several, |row| row.contestant.clone()),
        ("work", true, |row| row.work.name(row.users)),
        ("key", signed, |row| row.key.map_or("", |key| key.name()).to_owned()),
        ("connections", true, |row| row.connections.to_string()),
        ("requests/s", true, |row| format!("{:.0}", row.per_second())),
        ("p50 ms", true, |row| format!("{:.2}", row.p50_ms())),
        ("p99 ms", true, |row| format!("{:.2}", row.median(|round| round.p99_ms))),
        ("CPU µs", true, |row| format!("{:.1}", row.median(|round| round.service_us))),
        ("database CPU µs", database, |row| {
            row.database_us().map_or_else(String::new, |value| format!("{value:.1}"))
        }),
        ("beyond check µs", signed, |row| format!("{:.1}", row.beyond_us())),
        ("aim", aimed, |row| {
            aims::beyond_check(row).map_or_else(String::new, |bound| bound.verdict(row.beyond_us()))
        }),
    ];
    let shown: Vec<&Column> = columns.iter().filter(|(_, shown, _)| *shown).collect();
    let header: Vec<String> = shown.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let right = header.iter().position(|name| name == "connections").unwrap_or(0);
    let cells = rows.iter().map(|row| shown.iter().map(|(.., cell)| cell(row)).collect()).collect();
    table(&header, cells, right)
}

fn facts_table(facts: &[Fact]) -> Table {
    let mut header = vec!["figure".to_owned(), "value".to_owned(), String::new()];
    let aimed = facts.iter().any(|fact| fact.bound.is_some());
    if aimed {
        header.push("aim".to_owned());
    }
    let row = |fact: &Fact| {
        let mut row = vec![fact.name.clone(), format!("{:.2}", fact.value), fact.unit.to_owned()];
        row.extend(aimed.then(|| fact.verdict()));
        row
    };
    let mut table = table(&header, facts.iter().map(row).collect(), 1);
    for column in 2..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    table
}

/// A table whose columns are numbers from `right` on, the aim excepted.
fn table(header: &[String], rows: Vec<Vec<String>>, right: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header);
    table.add_rows(rows);
    for (at, name) in header.iter().enumerate().skip(right) {
        if name != "aim"
            && let Some(column) = table.column_mut(at)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The command that has brought this about, without any password.
fn command() -> String {
    let shown = |argument: String| match Url::parse(&argument) {
        Ok(mut url) if url.password().is_some() => {
            let _ = url.set_password(Some("..."));
            url.to_string()
        }
        _ => argument,
    };
    let given = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let given: Vec<String> = given.map(shown).collect();
    let dashes = if given.is_empty() { "" } else { " -- " };
    format!("cargo bench -p investord --bench main_path{dashes}{}", given.join(" "))
}

/// What the figures are measured on and with.
pub fn machine(folder: &Path) -> Vec<String> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).unzip().1;
    let memory = read("/proc/meminfo");
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().split(' ').next());
    let gibibytes = memory.and_then(|kibibytes| kibibytes.parse::<u64>().ok()).unwrap_or(0) >> 20;
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
    vec![
        format!(
            "{cores} cores of {}, {gibibytes} GiB, {}, Linux {}, load average before it {load}",
            model.unwrap_or("an unknown processor"),
            file_system(folder, &read("/proc/mounts")),
            read("/proc/sys/kernel/osrelease").trim()
        ),
        format!(
            "investord {}, {}, SQLite {}",
            env!("CARGO_PKG_VERSION"),
            rustc.unwrap_or_default(),
            rusqlite::version()
        ),
    ]
}

/// The kind of file system that a folder is on.
fn file_system(folder: &Path, mounts: &str) -> String {
    let folder = folder.canonicalize().unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        folder.starts_with(place).then(|| (place.len(), kind.to_owned()))
    });
    mounts.max().map_or_else(|| "an unknown file system".to_owned(), |(_, kind)| kind)
}

#[expect(clippy::cast_precision_loss, reason = "numbers far below 2^52")]
pub fn figure(number: usize) -> f64 {
    number as f64
}

pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The median; 0 of nothing.
pub fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
