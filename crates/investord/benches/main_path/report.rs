//! The figures, for people and for machines.

use std::fs;
use std::process::Command;

use comfy_table::{CellAlignment, Table, presets};
use investord::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::load::Outcome;

/// One operation with one kind of key over a number of connections.
pub struct Row {
    pub key: &'static str,
    pub operation: String,
    pub connections: usize,
    pub outcome: Outcome,
    /// CPU of one signature check under the same load on the cores, measured right before and right after.
    pub check_us: f64,
    /// What is aimed at for the rest.
    pub aim_us: Option<f64>,
}

impl Row {
    /// CPU of the server without one signature check.
    pub fn beyond_us(&self) -> f64 {
        self.outcome.cpu_us() - self.check_us
    }

    pub fn line(&self) -> String {
        self.cells().join("  ")
    }

    fn cells(&self) -> [String; 9] {
        [
            self.operation.clone(),
            self.key.into(),
            self.connections.to_string(),
            format!("{:.0}", self.outcome.per_second()),
            format!("{:.2}", self.outcome.quantile_ms(0.5)),
            format!("{:.2}", self.outcome.quantile_ms(0.99)),
            format!("{:.1}", self.outcome.cpu_us()),
            format!("{:.1}", self.beyond_us()),
            verdict(self.beyond_us(), self.aim_us),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "operation": self.operation,
            "key": self.key,
            "connections": self.connections,
            "requests": self.outcome.requests,
            "requests_per_second": self.outcome.per_second(),
            "p50_ms": self.outcome.quantile_ms(0.5),
            "p99_ms": self.outcome.quantile_ms(0.99),
            "cpu_us": self.outcome.cpu_us(),
            "check_us": self.check_us,
            "cpu_beyond_check_us": self.beyond_us(),
            "aim_us": self.aim_us,
        })
    }
}

struct Fact {
    name: String,
    value: f64,
    unit: &'static str,
    aim: Option<f64>,
}

pub struct Report {
    users: usize,
    pub rows: Vec<Row>,
    facts: Vec<Fact>,
}

impl Report {
    pub fn new(users: usize) -> Self {
        Self { users, rows: Vec::new(), facts: Vec::new() }
    }

    pub fn fact(&mut self, name: &str, value: f64, unit: &'static str) {
        self.note(Fact { name: name.into(), value, unit, aim: None });
    }

    /// A figure that shall be at most `aim`.
    pub fn aimed(&mut self, name: &str, value: f64, unit: &'static str, aim: f64) {
        self.note(Fact { name: name.into(), value, unit, aim: Some(aim) });
    }

    fn note(&mut self, fact: Fact) {
        eprintln!("{}: {:.2} {} {}", fact.name, fact.value, fact.unit, verdict(fact.value, fact.aim));
        self.facts.push(fact);
    }

    /// Lists at the end against lists at the start: means over keys and connections.
    pub fn compare_lists(&mut self) {
        let mean = |wanted: &dyn Fn(&str) -> bool, figure: fn(&Row) -> f64| {
            let of: Vec<f64> = self.rows.iter().filter(|row| wanted(&row.operation)).map(figure).collect();
            let count = u32::try_from(of.len()).ok().filter(|count| *count > 0)?;
            Some(of.iter().sum::<f64>() / f64::from(count))
        };
        let start = |operation: &str| operation == "list 100 at 0";
        let end = |operation: &str| operation.starts_with("list") && operation != "list 100 at 0";
        let ratio = |figure| Some(mean(&end, figure)? / mean(&start, figure)?);
        let ratios =
            [("CPU", ratio(|row| row.outcome.cpu_us())), ("p50", ratio(|row| row.outcome.quantile_ms(0.5)))];
        for (name, ratio) in ratios {
            if let Some(ratio) = ratio {
                self.aimed(&format!("list at the end to list at the start, {name}"), ratio, "", 1.2);
            }
        }
    }

    pub fn text(&self) -> String {
        let mut rows = table(&[
            "operation",
            "key",
            "connections",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "CPU µs",
            "beyond check µs",
            "aim",
        ]);
        rows.add_rows(self.rows.iter().map(Row::cells));
        let mut facts = table(&["figure", "value", "", "aim"]);
        facts.add_rows(self.facts.iter().map(|fact| {
            [fact.name.clone(), format!("{:.2}", fact.value), fact.unit.into(), verdict(fact.value, fact.aim)]
        }));
        for column in 2..8 {
            if let Some(column) = rows.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        if let Some(column) = facts.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let machine: Vec<_> = machine().into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!("{}\nusers: {}\n\n{rows}\n\n{facts}\n", machine.join("\n"), self.users)
    }

    pub fn json(&self) -> Value {
        let machine: serde_json::Map<_, _> =
            machine().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let facts: Vec<_> = self
            .facts
            .iter()
            .map(|Fact { name, value, unit, aim }| json!({ "name": name, "value": value, "unit": unit, "aim": aim }))
            .collect();
        json!({
            "machine": machine,
            "users": self.users,
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "facts": facts,
        })
    }
}

fn verdict(value: f64, aim: Option<f64>) -> String {
    match aim {
        None => String::new(),
        Some(aim) if value <= aim => format!("≤ {aim} met"),
        Some(aim) => format!("≤ {aim} missed"),
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header);
    table
}

/// What the figures were measured on.
fn machine() -> Vec<(&'static str, String)> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).unzip().1;
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    vec![
        ("date", SystemClock::default().now().strftime("%F %R UTC").to_string()),
        ("investord", env!("CARGO_PKG_VERSION").into()),
        ("cpu", model.unwrap_or("unknown").into()),
        ("cores", std::thread::available_parallelism().map_or(1, usize::from).to_string()),
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("load average", read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")),
        ("rustc", rustc.unwrap_or_default()),
    ]
}
