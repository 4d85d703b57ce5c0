//! `user`: search, show, and act on users through the operator API.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::operator_server::OperatorServer;
use super::{parse, summary};
use crate::backoffice::actions::{OutcomeOrder, UserAction, UserActionBody};
use crate::backoffice::reveal::{Purpose, RevealBody};
use crate::domain::users::search::SearchField;
use crate::store::jobs::JobKind;

#[derive(Subcommand)]
pub enum UserCommand {
    /// Find users by whole values, all of which have to match.
    Find {
        #[command(flatten)]
        wanted: SearchArgs,
        #[command(flatten)]
        server: OperatorServer,
    },
    /// Show person and status of a user, and why they are not active; with --json everything in the register.
    Show {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        #[command(flatten)]
        server: OperatorServer,
    },
    /// Show the history of a user: changes, decisions and reasons.
    History {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        #[command(flatten)]
        server: OperatorServer,
    },
    /// Show contact data, numbers and documents of a user unmasked to this session, for a few minutes.
    Reveal {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        /// What for; stays on record.
        #[arg(long)]
        purpose: PurposeArgs,
        /// Number of the case or call; states the purpose if that is other.
        #[arg(long)]
        reference: Option<String>,
        #[command(flatten)]
        server: OperatorServer,
    },
    /// Order the next outcome of a user; under `review_policy = "simulate"` alone.
    Order {
        next: NextOutcome,
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        /// Why a data change or check fails; without it it is good.
        #[arg(long)]
        refusal: Option<String>,
        /// How long an activation takes.
        #[arg(long, value_parser = parse::seconds)]
        seconds: Option<u32>,
        #[command(flatten)]
        server: OperatorServer,
    },
    /// Do something to a user.
    Act {
        action: ActionArgs,
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        /// Why; stays on record.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        server: OperatorServer,
    },
}

#[derive(Args)]
pub struct SearchArgs {
    #[arg(long, value_parser = parse::uuid)]
    id: Option<Uuid>,
    /// First and last name, last name, or birth name; in any spelling, and with one first name of several.
    #[arg(long)]
    name: Option<String>,
    /// YYYY-MM-DD.
    #[arg(long)]
    birth_date: Option<String>,
    #[arg(long)]
    email: Option<String>,
    /// With the country in front, as in +49 30 123456.
    #[arg(long)]
    phone_number: Option<String>,
    /// Of a national identifier or passport, as it was sent or is reported, in any spelling.
    #[arg(long)]
    identifier: Option<String>,
    #[arg(long)]
    securities_account_number: Option<String>,
}

impl SearchArgs {
    /// Returns the query of the search.
    fn query(self) -> String {
        let values = [
            (SearchField::Name, self.name),
            (SearchField::BirthDate, self.birth_date),
            (SearchField::Email, self.email),
            (SearchField::PhoneNumber, self.phone_number),
            (SearchField::Identifier, self.identifier),
            (SearchField::SecuritiesAccountNumber, self.securities_account_number),
        ];
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(id) = self.id {
            query.append_pair("id", &id.to_string());
        }
        for (field, value) in values {
            if let Some(value) = value {
                query.append_pair(field.into_str(), &value);
            }
        }
        query.finish()
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum NextOutcome {
    /// The next data change has this outcome.
    DataChange,
    /// The next check has this outcome.
    Check,
    /// The next offboarding is held until an operator releases it.
    Offboarding,
    /// The next activation takes so many seconds.
    Activation,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ActionArgs {
    /// Take out of trading; where that takes two operators, ask for it, or confirm what another one has asked for.
    Deactivate,
    /// End a deactivation that waits for a second operator.
    WithdrawDeactivation,
    /// Undo that.
    Reactivate,
    /// Let an offboarding wait.
    HoldOffboarding,
    /// Let it go on.
    ReleaseOffboarding,
    /// End it now, whatever the settings wait for.
    FinishOffboarding,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum PurposeArgs {
    /// The person asks for something, and has to be recognised or answered.
    PersonAsks,
    /// A data change or check is decided.
    Review,
    /// An authority or court asks.
    Authority,
    Complaint,
    /// What --reference says.
    Other,
}

impl From<PurposeArgs> for Purpose {
    fn from(purpose: PurposeArgs) -> Self {
        match purpose {
            PurposeArgs::PersonAsks => Self::PersonAsks,
            PurposeArgs::Review => Self::Review,
            PurposeArgs::Authority => Self::Authority,
            PurposeArgs::Complaint => Self::Complaint,
            PurposeArgs::Other => Self::Other,
        }
    }
}

impl From<NextOutcome> for JobKind {
    fn from(next: NextOutcome) -> Self {
        match next {
            NextOutcome::DataChange => Self::DataChange,
            NextOutcome::Check => Self::Check,
            NextOutcome::Offboarding => Self::Offboarding,
            NextOutcome::Activation => Self::Activation,
        }
    }
}

impl From<ActionArgs> for UserAction {
    fn from(action: ActionArgs) -> Self {
        match action {
            ActionArgs::Deactivate => Self::Deactivate,
            ActionArgs::WithdrawDeactivation => Self::WithdrawDeactivation,
            ActionArgs::Reactivate => Self::Reactivate,
            ActionArgs::HoldOffboarding => Self::HoldOffboarding,
            ActionArgs::ReleaseOffboarding => Self::ReleaseOffboarding,
            ActionArgs::FinishOffboarding => Self::FinishOffboarding,
        }
    }
}

impl UserCommand {
    /// Sends the request of the command and prints the response.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or refuses the request.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            UserCommand::Find { wanted, server } => {
                let path = format!("{}/users?{}", server.tenant().await?, wanted.query());
                let found = server.send(Method::GET, &path, None).await?;
                server.show(&found, |found| super::table::of(&list_columns(found)));
            }
            UserCommand::Show { id, server } => {
                let path = format!("{}/users/{id}", server.tenant().await?);
                server.show(&server.send(Method::GET, &path, None).await?, summary::user);
            }
            UserCommand::History { id, server } => {
                let path = format!("{}/users/{id}/history", server.tenant().await?);
                server.show(&server.whole_history(&path).await?, summary::history);
            }
            UserCommand::Reveal { id, purpose, reference, server } => {
                let path = format!("{}/users/{id}/reveals", server.tenant().await?);
                let body = json!(RevealBody { purpose: purpose.into(), reference });
                server.show(&server.send(Method::POST, &path, Some(body)).await?, summary::action);
            }
            UserCommand::Order { next, id, refusal, seconds, server } => {
                let path = format!("{}/users/{id}/outcomes", server.tenant().await?);
                let seconds = seconds.map(|seconds| seconds.to_string());
                let body = json!(OutcomeOrder { next: next.into(), refusal, seconds });
                server.show(&server.send(Method::POST, &path, Some(body)).await?, summary::action);
            }
            UserCommand::Act { action, id, reason, server } => {
                let path = format!("{}/users/{id}/actions", server.tenant().await?);
                let body = json!(UserActionBody { action: action.into(), reason });
                server.show(&server.send(Method::POST, &path, Some(body)).await?, summary::action);
            }
        }
        Ok(())
    }
}

/// Reduces users to the members by which an operator distinguishes them.
fn list_columns(found: &Value) -> Value {
    let names = ["id", "first_name", "last_name", "birth_date", "status", "created_at"];
    let rows = found.as_array().into_iter().flatten();
    rows.map(|user| names.iter().map(|name| ((*name).to_owned(), user[*name].clone())).collect::<Value>())
        .collect()
}
