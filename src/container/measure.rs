//! Sizes and times as people write them: `2GiB`, `30min`.
//!
//! A number without a unit is refused: nobody remembers which one was meant.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::NameError;

const SIZES: [(&str, u64); 8] = [
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const TIMES: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A number of bytes, written with its unit: `512MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub u64);

impl Bytes {
    /// Returns so many MiB.
    pub const fn mib(count: u64) -> Bytes {
        Bytes(count << 20)
    }
}

impl FromStr for Bytes {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let fault = |why: String| NameError::new("size", text, why);
        measured(text, &SIZES).map(Bytes).map_err(fault)
    }
}

impl fmt::Display for Bytes {
    /// Writes the largest unit of 1024s that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divides = |unit: &&(&str, u64)| {
            unit.1.is_power_of_two() && self.0 > 0 && self.0.is_multiple_of(unit.1)
        };
        let (name, unit) = SIZES.iter().rev().find(divides).unwrap_or(&SIZES[0]);
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl TryFrom<String> for Bytes {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> String {
        bytes.to_string()
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9]+ ?(B|kB|KiB|MB|MiB|GB|GiB|TiB)$",
            "description": "A number of bytes with its unit, such as 512MiB."
        })
    }
}

/// A length of time, written with its unit: `90s`, `30min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(pub Duration);

impl FromStr for Time {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let fault = |why: String| NameError::new("time", text, why);
        measured(text, &TIMES).map(|count| Time(Duration::from_millis(count))).map_err(fault)
    }
}

impl fmt::Display for Time {
    /// Writes the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let divides = |unit: &&(&str, u64)| count > 0 && count.is_multiple_of(unit.1);
        let (name, unit) = TIMES.iter().rev().find(divides).unwrap_or(&TIMES[1]);
        write!(f, "{}{name}", count / unit)
    }
}

impl TryFrom<String> for Time {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Time> for String {
    fn from(time: Time) -> String {
        time.to_string()
    }
}

impl JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9]+ ?(ms|s|min|h|d)$",
            "description": "A length of time with its unit, such as 30min."
        })
    }
}

/// Reads a whole number and one of these units.
fn measured(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, name) = (&text[..end], text[end..].trim_start());
    let number: u64 = number.parse().map_err(|_| "does not begin with a whole number")?;
    let unit = units.iter().find(|(known, _)| *known == name).map(|(_, unit)| *unit);
    let known = || units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let unit = unit.ok_or_else(|| format!("does not end in one of the units {}", known()))?;
    number.checked_mul(unit).ok_or_else(|| "is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes, shown) in [
            ("0B", 0, "0B"),
            ("512MiB", 512 << 20, "512MiB"),
            ("2 GiB", 2 << 30, "2GiB"),
            ("1024KiB", 1 << 20, "1MiB"),
            ("5kB", 5000, "5000B"),
            ("1TiB", 1 << 40, "1TiB"),
        ] {
            let size: Bytes = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown));
        }
    }

    #[test]
    fn times_are_read_and_written() {
        for (text, millis, shown) in [
            ("90s", 90_000, "90s"),
            ("30min", 1_800_000, "30min"),
            ("48h", 172_800_000, "2d"),
            ("250 ms", 250, "250ms"),
            ("0s", 0, "0s"),
        ] {
            let time: Time = text.parse().unwrap();
            assert_eq!((time.0.as_millis(), time.to_string().as_str()), (millis, shown));
        }
    }

    #[test]
    fn what_could_be_misunderstood_is_refused() {
        for text in ["", "1024", "2G", "2gib", "-1B", "1.5GiB", "GiB", "99999999999TiB", "２GiB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        for text in ["10", "10m", "1h30min", "min", "-5s", "1e3s"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        let error = "10m".parse::<Time>().unwrap_err().to_string();
        assert!(error.contains("min") && error.contains("10m"), "{error}");
    }
}
