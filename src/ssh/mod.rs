//! The SSH room: the only one that names ssh-key.
//!
//! - [`AllowedSigner`] is a listed key with its options;
//! - [`SecretKey`] is the bot's own key.

mod allowed_signer;
mod secret_key;

pub use allowed_signer::AllowedSigner;
pub use secret_key::SecretKey;
