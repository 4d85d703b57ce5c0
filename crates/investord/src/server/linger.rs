//! Reads the rest of a refused request, so that the client receives the response before the connection closes.
//!
//! A connection that closes while the client still sends is reset, and the reset can destroy the response before the
//! client reads it (RFC 9112 section 9.6).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{Version, header};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot::{Sender, channel};

/// Maximum number of bytes of a body that are read and discarded. It exceeds the largest body that the API accepts.
const MAX_DISCARDED_BYTES: usize = 4 * 1024 * 1024;
/// Maximum time for reading and discarding the rest of a body.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs the handler, then reads and discards the rest of the request body, so that the client receives the response.
pub async fn linger(request: Request, next: Next) -> Response {
    // HTTP/2 can end a stream without its connection, and a client that waits for `100 Continue` has not sent the body.
    let waits = request.headers().contains_key(header::EXPECT);
    if request.version() == Version::HTTP_2 || waits || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (returns, mut returned) = channel();
    let lend = |body| Body::new(ReturnedBody { body: Some(body), returns: Some(returns) });
    let response = next.run(request.map(lend)).await;
    if let Ok(body) = returned.try_recv() {
        // Beyond the limit of time or size the connection is cut nevertheless.
        let _ = tokio::time::timeout(PATIENCE, discard(body)).await;
    }
    response
}

/// Reads and discards a body of at most [`MAX_DISCARDED_BYTES`] bytes.
async fn discard(mut body: Body) {
    if body.size_hint().lower() > MAX_DISCARDED_BYTES as u64 {
        return;
    }
    let mut left = MAX_DISCARDED_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// Request body that returns to [`linger`] if the handler drops it before its end.
struct ReturnedBody {
    body: Option<Body>,
    returns: Option<Sender<Body>>,
}

impl Drop for ReturnedBody {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream())
            && let Some(returns) = self.returns.take()
        {
            let _ = returns.send(body);
        }
    }
}

impl HttpBody for ReturnedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}
