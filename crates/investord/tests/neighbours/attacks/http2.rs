//! What HTTP/2 can be misused for. Each attack is known from some server that could not stand it.

use std::sync::Arc;
use std::time::Duration;

use testing::client::uuid;

use super::pour::{Pour, Step};
use crate::attacker::Stage;
use crate::frames;
use crate::scene::investor;

/// Streams of a connection that a server of ours allows.
const STREAMS: usize = 256;

/// A request of a stranger.
fn plain(stage: &Stage, target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nhost: {}\r\n\r\n", stage.server()).into_bytes()
}

/// All streams of 8 connections, each with a body that does not come to its end.
pub async fn open_streams(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    let pour = Pour { connections: 8, enough: 8 * 100, ..Pour::new(&stage) };
    stage
        .pour(pour, move |connection, step| match step {
            0 => Step::Send(frames::preface(65_535)),
            1..=STREAMS => {
                let stream = frames::stream(step - 1);
                let request = own.keyed(connection % 3, "/users", &investor(2), &uuid());
                Step::Send([frames::request(stream, &request, false), frames::data(stream, b"{")].concat())
            }
            _ => Step::Hold,
        })
        .await;
}

/// Lists on all streams of 4 connections, with no room for a byte of them.
pub async fn unread_streams(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    let pour = Pour { connections: 4, enough: 4 * 60, ..Pour::new(&stage) };
    stage
        .pour(pour, move |connection, step| match step {
            0 => Step::Send(frames::preface(0)),
            1..=STREAMS => {
                let request = own.signed(connection % 3, "GET", "/users?limit=1000", b"");
                Step::Send(frames::request(frames::stream(step - 1), &request, true))
            }
            _ => Step::Hold,
        })
        .await;
}

/// Lists for which there is room for one more byte again and again ("data dribble").
pub async fn dribble(stage: Arc<Stage>) {
    const LISTS: usize = 16;
    let own = Arc::clone(&stage);
    let pour = Pour { connections: 4, enough: 400, pause: Duration::from_millis(1), ..Pour::new(&stage) };
    stage
        .pour(pour, move |connection, step| match step {
            0 => Step::Send(frames::preface(0)),
            1..=LISTS => {
                let request = own.signed(connection % 3, "GET", "/users?limit=1000", b"");
                Step::Send(frames::request(frames::stream(step - 1), &request, true))
            }
            _ => Step::Send(
                (0..LISTS).flat_map(|list| frames::window_update(frames::stream(list), 1)).collect(),
            ),
        })
        .await;
}

/// Requests that are taken back at once ("rapid reset").
pub async fn rapid_reset(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    let pour = Pour { connections: 8, enough: 200, ..Pour::new(&stage) };
    stage
        .pour(pour, move |connection, step| match step {
            0 => Step::Send(frames::preface(65_535)),
            step => {
                let request = own.signed(connection % 3, "GET", "/users?limit=1000", b"");
                let stream = frames::stream(step - 1);
                Step::Send([frames::request(stream, &request, true), frames::reset(stream)].concat())
            }
        })
        .await;
}

/// Heads that go on for ever ("CONTINUATION flood").
pub async fn continuation(stage: Arc<Stage>) {
    let request = plain(&stage, "/healthz");
    let pour = Pour { connections: 8, enough: 200, ..Pour::new(&stage) };
    stage
        .pour(pour, move |_, step| match step {
            0 => Step::Send(frames::preface(65_535)),
            1 => Step::Send(frames::endless_request(frames::stream(0), &request)),
            _ => Step::Send(frames::continuation(frames::stream(0))),
        })
        .await;
}

/// Settings, each of which has to be acknowledged, and nobody reads it.
pub async fn settings(stage: Arc<Stage>) {
    let pour = Pour { connections: 8, enough: 100, reads: false, ..Pour::new(&stage) };
    stage
        .pour(pour, |_, step| match step {
            0 => Step::Send(frames::preface(65_535)),
            _ => Step::Send(frames::settings(65_535).repeat(100)),
        })
        .await;
}

/// Pings, each of which has to be answered, as fast as they are taken.
pub async fn pings(stage: Arc<Stage>) {
    let pour = Pour { connections: 4, enough: 200, ..Pour::new(&stage) };
    stage
        .pour(pour, |_, step| match step {
            0 => Step::Send(frames::preface(65_535)),
            _ => Step::Send(frames::ping().repeat(100)),
        })
        .await;
}

/// Parts of a body without a byte in them, as fast as they are taken.
pub async fn empty_data(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    let pour = Pour { connections: 4, enough: 200, ..Pour::new(&stage) };
    stage
        .pour(pour, move |connection, step| match step {
            0 => Step::Send(frames::preface(65_535)),
            1 => {
                let request = own.keyed(connection % 3, "/users", &investor(2), &uuid());
                Step::Send(frames::request(frames::stream(0), &request, false))
            }
            _ => Step::Send(frames::data(frames::stream(0), b"").repeat(100)),
        })
        .await;
}

/// More bytes of a body than there is room for, on streams that nobody reads any more.
pub async fn refused_bodies(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    let pour = Pour { connections: 8, enough: 200, ..Pour::new(&stage) };
    stage
        .pour(pour, move |_, step| match step {
            0 => Step::Send(frames::preface(65_535)),
            step if step % 4 == 1 => {
                let head = plain(&own, "/users");
                Step::Send(frames::request(frames::stream(step / 4), &head, false))
            }
            step => Step::Send(frames::data(frames::stream((step - 1) / 4), &[b'x'; frames::LARGEST])),
        })
        .await;
}
