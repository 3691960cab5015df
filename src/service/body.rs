//! Bodies of requests: read in pieces, never more than is allowed, never for longer than is allowed, and few large ones
//! at once: whoever has no secret must not be able to fill our memory.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use tokio::sync::Semaphore;

/// How much a client may send, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit {
    /// How many bytes.
    pub bytes: usize,
    /// How long.
    pub within: Duration,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBody {
    /// It is larger than is allowed: 413.
    TooLarge,
    /// It took longer than is allowed: 408.
    TooSlow,
    /// The client went away, or sent what is no body: 400.
    Broken,
}

/// A body that is larger than this is a large one.
const LARGE: usize = 256 * 1024;

/// How many large bodies are read at once.
const LARGE_AT_ONCE: usize = 3;

/// What all bodies pass.
#[derive(Debug)]
pub struct BodyGate {
    large: Semaphore,
}

impl Default for BodyGate {
    fn default() -> BodyGate {
        BodyGate { large: Semaphore::new(LARGE_AT_ONCE) }
    }
}

impl BodyGate {
    /// Reads a body whole.
    ///
    /// # Errors
    /// See [`NoBody`]. One that announces its length is refused before it is read.
    pub async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        limit: BodyLimit,
    ) -> Result<Vec<u8>, NoBody> {
        let announced = announced(headers);
        if announced.is_some_and(|length| length > limit.bytes) {
            return Err(NoBody::TooLarge);
        }
        let read = self.collect(body, announced.unwrap_or(0), limit.bytes);
        tokio::time::timeout(limit.within, read).await.unwrap_or(Err(NoBody::TooSlow))
    }

    async fn collect(
        &self,
        mut body: Body,
        announced: usize,
        limit: usize,
    ) -> Result<Vec<u8>, NoBody> {
        // What is announced is not there yet: a client that only claims much must not be given much.
        let mut collected = Vec::with_capacity(announced.min(64 * 1024));
        let mut place = None;
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let Ok(data) = frame.map_err(|_| NoBody::Broken)?.into_data() else { continue };
            if collected.len() + data.len() > limit {
                return Err(NoBody::TooLarge);
            }
            if place.is_none() && collected.len() + data.len() > LARGE {
                place = self.large.acquire().await.ok();
            }
            collected.extend_from_slice(&data);
        }
        Ok(collected)
    }
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: BodyLimit = BodyLimit { bytes: 10, within: Duration::from_secs(1) };

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit_and_not_beyond() {
        let none = HeaderMap::new();
        let gate = BodyGate::default();
        let read_it = |text: &'static str| gate.read(&none, Body::from(text), LIMIT);
        assert_eq!(read_it("ten bytes!").await, Ok(b"ten bytes!".to_vec()));
        assert_eq!(read_it("").await, Ok(Vec::new()));
        assert_eq!(read_it("more than ten").await, Err(NoBody::TooLarge));
    }

    #[tokio::test]
    async fn one_that_announces_too_much_is_refused_unread() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, "11".parse().unwrap());
        let gate = BodyGate::default();
        assert_eq!(gate.read(&headers, Body::empty(), LIMIT).await, Err(NoBody::TooLarge));
    }
}
