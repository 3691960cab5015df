//! The SSH room: the only one that names ssh-key.
//!
//! - [`AllowedSigner`] is a listed key with its options, parsed when the config is read;
//! - [`mod@verify`] judges one signature against the listed keys;
//! - [`SecretKey`] is the bot's own key, [`AgentKey`] one that an SSH agent holds;
//! - [`describe`] tells what a key file holds without unlocking it;
//! - `wire` reads the signature block, `certificate` a certificate in it, `options` the line's options.

mod agent;
mod allowed_signer;
mod certificate;
mod description;
mod options;
mod secret_key;
mod verify;
mod wire;

pub use agent::AgentKey;
pub use allowed_signer::AllowedSigner;
pub use description::{Description, describe};
pub use secret_key::SecretKey;
pub use verify::{Good, verify};

/// The namespace that git signs in; a signature made for anything else says nothing of a commit.
const NAMESPACE: &str = "git";
