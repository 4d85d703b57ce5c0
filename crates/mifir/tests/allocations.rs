//! What a server does for every person and every number takes no memory where there is nothing to say.

mod support;

use std::hint::black_box;

use allocation_counter::measure;
use jiff::civil::{Date, date};
use mifir::{Country, Standard};

use support::standards;

const TODAY: Date = date(2026, 11, 21);

/// The standards for which something allocates.
fn allocating(work: impl Fn(Country, &'static Standard)) -> Vec<String> {
    let count = |(country, standard)| measure(|| work(country, standard)).count_total;
    let found = standards().map(|one| (count(one), one.1)).filter(|(count, _)| *count > 0);
    found.map(|(count, standard)| format!("{standard:?}: {count}")).collect()
}

/// Otherwise the tests below prove nothing.
#[test]
fn allocations_are_counted() {
    let (country, standard) = standards().next().expect("a standard");
    assert_eq!(measure(|| drop(black_box(String::from("counted")))).count_total, 1);
    assert!(measure(|| drop(black_box(standard.check(country, "1", TODAY)))).count_total > 0);
}

#[test]
fn the_stored_form_is_normalised_without_allocating() {
    for birth_date in [None, Some(date(1974, 7, 22))] {
        let found = allocating(|_, standard| {
            let normal = standard.normalise(standard.example, birth_date, TODAY);
            assert_eq!(normal, standard.example);
            drop(black_box(normal));
        });
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn a_faultless_number_is_checked_without_allocating() {
    let found = allocating(|country, standard| {
        let checked = standard.check(country, standard.example, TODAY);
        assert!(checked.faults.is_empty(), "{standard:?}: {checked:?}");
        drop(black_box(checked));
    });
    assert!(found.is_empty(), "{found:?}");
}
