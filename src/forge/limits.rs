//! What a forge says about waiting: pure.

use std::time::Duration;

/// The headers of an answer that speak of limits, as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// `retry-after`: seconds.
    pub retry_after: Option<String>,
    /// `x-ratelimit-remaining`, GitLab's `ratelimit-remaining`.
    pub remaining: Option<String>,
    /// `x-ratelimit-reset`, GitLab's `ratelimit-reset`: seconds since 1970.
    pub reset: Option<String>,
}

/// The shortest wait after "too many" without a time, GitHub's own rule; it doubles each time.
const UNSAID: Duration = Duration::from_secs(60);

/// The longest wait that a forge is believed: a broken proxy must not silence us for a year.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

impl Signs {
    /// Returns whether an answer means "too many requests", and then how long to wait.
    ///
    /// GitHub says it with 403 as well; a 403 without these signs is a matter of permission.
    /// `strikes` counts the answers of this kind in a row; `now` is in seconds since 1970.
    pub fn wait(&self, status: u16, body: &str, strikes: u32, now: i64) -> Option<Duration> {
        let named = self.retry_after().or_else(|| self.until_reset(now));
        let is_limit = match status {
            429 => true,
            403 => named.is_some() || says_secondary(body),
            _ => false,
        };
        is_limit.then(|| named.unwrap_or(UNSAID * 2u32.saturating_pow(strikes.min(6))).min(LONGEST))
    }

    /// Returns how long a server that is not available asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = self.retry_after.as_ref()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds).clamp(Duration::from_secs(1), LONGEST))
    }

    /// Returns the time to the next window where nothing is left of this one.
    pub fn until_reset(&self, now: i64) -> Option<Duration> {
        if self.remaining.as_deref().map(str::trim) != Some("0") {
            return None;
        }
        let reset: i64 = self.reset.as_ref()?.trim().parse().ok()?;
        // A second more: their clock and ours.
        let seconds = reset.saturating_sub(now).saturating_add(1).max(1);
        Some(Duration::from_secs(seconds.unsigned_abs()).min(LONGEST))
    }
}

/// Tells GitHub's secondary limits by their words, where no header came with them.
fn says_secondary(body: &str) -> bool {
    let body = body.to_ascii_lowercase();
    body.contains("secondary rate limit") || body.contains("abuse detection")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(retry_after: &str, remaining: &str, reset: &str) -> Signs {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Signs { retry_after: some(retry_after), remaining: some(remaining), reset: some(reset) }
    }

    #[test]
    fn limits_are_told_from_permissions() {
        let now = 1000;
        // status, retry-after, remaining, reset, body, strikes -> seconds to wait
        let table = [
            (429, "7", "", "", "", 0, Some(7)),
            (403, "7", "0", "1100", "", 0, Some(7)),
            (403, "", "0", "1100", "", 0, Some(101)),
            (403, "", "0", "900", "", 0, Some(1)),
            (403, "", "12", "1100", "", 0, None),
            (403, "", "", "", "Resource not accessible by integration", 0, None),
            (403, "", "", "", "You have exceeded a secondary rate limit", 0, Some(60)),
            (429, "", "", "", "", 0, Some(60)),
            (429, "", "", "", "", 2, Some(240)),
            (429, "Wed, 21 Oct 2026 07:28:00 GMT", "", "", "", 0, Some(60)),
            (429, "99999999", "", "", "", 0, Some(6 * 3600)),
            (429, "", "0", "99999999999999", "", 0, Some(6 * 3600)),
            (429, "0", "", "", "", 0, Some(1)),
            (500, "7", "0", "1100", "", 0, None),
            (200, "", "0", "1100", "", 0, None),
        ];
        for (status, retry_after, remaining, reset, body, strikes, seconds) in table {
            let found = signs(retry_after, remaining, reset).wait(status, body, strikes, now);
            let said = format!("{status} {retry_after:?} {remaining:?} {reset:?} {body:?}");
            assert_eq!(found.map(|wait| wait.as_secs()), seconds, "{said}");
        }
    }

    #[test]
    fn nobody_is_kept_waiting_for_ever() {
        for strikes in [0, 10, u32::MAX] {
            assert!(Signs::default().wait(429, "", strikes, 0).unwrap() <= LONGEST);
        }
    }
}
