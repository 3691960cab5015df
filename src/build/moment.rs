//! Moments in stored builds: whole milliseconds since 1970.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes a moment.
pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_i64(at.as_millisecond())
}

/// Reads a moment.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let milliseconds = i64::deserialize(from)?;
    Timestamp::from_millisecond(milliseconds).map_err(serde::de::Error::custom)
}

/// Moments that may be missing.
pub(super) mod maybe {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};

    /// Writes a moment, or nothing.
    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => to.serialize_some(&at.as_millisecond()),
            None => to.serialize_none(),
        }
    }

    /// Reads a moment, or nothing.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let read = Option::<i64>::deserialize(from)?.map(Timestamp::from_millisecond);
        read.transpose().map_err(serde::de::Error::custom)
    }
}
