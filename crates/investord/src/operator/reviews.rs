//! Data changes and checks that wait for somebody to decide.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::HeaderMap;
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::{reviewed_change, reviewed_check};
use super::{
    Answer, Answered, Done, Sent, Tenant, Work, change, damaged, id_of, known, members, named, needed,
    one_of, scan, tenant,
};
use crate::app::App;
use crate::domain::check::{self, Check};
use crate::domain::preview::Preview;
use crate::domain::review::{Review, Verdict};
use crate::domain::user::User;
use crate::problem::Problem;
use crate::store::operators::Role;
use crate::store::seal::UserKey;
use crate::store::steps::{self, CHECK, DATA_CHANGE};
use crate::store::{StoreError, Tx, activation, checks, data_changes, identifiers, users};

/// Letters of a reason, as an event has them at most.
const REASON: usize = 100;
/// Matters that one answer shows.
const MOST: i64 = 200;

/// `GET /tenants/{tenant}/reviews`: what waits, with its evidence, the oldest first.
pub async fn queue(State(app): State<App>, headers: HeaderMap, Path(name): Path<String>) -> Answered {
    let operator = known(&app, &headers, Role::Viewer).await?;
    let of = operator.tenant;
    let (own, now) = (app.clone(), app.clock.now());
    let read = move |tx: &Tx<'_>| {
        let tenant = tenant(tx, &own, &operator, &name)?;
        let mut waiting = Vec::new();
        for step in steps::reviews(tx, tenant.number, MOST)? {
            let found = users::load(tx, tenant.number, step.user, &tenant.key)?;
            let (user, key) = found.ok_or_else(|| damaged("user", step.user))?;
            let (at, matter, preview) = if step.kind == CHECK {
                let found = checks::by_id(tx, tenant.number, user.id, step.subject, &key)?;
                let found = found.ok_or_else(|| damaged("check", step.subject))?;
                let preview = if_passed(tx, &tenant, &user, &found, &key)?;
                (found.created_at, reviewed_check(&found), preview)
            } else {
                let found = data_changes::by_id(tx, tenant.number, user.id, step.subject, &key)?;
                let found = found.ok_or_else(|| damaged("data change", step.subject))?;
                let held = identifiers::of_user(tx, tenant.number, user.id, &key)?;
                let asked = found.content.asked.clone();
                let contents = held.iter().map(|one| &one.content);
                let shared = identifiers::shared(tx, (tenant.number, Some(user.id)), contents, &tenant.key)?;
                let preview = Preview::of(&user, (&held, &shared), asked, &tenant.settings, now);
                (found.created_at, reviewed_change(&found), json!(preview))
            };
            let person: Value = serde_json::from_str(&user.person.json).unwrap_or_default();
            let name = format!(
                "{} {}",
                person["first_name"].as_str().unwrap_or_default(),
                person["last_name"].as_str().unwrap_or_default()
            );
            let shown = json!({
                "id": step.subject,
                "kind": step.kind,
                "waiting_since": at,
                "age_seconds": now.duration_since(at).as_secs().max(0),
                "user_id": user.id,
                "user": name,
                "preview": preview,
                "matter": matter,
            });
            waiting.push((at, shown));
        }
        waiting.sort_by_key(|(at, _)| *at);
        Ok::<_, Problem>(waiting.into_iter().map(|(_, one)| one).collect::<Vec<Value>>())
    };
    Ok(Answer(json!({ "data": scan(&app, of, "operator.reviews", read).await? })))
}

/// What follows if a check passes, in the form of a [`Preview`].
fn if_passed(
    tx: &Tx<'_>,
    tenant: &Tenant,
    user: &User,
    check: &Check,
    key: &UserKey,
) -> Result<Value, StoreError> {
    let mut says = Vec::new();
    if user.waits() {
        let passed = Check { status: check::Status::Passed, ..check.clone() };
        let lacks = activation::unmet(tx, tenant.number, user, Some(&passed), &tenant.settings, key)?;
        says.extend(lacks.is_empty().then(|| "the user becomes ACTIVE".to_owned()));
        says.extend(lacks.iter().map(ToString::to_string));
    }
    Ok(json!({
        "before": { "status": check.status.as_str() },
        "after": { "status": check::Status::Passed.as_str() },
        "says": says,
    }))
}

/// The decision of an operator.
#[derive(Clone, Copy)]
pub enum Say {
    Approve,
    Refuse,
    Cancel,
}

/// Reads the decision of an operator, and its reason.
pub fn verdict(body: Sent) -> Result<(Say, Option<String>), Problem> {
    let [verdict, reason] = members(body, ["verdict", "reason"])?;
    let say = match needed("verdict", verdict, 20)?.as_str() {
        "approve" => Say::Approve,
        "refuse" => Say::Refuse,
        "cancel" => Say::Cancel,
        other => return Err(one_of("verdict", other, &["approve", "refuse", "cancel"])),
    };
    let reason = match (say, reason) {
        (Say::Approve, None) => None,
        (_, reason) => Some(needed("reason", reason, REASON)?),
    };
    Ok((say, reason))
}

/// `POST /tenants/{tenant}/users/{user}/reviews/{subject}`: `verdict` and, unless it is good, `reason`. The worker does
/// what follows, in the user's order.
pub async fn decide(
    State(app): State<App>,
    headers: HeaderMap,
    Path((tenant, user, subject)): Path<(String, String, String)>,
    body: Sent,
) -> Answered {
    let operator = known(&app, &headers, Role::Operator).await?;
    let (say, reason) = verdict(body)?;
    let (user, subject) = (id_of(&user, "user")?, id_of(&subject, "data change or check")?);
    let (ids, now) = (Arc::clone(&app.ids), app.clock.now());
    let work = move |work: &mut Work<'_>| {
        let all = steps::of_user(work.tx, work.head.tenant, work.user.id)?;
        let step = all
            .into_iter()
            .find(|step| step.subject == subject && [DATA_CHANGE, CHECK].contains(&step.kind.as_str()));
        let Some(mut step) = step else { return Err(nothing_to_decide(work, subject)) };
        let verdict = Verdict {
            refusal: if matches!(say, Say::Approve) { None } else { reason.clone() },
            by: named(work.operator),
        };
        let (number, user) = (work.head.tenant, work.user.id);
        let (old, new) = if step.kind == CHECK {
            let found = checks::by_id(work.tx, number, user, subject, work.key)?;
            let mut check = found.ok_or_else(|| damaged("check", subject))?;
            let old = json!(check.content.review);
            say_of(&mut check.content.review, say, verdict, work, step.due.is_none())?;
            checks::put(work.tx, number, &check, work.key, &*ids)?;
            (old, check.content.review)
        } else {
            let found = data_changes::by_id(work.tx, number, user, subject, work.key)?;
            let mut change = found.ok_or_else(|| damaged("data change", subject))?;
            let old = json!(change.content.review);
            say_of(&mut change.content.review, say, verdict, work, step.due.is_none())?;
            data_changes::update(work.tx, number, &change, work.key, &*ids)?;
            (old, change.content.review)
        };
        if new.decided.is_some() {
            // The worker does it, when it is its turn.
            step.due = Some(now);
            steps::put(work.tx, &step)?;
        }
        let action = match say {
            Say::Approve => "approve",
            Say::Refuse => "refuse",
            Say::Cancel => "cancel",
        };
        Ok(Done { action, subject: Some(subject), reason: reason.clone(), old, new: json!(new) })
    };
    change(&app, operator, (tenant, user), work).await
}

fn say_of(
    review: &mut Review,
    say: Say,
    verdict: Verdict,
    work: &Work<'_>,
    waits: bool,
) -> Result<(), Problem> {
    let said = match say {
        // What waits for its turn alone is nobody's to judge; anything else takes as many eyes as a refusal.
        Say::Cancel if !waits => review.cancel(verdict),
        Say::Approve | Say::Refuse if !waits && review.decided.is_none() => {
            return Err(Problem::State("nobody has to decide this"));
        }
        Say::Approve | Say::Refuse | Say::Cancel => {
            review.decide(verdict, work.tenant.settings.four_eyes).map(drop)
        }
    };
    said.map_err(Problem::Decided)
}

/// Why there is nothing to be decided any more: somebody was faster, or there never was.
fn nothing_to_decide(work: &Work<'_>, subject: Uuid) -> Problem {
    let (tx, number, user) = (work.tx, work.head.tenant, work.user.id);
    let change = data_changes::by_id(tx, number, user, subject, work.key);
    let by = match change {
        Err(error) => return error.into(),
        Ok(Some(change)) => Some(change.content.decided_by),
        Ok(None) => match checks::by_id(tx, number, user, subject, work.key) {
            Err(error) => return error.into(),
            Ok(check) => check.map(|check| check.content.decided_by),
        },
    };
    match by {
        None => Problem::NotFound("data change or check"),
        Some(by) => Problem::Decided(format!("{} has decided it", by.unwrap_or_default())),
    }
}
