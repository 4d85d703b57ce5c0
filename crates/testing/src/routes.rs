//! Which routes a router has.

use std::collections::BTreeSet;
use std::fmt::Debug;

use regex::Regex;

/// Reads (path, method) of every route: a router cannot be asked for them, but it prints them.
pub fn routed(router: &impl Debug) -> BTreeSet<(String, String)> {
    let printed = format!("{router:?}");
    let printed = printed.split("fallback_router").next().unwrap();
    let (path, methods, method) = (
        Regex::new(r#"RouteId\((\d+)\): "([^"]+)""#).unwrap(),
        Regex::new(r"RouteId\((\d+)\): MethodRouter\(MethodRouter \{([^}]*) fallback:").unwrap(),
        Regex::new(r"([a-z]+): (?:BoxedHandler|Route)").unwrap(),
    );
    let mut found = BTreeSet::new();
    for route in path.captures_iter(printed) {
        let handlers = methods.captures_iter(printed).find(|other| other[1] == route[1]).unwrap();
        found
            .extend(method.captures_iter(&handlers[2]).map(|name| (route[2].to_owned(), name[1].to_owned())));
    }
    found
}
