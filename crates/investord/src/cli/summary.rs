//! Formats responses of the operator API as text.

use serde_json::Value;

use super::table::{self, age, cell, wrap};
use crate::domain::users::history::differences;

/// Formats a user: person, status, the reasons for an inactive status, and open work.
pub fn user(shown: &Value) -> String {
    let user = &shown["user"];
    let mut text = format!(
        "{} {}, born {}, {}\n{}\nuser {}\n{} since {}\n",
        cell(&user["first_name"]),
        cell(&user["last_name"]),
        cell(&user["birth_date"]),
        cell(&user["nationalities"]),
        wrap(&address(user)),
        cell(&user["id"]),
        cell(&user["status"]),
        cell(&shown["status_since"]),
    );
    let reasons: Vec<String> = items(&shown["not_active_because"])
        .map(|reason| wrap(&format!("- {}", cell(&reason["says"]))))
        .collect();
    if !reasons.is_empty() {
        text += &["\nNot active because\n", &reasons.join("\n"), "\n"].concat();
    }
    text += &identification(shown);
    text += &accounts_and_jobs(shown);
    text.trim_end().to_owned()
}

/// Formats the identifiers, checks, open data changes and tax residencies of a user.
fn identification(shown: &Value) -> String {
    let mut text = section(
        "Identifiers",
        &shown["identifiers"],
        &[
            ("country", |one| cell(&one["issuing_country"])),
            ("standard", |one| cell(&one["identifier_standard"])),
            ("identifier", |one| cell(&one["identifier"])),
            ("findings", findings),
        ],
    );
    text += &section(
        "Checks",
        &shown["checks"],
        &[
            ("id", |one| cell(&one["id"])),
            ("type", |one| cell(&one["type"])),
            ("status", |one| cell(&one["status"])),
            ("since", |one| cell(&one["created_at"])),
            ("decided by", format_decision),
        ],
    );
    let open: Value =
        items(&shown["data_changes"]).filter(|one| one["state"] == "PENDING").cloned().collect();
    text += &section(
        "Open data changes",
        &open,
        &[
            ("id", |one| cell(&one["id"])),
            ("since", |one| cell(&one["created_at"])),
            ("asked for", |one| cell(&one["asked"])),
            ("review", |one| cell(&one["review"]["proposed"])),
        ],
    );
    text += &section(
        "Tax residencies",
        &shown["tax_residencies"]["tax_residencies"],
        &[
            ("country", |one| cell(&one["country"])),
            ("tax identifier", |one| cell(&one["tax_identifier_number"])),
        ],
    );
    text
}

/// Formats the account groups, accounts and pending jobs of a user.
fn accounts_and_jobs(shown: &Value) -> String {
    let accounts: &[Column] = &[
        ("id", |one| cell(&one["id"])),
        ("type", |one| cell(&one["type"])),
        ("status", |one| cell(&one["status"])),
        ("number or name", |one| {
            cell(one.get("securities_account_number").or_else(|| one.get("name")).unwrap_or(&Value::Null))
        }),
    ];
    let mut text = section("Account groups", &shown["account_groups"], accounts);
    text += &section("Accounts", &shown["accounts"], accounts);
    text += &section(
        "To be done",
        &shown["pending"],
        &[
            ("what", |one| cell(&one["kind"])),
            ("id", |one| cell(&one["subject"])),
            ("not before", |one| cell(&one["due"])),
            ("held", |one| cell(&one["held"])),
        ],
    );
    text
}

/// A column of a section: its title, and the function that formats its cells.
type Column = (&'static str, fn(&Value) -> String);

/// Returns the items of a list, or none if the value is no list.
fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Formats a table under a title; an empty list results in an empty text.
fn section(title: &str, list: &Value, columns: &[Column]) -> String {
    let rows: Vec<Vec<String>> =
        items(list).map(|item| columns.iter().map(|(_, of)| of(item)).collect()).collect();
    if rows.is_empty() {
        return String::new();
    }
    let header: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    format!("\n{title}\n{}\n", table::rows(&header, rows))
}

/// Formats the postal address, email address and telephone number of a user on one line.
fn address(user: &Value) -> String {
    let address = &user["address"];
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let place = [&address["postcode"], &address["city"]].map(text).into_iter().flatten().collect::<Vec<_>>();
    let place = Some(place.join(" ")).filter(|place| !place.is_empty());
    let parts = [
        text(&address["address_line1"]),
        place,
        text(&address["country"]),
        text(&user["email"]),
        text(&user["phone_number"]),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Formats the findings of an identifier, one per line.
fn findings(identifier: &Value) -> String {
    let told = items(&identifier["faults"])
        .map(|fault| format!("{}: {}", cell(&fault["severity"]), cell(&fault["message"])));
    let told: Vec<String> = told.collect();
    if told.is_empty() { "none".to_owned() } else { told.join("\n") }
}

/// Formats the author and the reason of a decision about a check.
fn format_decision(check: &Value) -> String {
    match (check["decided_by"].as_str(), check["reason"].as_str()) {
        (Some(by), Some(reason)) => format!("{by}: {reason}"),
        (Some(by), None) => by.to_owned(),
        (None, _) => "-".to_owned(),
    }
}

/// Formats a history: instant, type, actor, and the changed members with old and new values.
pub fn history(events: &Value) -> String {
    let rows = items(events).map(|event| {
        let object = &event["object"];
        let what = object["action"].as_str().map_or_else(|| cell(&event["type"]), str::to_owned);
        let reason =
            event["reason"].as_str().or(object["reason"].as_str()).map(|text| format!("reason: {text}"));
        let changes =
            items(&event["changes"]).map(|one| format_change(&one["member"], &one["old"], &one["new"]));
        let details: Vec<String> = reason.into_iter().chain(changes).collect();
        vec![cell(&event["created_at"]), what, cell(&event["actor"]), details.join("\n")]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() { "none".to_owned() } else { table::rows(&["when", "what", "by", "details"], rows) }
}

/// Formats a changed member.
fn format_change(member: &Value, old: &Value, new: &Value) -> String {
    format!("{}: {} → {}", cell(member), cell(old), cell(new))
}

/// Formats the record of an operator's action.
pub fn action(done: &Value) -> String {
    let by = format!("{} is on record, by {}", cell(&done["action"]), cell(&done["actor"]["name"]));
    let why = done["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
    let changes = differences(&done["old"], &done["new"]).into_iter();
    let changes = changes.map(|one| format!("  {}: {} → {}", one.member, cell(&one.old), cell(&one.new)));
    let lines: Vec<String> = [by + &why].into_iter().chain(changes).map(|line| wrap(&line)).collect();
    lines.join("\n")
}

/// Formats the pending reviews: id, age, user, and the current and proposed values of each.
pub fn reviews(waiting: &Value) -> String {
    let all: Vec<String> = items(waiting).map(review).collect();
    if all.is_empty() { "nothing waits for a decision".to_owned() } else { all.join("\n\n") }
}

/// Formats a pending review.
fn review(one: &Value) -> String {
    let (matter, preview) = (&one["matter"], &one["preview"]);
    let kind = match matter["type"].as_str() {
        Some(check) => format!("check {check}"),
        None => cell(&one["kind"]).replace('-', " "),
    };
    let mut blocks = vec![format!(
        "{kind} {}, waits for {} (since {})\nof {}, user {}",
        cell(&one["id"]),
        age(one["age_seconds"].as_i64().unwrap_or_default()),
        cell(&one["waiting_since"]),
        cell(&one["user"]),
        cell(&one["user_id"]),
    )];
    let rows = differences(&preview["before"], &preview["after"]);
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|one| vec![one.member, cell(&one.old), cell(&one.new)]).collect();
    if !rows.is_empty() {
        blocks.push(table::rows(&["", "now", "would be"], rows));
    }
    let mut lines: Vec<String> =
        items(&preview["says"]).map(|says| format!("then: {}", cell(says))).collect();
    lines.extend(preview["refusal"].as_str().map(|why| format!("would fail: {why}")));
    lines.extend(matter["proof"].as_object().map(|_| format!("proof: {}", cell(&matter["proof"]))));
    lines.extend(matter["asked_by"].as_str().map(|by| format!("asked by {by}: {}", cell(&matter["reason"]))));
    lines.extend(matter["data_download_link"].as_str().map(|link| format!("proof: {link}")));
    lines.extend(
        matter["review"]["proposed"]
            .as_object()
            .map(|_| format!("first of two: {}", cell(&matter["review"]["proposed"]))),
    );
    blocks.extend(lines.iter().map(|line| wrap(line)));
    blocks.join("\n")
}

/// Formats who may what: name, each role with how it was given, last use, and when it has to be reviewed.
pub fn access(all: &Value) -> String {
    let rows = items(all).map(|one| {
        let given = items(&one["grants"]).map(|grant| {
            let place = grant["tenant"].as_str().unwrap_or("(all)");
            let maker =
                if one["has_provider_account"] == true { "the identity provider" } else { "the machine" };
            let by = grant["granted_by"].as_str().unwrap_or(maker);
            format!("{}: {place}, since {} by {by}", cell(&grant["role"]), cell(&grant["granted_at"]))
        });
        let given = given.collect::<Vec<_>>().join("\n");
        let due = if one["is_review_due"] == true { " (due)" } else { "" };
        let review = format!("{}{due}", cell(&one["review_due_at"]));
        vec![cell(&one["name"]), given, cell(&one["last_used_at"]), cell(&one["disabled_at"]), review]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let header = ["name", "may", "last used", "disabled", "review"];
    if rows.is_empty() { "none".to_owned() } else { table::rows(&header, rows) }
}

/// Formats operators: name, roles and where they have them, and the instants of creation, last use and deactivation.
pub fn operators(all: &Value) -> String {
    let rows = items(all).map(|one| {
        let given = items(&one["grants"]).map(|grant| {
            let place = grant["tenant"].as_str().map_or_else(|| "(all)".to_owned(), str::to_owned);
            format!("{}: {place}", cell(&grant["role"]))
        });
        let given = given.collect::<Vec<_>>().join(", ");
        let password = if one["has_password"] == true { "yes" } else { "no" }.to_owned();
        vec![
            cell(&one["name"]),
            given,
            password,
            cell(&one["created_at"]),
            cell(&one["last_used_at"]),
            cell(&one["disabled_at"]),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let header = ["name", "may", "password", "since", "last used", "disabled"];
    if rows.is_empty() { "none".to_owned() } else { table::rows(&header, rows) }
}
