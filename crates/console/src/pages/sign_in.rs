//! Pages without a session, and those that are about the session: signing in, the proof, refusals, own sessions, keys.

use askama::Template;

use crate::answers::{Problem, Session};
use crate::frame::{Frame, Part, Theme};
use crate::text::Language;

/// Asks for name and password, or for the second factor.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub struct SignIn {
    pub frame: Frame,
    /// Why the last attempt has failed.
    pub fault: String,
    /// The name that was sent.
    pub name: String,
    /// Whether the password was right and a second factor is needed.
    pub needs_code: bool,
    /// What has to come back with the code.
    pub state: String,
    /// Whether there is an identity provider.
    pub has_provider: bool,
}

/// Redirects the browser to the console after a sign-in at the identity provider.
#[derive(Template)]
#[template(path = "entered.html")]
pub struct Entered {
    pub frame: Frame,
}

/// Asks the person to prove again who they are, before an act that is dangerous.
#[derive(Template)]
#[template(path = "prove.html")]
pub struct Prove {
    pub frame: Frame,
    pub fault: String,
    pub needs_code: bool,
    /// What was asked for and is done after the proof.
    pub again: String,
    /// Path of the page from which it was asked for.
    pub back: String,
}

/// Says why something is not there or was not done.
#[derive(Template)]
#[template(path = "problem.html")]
pub struct Refusal {
    pub frame: Frame,
    pub title: String,
    pub problem: Problem,
    pub back: String,
}

/// Lists the operator's own sessions.
#[derive(Template)]
#[template(path = "me.html")]
pub struct OwnSessions {
    pub frame: Frame,
    pub sessions: Vec<Session>,
}

/// Lists the keys.
#[derive(Template)]
#[template(path = "keyboard.html")]
pub struct Keyboard {
    pub frame: Frame,
}
