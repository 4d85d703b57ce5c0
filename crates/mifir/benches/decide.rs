//! How long the calls take that a server makes for every person: `cargo bench -p mifir`.
//!
//! Aims: a decision that makes a CONCAT below 2 µs, the check of a number below 1 µs.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::civil::{Date, date};
use mifir::{HeldIdentifier, OtherIdentifiers, Person, Regime, StandardKey, concat, decide};

use support::{country, standard, standards};

const TODAY: Date = date(2026, 11, 21);
const BORN: Date = date(1980, 7, 15);

fn decisions(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    let nationalities = ["PL", "DE"].map(country);
    let person = Person::new(&nationalities, "Günter Maria", "von der Heide", BORN);
    group.bench_function("concat", |b| {
        b.iter(|| decide(black_box(person), &[], OtherIdentifiers::Unknown, Regime::Eu, TODAY));
    });

    let polish = Person::new(&nationalities[..1], "Günter Maria", "von der Heide", BORN);
    let pesel = [HeldIdentifier::new(nationalities[0], StandardKey::Pesel, "54010150464")];
    group.bench_function("held PESEL", |b| {
        b.iter(|| decide(black_box(polish), black_box(&pesel), OtherIdentifiers::Unknown, Regime::Eu, TODAY));
    });
    group.finish();
}

fn concats(c: &mut Criterion) {
    let mut group = c.benchmark_group("concat");
    let germany = country("DE");
    for (id, first_name, surname) in
        [("plain", "John", "Smith"), ("accented", "Günter Maria", "von der Größl")]
    {
        group.bench_function(id, |b| {
            b.iter(|| concat(germany, black_box(first_name), black_box(surname), BORN));
        });
    }
    group.finish();
}

fn checks(c: &mut Criterion) {
    let mut group = c.benchmark_group("check");
    for (country, standard) in standards() {
        group.bench_function(format!("{standard:?}"), |b| {
            b.iter(|| standard.check(country, black_box(standard.example), TODAY));
        });
    }
    group.finish();
}

fn normal_forms(c: &mut Criterion) {
    let mut group = c.benchmark_group("normalise");
    for (id, code, key, written) in [
        ("PESEL stored", "PL", "PESEL", "54010150464"),
        ("PESEL with blanks", "PL", "PESEL", "540101 504 64"),
        ("PNR stored", "SE", "PNR", "197407224901"),
        ("PNR of ten digits", "SE", "PNR", "740722-4901"),
    ] {
        let standard = standard(country(code), key);
        group.bench_function(id, |b| {
            b.iter(|| standard.normalise(black_box(written), Some(BORN), TODAY).len());
        });
    }
    group.finish();
}

criterion_group!(benches, decisions, concats, checks, normal_forms);
criterion_main!(benches);
