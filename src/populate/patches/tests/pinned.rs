//! Bytes that must not change: another version of a dependency would rewrite every binary patch.

use sha2::{Digest, Sha256};

use super::super::binary;
use super::large;

/// A change here asks for a new number in the cache's format, and rewrites published patches.
#[test]
fn bytes_of_binary_patches_are_pinned() {
    let (old, mut new) = (large(1), large(1));
    new.splice(30_000..30_010, *b"something else\0");
    let text = "many words, many times; ".repeat(5000);
    let mut patch = Vec::new();
    binary::write(&mut patch, &old, &new);
    assert!(
        patch.starts_with(b"GIT binary patch\ndelta ") && patch.len() < 300,
        "{}",
        patch.len()
    );
    binary::write(&mut patch, b"\0", text.as_bytes());
    let hash: String = Sha256::digest(&patch).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "fe2d33a31e5b41a76e1f895140d9c0c078347efbd14cb0155ff1495e95be9e4c");
}
