//! Dates for people.

use std::time::SystemTime;

/// Returns `2026-11-20 13:05:00 UTC`.
pub(crate) fn date(time: SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => "a time out of range".to_owned(),
    }
}

/// Returns `2026-11-20T13:05:00Z`, for programs.
pub(crate) fn timestamp(time: SystemTime) -> Option<String> {
    let seconds = jiff::Timestamp::try_from(time).ok()?.as_second();
    Some(jiff::Timestamp::from_second(seconds).ok()?.to_string())
}
