//! Snapshots on a page: asked for, followed, downloaded.

use super::people::{Trouble, frame, render};
use super::rights::Describer;
use super::session::LoggedIn;
use crate::app::App;
use crate::seat::{Right, may};
use crate::snapshot::document::Asked;
use crate::web::page::Room;
use crate::web::snapshots::{Form as Sheet, Input, page as shown};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form, Router};
use http_body::Frame;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

const PATH: &str = "/snapshots";
/// Snapshots of one page.
const SHOWN: i64 = 200;
/// Bytes of an archive that are sent at once.
const PIECE: usize = 1 << 16;

pub(super) fn pages() -> Router<App> {
    Router::new().route(PATH, get(page)).route("/snapshots/{id}/archive", get(archive))
}

pub(super) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![(PATH, post(ask))]
}

async fn page(State(app): State<App>, me: LoggedIn) -> Result<Response, Trouble> {
    listed(&app, &me, Sheet::default(), None).await
}

async fn listed(
    app: &App,
    me: &LoggedIn,
    form: Sheet,
    refused: Option<String>,
) -> Result<Response, Trouble> {
    let input = Input {
        rows: &app.store.snapshots(SHOWN).await?,
        people: &app.store.people().await?,
        isms: &app.store.all_isms().await?,
        may_ask: may(&me.seat, Right::Describe),
        form,
        refused,
    };
    Ok(render(&shown(frame(app, Some(Room::Snapshots)).await?, input)))
}

async fn ask(
    State(app): State<App>,
    Describer(me): Describer,
    Form(form): Form<Sheet>,
) -> Result<Response, Trouble> {
    let now_us = app.clock.now_us();
    let size = app.store.log().await?.size;
    let asked = match form.asked(now_us) {
        // What is known when it is asked for, whenever it is made.
        Ok(asked) => Asked { known_size: Some(size), ..asked },
        Err(why) => {
            let page = listed(&app, &me, form, Some(why)).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    app.store.ask_snapshot(&asked, &me.id, now_us).await?;
    app.snapshots.notify_one();
    Ok(Redirect::to(PATH).into_response())
}

async fn archive(
    State(app): State<App>,
    _: LoggedIn,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let gone = || Trouble::NotFound(format!("archive {id}"));
    let row = app.store.snapshot(&id).await?.ok_or_else(gone)?;
    let name = row.file.ok_or_else(gone)?;
    // Another collector of the same store may have made it: then it is there.
    let file = File::open(app.snapshot_folder.join(&name)).await.map_err(|_| gone())?;
    let size = file.metadata().await.map_err(|_| gone())?.len();
    let headers = [
        (CONTENT_TYPE, "application/x-tar".to_owned()),
        (CONTENT_LENGTH, size.to_string()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, Body::new(Pieces(file))).into_response())
}

/// A file, as it is read.
struct Pieces(File);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let mut space = vec![0; PIECE];
        let mut piece = ReadBuf::new(&mut space);
        let file = Pin::new(&mut self.get_mut().0);
        match ready!(file.poll_read(context, &mut piece)) {
            Ok(()) if piece.filled().is_empty() => Poll::Ready(None),
            Ok(()) => {
                let bytes = Bytes::copy_from_slice(piece.filled());
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}
