//! Who may do what: extractors that let a request through only with the right it needs. Pages take
//! a person ([`needs`]), the API a person or a token ([`Caller`]).

use super::people::Trouble;
use super::problem::Problem;
use super::session::LoggedIn;
use crate::app::App;
use crate::seat::{Right, may};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use evidence::Digest;

/// A person who is signed in, if their seat has the right.
async fn needs(parts: &mut Parts, app: &App, right: Right) -> Result<LoggedIn, Response> {
    let person = LoggedIn::from_request_parts(parts, app).await;
    let person = person.map_err(IntoResponse::into_response)?;
    if may(&person.seat, right) {
        Ok(person)
    } else {
        Err(Trouble::Refused(right.refusal().to_owned()).into_response())
    }
}

/// Extractors of pages, one for each right.
macro_rules! holders {
    ($($(#[$doc:meta])* $name:ident: $right:ident;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name(pub(super) LoggedIn);

        impl FromRequestParts<App> for $name {
            type Rejection = Response;

            async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
                needs(parts, app, Right::$right).await.map(Self)
            }
        }
    )*};
}

holders! {
    /// Takes alerts on.
    Acknowledger: Acknowledge;
    /// Asks for exceptions.
    Requester: RequestException;
    /// Decides on exceptions.
    RiskOwner: DecideException;
    /// Ends exceptions.
    Withdrawer: WithdrawException;
    /// Asks for inherited evidence, and ends it.
    Inheriter: RequestInherited;
    /// Decides on inherited evidence.
    InheritedDecider: DecideInherited;
    /// Raises findings, and works on those that they may.
    FindingRaiser: RaiseFinding;
    /// Records, and revises what is recorded.
    RecordKeeper: KeepRecords;
    /// Approves what others recorded, or sends it back; of risk a risk owner alone.
    RecordApprover: ApproveRecord;
    /// Decides on approved lists.
    ListKeeper: KeepLists;
    /// Announces changes.
    Planner: PlanWindow;
    /// Reviews access.
    Reviewer: Review;
    /// Says what is in scope and what applies.
    Describer: Describe;
}

/// Who calls the API to change something.
pub(super) struct Caller {
    /// As the log names them: a person's id, or the beginning of a token's hash.
    pub(super) id: String,
    pub(super) seat: String,
}

impl Caller {
    /// Refuses whoever has not the right.
    pub(super) fn needs(&self, right: Right) -> Result<(), Problem> {
        if may(&self.seat, right) {
            Ok(())
        } else if self.seat == "viewer" {
            Err(Problem::forbidden("this seat may look and change nothing"))
        } else {
            Err(Problem::forbidden("this seat may not do this").detail(right.refusal()))
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let refused = || Problem::bearer_needed("a bearer token is needed");
        let Some(header) = parts.headers.get(AUTHORIZATION) else {
            let person = LoggedIn::from_request_parts(parts, app).await.map_err(|_| refused())?;
            return Ok(Self { id: person.id, seat: person.seat });
        };
        let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        let hash = Digest::of(token.ok_or_else(refused)?.as_bytes());
        let seat = app.store.api_seat(hash).await?;
        let seat = seat.ok_or(Problem::bearer_needed("this bearer token is not known"))?;
        Ok(Self { id: format!("token {}", &hash.to_string()[..12]), seat })
    }
}

/// Who brings in by a program what is in scope, as the log names them.
pub(super) struct Actor(pub(super) String);

impl FromRequestParts<App> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        caller.needs(Right::Import)?;
        Ok(Self(caller.id))
    }
}
