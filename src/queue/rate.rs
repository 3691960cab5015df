//! Rates: `6/h`, `200/d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// At most so many in any stretch of time as long as the window, such as `6/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Rate {
    /// How many; at least one.
    pub count: u32,
    /// In how much time.
    pub per: Window,
}

/// The length of time over which a [`Rate`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// Any sixty minutes, written `h`.
    Hour,
    /// Any twenty-four hours, written `d`.
    Day,
}

impl Window {
    /// Returns how long it is.
    pub fn length(self) -> Duration {
        match self {
            Window::Hour => Duration::from_secs(3600),
            Window::Day => Duration::from_secs(24 * 3600),
        }
    }
}

/// Says why a text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no rate: {why}")]
pub struct RateError {
    /// The text, cut to 40 characters.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl FromStr for Rate {
    type Err = RateError;
    fn from_str(text: &str) -> Result<Rate, RateError> {
        let refuse = |why| RateError { text: text.chars().take(40).collect(), why };
        let (count, per) =
            text.split_once('/').ok_or_else(|| refuse("write it as 6/h or 200/d"))?;
        let count = count.trim();
        if !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse("before the slash stands no number"));
        }
        let count: u32 = count.parse().map_err(|_| refuse("the number is missing or too large"))?;
        let per = match per.trim() {
            "h" | "hour" => Window::Hour,
            "d" | "day" => Window::Day,
            _ => return Err(refuse("after the slash stands neither h nor d")),
        };
        match count {
            0 => Err(refuse("none at all is a pause, not a rate")),
            count if count > 100_000 => Err(refuse("more than 100000 is no limit; leave it out")),
            count => Ok(Rate { count, per }),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per {
            Window::Hour => 'h',
            Window::Day => 'd',
        };
        write!(f, "{}/{per}", self.count)
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;
    fn try_from(text: String) -> Result<Rate, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_number_and_a_window() {
        let good = [
            ("6/h", 6, Window::Hour),
            ("200/d", 200, Window::Day),
            (" 12 / hour ", 12, Window::Hour),
            ("1/day", 1, Window::Day),
        ];
        for (text, count, per) in good {
            assert_eq!(text.parse(), Ok(Rate { count, per }), "{text}");
        }
        for bad in ["", "6", "/h", "6/", "6/m", "0/h", "-1/h", "+6/h", "6.5/h", "6/h/h", "x/h"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        assert!("4294967296/h".parse::<Rate>().is_err());
    }

    #[test]
    fn a_rate_is_written_as_it_is_read() {
        for text in ["6/h", "200/d", "100000/d"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
    }
}
