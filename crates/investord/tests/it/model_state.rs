//! The model: a register of a few users as the documentation describes it, without a database.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A data change that is not done yet.
pub struct Change {
    pub subject: String,
    pub asked: Map<String, Value>,
    /// Not before; none while somebody has to decide.
    pub due: Option<i64>,
    pub refusal: Option<String>,
    pub decided: bool,
}

pub struct User {
    /// As it was answered last, without instants.
    pub view: Value,
    pub suspended: bool,
    /// Id and value of the Polish number.
    pub pesel: Option<(String, String)>,
    pub changes: Vec<Change>,
    pub changes_ever: usize,
    pub leaves: Option<Ending>,
}

/// An end that is looked at when it is due, or when something else of the user is done.
pub struct Ending {
    pub due: Option<i64>,
    pub held: bool,
}

impl Ending {
    pub fn is_due(&self, now: i64) -> bool {
        !self.held && self.due.is_some_and(|due| due <= now)
    }
}

/// A group, or an account in one.
pub struct Place {
    pub owner: usize,
    pub group: Option<usize>,
    pub view: Value,
    /// When its closing is looked at again.
    pub closes: Option<Ending>,
}

#[derive(Default)]
pub struct Model {
    pub users: Vec<User>,
    /// Groups and accounts.
    pub places: Vec<Place>,
    /// By the id of what it is about: kind and object.
    pub events: BTreeMap<String, Vec<(String, Value)>>,
}

pub fn id(view: &Value) -> String {
    view["id"].as_str().unwrap().to_owned()
}

pub fn plain(view: &Value) -> Value {
    let mut view = view.clone();
    for instant in ["created_at", "updated_at"] {
        view.as_object_mut().unwrap().remove(instant);
    }
    view
}

impl Model {
    pub fn told(&mut self, kind: &str, view: &Value) {
        self.events.entry(id(view)).or_default().push((kind.to_owned(), plain(view)));
    }

    pub fn status(&self, user: usize) -> &str {
        self.users[user].view["status"].as_str().unwrap()
    }

    /// Activates a user who waits for nothing, and what has waited for them.
    pub fn judge(&mut self, at: usize) {
        let user = &self.users[at];
        let leads =
            user.view["nationalities"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).min();
        let identified = leads != Some("PL") || user.pesel.is_some();
        if self.status(at) != "INACTIVE" || user.suspended || !identified {
            return;
        }
        self.becomes(at, "ACTIVE", "USER.ACTIVATED");
        for groups in [true, false] {
            for place in 0..self.places.len() {
                let own = self.places[place].owner == at && self.places[place].group.is_none() == groups;
                if own && self.places[place].view["status"] == "PENDING_APPROVAL" {
                    self.place_becomes(place, "ACTIVE", "ACTIVATED");
                }
            }
        }
    }

    pub fn becomes(&mut self, at: usize, status: &str, kind: &str) {
        self.users[at].view["status"] = json!(status);
        let view = self.users[at].view.clone();
        self.told(kind, &view);
    }

    pub fn place_becomes(&mut self, place: usize, status: &str, what: &str) {
        self.places[place].view["status"] = json!(status);
        let view = self.places[place].view.clone();
        let noun = if self.places[place].group.is_none() { "ACCOUNT_GROUP" } else { "ACCOUNT" };
        self.told(&format!("{noun}.{what}"), &view);
    }

    pub fn is_open(&self, place: usize) -> bool {
        self.places[place].view["status"] != "CLOSED"
    }

    /// Something of a user is done: what waits for that is looked at again.
    pub fn wake(&mut self, at: usize, now: i64) {
        if let Some(leaves) = &mut self.users[at].leaves {
            leaves.due = leaves.due.or(Some(now));
        }
        for place in self.places.iter_mut().filter(|place| place.owner == at) {
            if let Some(closes) = &mut place.closes {
                closes.due = closes.due.or(Some(now));
            }
        }
    }

    /// Does what is due, as the worker does.
    pub fn run(&mut self, now: i64) {
        loop {
            let mut idle = true;
            for at in 0..self.users.len() {
                while self.users[at]
                    .changes
                    .first()
                    .is_some_and(|change| change.due.is_some_and(|due| due <= now))
                {
                    self.apply(at);
                    self.wake(at, now);
                    idle = false;
                }
                if self.users[at].leaves.as_ref().is_some_and(|leaves| leaves.is_due(now)) {
                    let open = (0..self.places.len())
                        .any(|place| self.places[place].owner == at && self.is_open(place));
                    if open || !self.users[at].changes.is_empty() {
                        self.users[at].leaves.as_mut().unwrap().due = None;
                    } else {
                        self.users[at].leaves = None;
                        self.becomes(at, "OFFBOARDED", "USER.OFFBOARDED");
                    }
                    idle = false;
                }
            }
            for place in 0..self.places.len() {
                if self.places[place].closes.as_ref().is_some_and(|closes| closes.is_due(now)) {
                    let busy = (0..self.places.len())
                        .any(|other| self.places[other].group == Some(place) && self.is_open(other));
                    if busy {
                        self.places[place].closes = Some(Ending { due: None, held: false });
                    } else {
                        self.places[place].closes = None;
                        self.place_becomes(place, "CLOSED", "CLOSED");
                        self.wake(self.places[place].owner, now);
                    }
                    idle = false;
                }
            }
            if idle {
                return;
            }
        }
    }

    pub fn apply(&mut self, at: usize) {
        let Change { asked, refusal, .. } = self.users[at].changes.remove(0);
        if let Some(reason) = refusal {
            let user_id = self.users[at].view["id"].clone();
            let object = json!({ "user_id": user_id, "reason": reason });
            let events = self.events.get_mut(user_id.as_str().unwrap()).unwrap();
            events.push(("USER.DATA_CHANGE_FAILED".to_owned(), object));
            return;
        }
        for (member, value) in asked {
            self.users[at].view[member] = value;
        }
        let view = self.users[at].view.clone();
        self.told("USER.DATA_CHANGED", &view);
        self.judge(at);
    }
}
