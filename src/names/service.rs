//! Names that only a service knows: its instances, nodes, hooks and deliveries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NameError;

/// Returns why `text` is no short label: what stands in addresses, logs and database rows without quoting.
///
/// Rule: `[a-z0-9][a-z0-9._-]*`, at most 64 bytes.
fn label_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.len() > 64 {
        return Some("is empty or longer than 64 bytes");
    }
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !is_plain(text.as_bytes()[0]) {
        return Some("does not begin with a small letter or digit");
    }
    if !text.bytes().all(|b| is_plain(b) || b"._-".contains(&b)) {
        return Some("has a character other than small letters, digits and . _ -");
    }
    None
}

/// Defines a name that keeps the rule of [`label_fault`].
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        ///
        /// Rule: `[a-z0-9][a-z0-9._-]*`, at most 64 bytes.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);
        checked_string!($name);

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                match label_fault(text) {
                    Some(why) => Err(NameError::new($kind, text, why)),
                    None => Ok($name(text.to_owned())),
                }
            }
        }
    };
}

label! {
    /// A dist-git that a service serves, such as `fedora`: an entry of `instances` in the operator config.
    InstanceName, "instance name"
}

label! {
    /// A webhook door, the last part of `/hooks/NAME`: an entry of `hooks` in the operator config.
    HookName, "hook name"
}

label! {
    /// An entry of `forges` in the operator config: where reports go.
    ForgeName, "forge name"
}

label! {
    /// One process of a service among several on one database.
    NodeName, "node name"
}

/// What a forge calls one delivery, the same on each attempt to deliver it; duplicates are dropped by it.
///
/// Rule: 1 to 200 visible ASCII characters; what forges send are UUIDs and message ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryId(String);
checked_string!(DeliveryId);

impl FromStr for DeliveryId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why: &str| Err(NameError::new("delivery id", text, why));
        if text.is_empty() || text.len() > 200 {
            return refuse("is empty or longer than 200 bytes");
        }
        match text.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(DeliveryId(text.to_owned())),
            false => refuse("has a character other than visible ASCII"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_in_addresses_without_quoting() {
        for good in ["a", "fedora", "centos-stream", "src.fedora_2", "0"] {
            assert!(good.parse::<InstanceName>().is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", ".", "a/b", "a b", "é", &"a".repeat(65)] {
            assert!(bad.parse::<HookName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_delivery_id_is_visible_ascii() {
        assert!("72d3162e-cc78-11e3-81ab-4c9367dc0958".parse::<DeliveryId>().is_ok());
        for bad in ["", "a b", "a\nb", "é", &"a".repeat(201)] {
            assert!(bad.parse::<DeliveryId>().is_err(), "{bad:?}");
        }
    }
}
