//! The rule of each kind of text in a branch config: parse or say why not.
//!
//! Each takes a text and its path, and returns the checked value or the fault to tell.

use globset::GlobBuilder;

use super::faults::{Found, KeyPath};
use crate::container::ImageReference;
use crate::names::{BranchName, Fingerprint, NameError, PackageName, RepositoryAddress, TreePath};
use crate::outcome::printable;

/// The result of checking one value.
pub(crate) type Checked<T> = Result<T, Found>;

/// Says what a name's own rule found, without repeating the text's kind twice.
pub(crate) fn name_fault(code: &'static str, path: &KeyPath, error: &NameError) -> Found {
    Found::new(code, path, format!("`{}` {}", printable(&error.text, 100), error.why))
}

/// Checks an address of source-git: https, ssh or file, and nothing secret in it.
pub(super) fn repository(text: &str, path: &KeyPath) -> Checked<RepositoryAddress> {
    let parsed: Result<RepositoryAddress, NameError> = text.parse();
    let address = parsed.map_err(|error| {
        let shown = NameError { text: without_credentials(&error.text), ..error };
        name_fault("config-bad-address", path, &shown)
    })?;
    if address.scheme() == "http" {
        let words = "is an http address: what comes over it can be changed on the way";
        let fault = Found::new("config-bad-address", path, words);
        return Err(fault.hint("use https, ssh or file"));
    }
    if address.local_path().is_none() && address.for_git() != address.to_string() {
        let words = "holds a password or token, and this file is public";
        let fault = Found::new("config-bad-address", path, words);
        return Err(fault.hint("give the address without it; the operator sets credentials"));
    }
    Ok(address)
}

/// Hides what stands before an `@` in an address that could not be parsed.
fn without_credentials(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => text.to_owned(),
    }
}

/// Checks a branch name.
pub(crate) fn branch(text: &str, path: &KeyPath) -> Checked<BranchName> {
    let name = text.strip_prefix("refs/heads/").unwrap_or(text);
    name.parse().map_err(|error| name_fault("config-bad-branch", path, &error))
}

/// Checks a full OpenPGP fingerprint; says of a key id why it is not enough.
pub(super) fn fingerprint(text: &str, path: &KeyPath) -> Checked<Fingerprint> {
    text.parse().map_err(|error: NameError| {
        let digits = text.chars().filter(char::is_ascii_hexdigit).count();
        let is_key_id = error.why.contains("key id") && digits <= 17;
        let code = if is_key_id { "config-short-key-id" } else { "config-bad-fingerprint" };
        let fault = name_fault(code, path, &error);
        fault.hint("`gpg --list-keys --with-subkey-fingerprint NAME` shows the full fingerprint")
    })
}

/// Checks a path inside a git tree.
pub(super) fn tree_path(text: &str, path: &KeyPath) -> Checked<TreePath> {
    text.parse().map_err(|error| name_fault("config-bad-path", path, &error))
}

/// Checks the path of a spec.
pub(super) fn spec_path(text: &str, path: &KeyPath) -> Checked<TreePath> {
    let spec = tree_path(text, path)?;
    match spec.file_name().strip_suffix(".spec") {
        Some(stem) if !stem.is_empty() && !text.ends_with('/') => Ok(spec),
        _ => Err(Found::new("config-bad-path", path, "does not name a file that ends in `.spec`")),
    }
}

/// Checks a package name.
pub(crate) fn package(text: &str, path: &KeyPath) -> Checked<PackageName> {
    text.parse().map_err(|error| name_fault("config-bad-name", path, &error))
}

/// Checks a glob.
pub(crate) fn glob(text: &str, path: &KeyPath) -> Checked<String> {
    if text.is_empty() || text.len() > 200 {
        return Err(Found::new("config-bad-glob", path, "is empty or longer than 200 bytes"));
    }
    match GlobBuilder::new(text).build() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let words = format!("is no glob: {}", printable(error.kind().to_string(), 200));
            Err(Found::new("config-bad-glob", path, words))
        }
    }
}

/// Checks a name of Koji's (a tag or target) or of Greenwave's: what both programs take, no leading dash.
pub(super) fn service_name(text: &str, path: &KeyPath) -> Checked<String> {
    let taken = |b: u8| b.is_ascii_alphanumeric() || b"._+-/".contains(&b);
    let begins_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    if text.len() <= 256 && begins_well && text.bytes().all(taken) {
        return Ok(text.to_owned());
    }
    let words = format!("`{}` is no such name", printable(text, 60));
    let fault = Found::new("config-bad-name", path, words);
    Err(fault.hint("letters, digits and . _ + - /, beginning with a letter or digit"))
}

/// Checks the name of a user or group at a forge; a leading `@` is forgiven.
pub(super) fn mention(text: &str, path: &KeyPath) -> Checked<String> {
    let name = text.strip_prefix('@').unwrap_or(text);
    match service_name(name, path) {
        Ok(name) if name.len() <= 100 => Ok(name),
        _ => {
            let words = format!("`{}` is no name of a user or group", printable(text, 60));
            Err(Found::new("config-bad-name", path, words))
        }
    }
}

/// Checks the name of a variable for the container.
pub(super) fn variable_name(name: &str, path: &KeyPath) -> Checked<()> {
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins_well || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        let words = "is no name of a variable: a letter or _, then letters, digits and _";
        return Err(Found::new("config-bad-env", path, words).at_key());
    }
    match name.starts_with("LOCKKEEPER_") {
        false => Ok(()),
        true => {
            let words = "begins with LOCKKEEPER_: those variables mirror the request";
            Err(Found::new("config-bad-env", path, words).at_key().hint("take another name"))
        }
    }
}

/// Checks the value of a variable, or an argument of a command: no NUL, which ends a C string.
pub(super) fn argument(code: &'static str, text: &str, path: &KeyPath) -> Checked<String> {
    match text.contains('\0') {
        false => Ok(text.to_owned()),
        true => Err(Found::new(code, path, "holds a NUL character")),
    }
}

/// Checks a SHA-512 and puts it in lower case.
pub(super) fn sha512(text: &str, path: &KeyPath) -> Checked<String> {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    if digits == 128 && text.len() == 128 {
        return Ok(text.to_ascii_lowercase());
    }
    let words = format!("is no SHA-512: {} characters, {digits} of them hex digits", text.len());
    let fault = Found::new("config-bad-hash", path, words);
    Err(fault.hint("`sha512sum FILE` prints the 128 hex digits"))
}

/// Checks where something is downloaded from: https, no credentials, placeholders that are known.
pub(super) fn download(text: &str, path: &KeyPath) -> Checked<String> {
    let refuse = |words: &str| Found::new("config-bad-url", path, words);
    if text.contains("%{") {
        return Err(refuse("has an rpm macro").hint("write {name} or {version} without the `%`"));
    }
    let filled = text.replace("{name}", "name").replace("{version}", "1");
    if filled.contains(['{', '}']) {
        return Err(refuse("has a placeholder that is not known").hint("{name} and {version} are"));
    }
    if filled.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(refuse("has a space or a control character"));
    }
    let url = url::Url::parse(&filled)
        .map_err(|error| refuse(&format!("is no address: {error}")).hint("begin with https://"))?;
    if url.scheme() != "https" {
        let words = format!(
            "has the scheme `{}`; released files are fetched over https only",
            url.scheme()
        );
        return Err(refuse(&words));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("holds a user or password, and this file is public"));
    }
    Ok(text.to_owned())
}

/// Checks a reference to a container image: `REGISTRY[:PORT]/PATH[:TAG][@sha256:DIGEST]`.
pub(super) fn container(text: &str, path: &KeyPath) -> Checked<String> {
    let parsed: Result<ImageReference, NameError> = text.parse();
    parsed.map(String::from).map_err(|error| {
        let fault = name_fault("config-bad-container", path, &error);
        fault.hint("write REGISTRY/PATH:TAG or REGISTRY/PATH@sha256:DIGEST")
    })
}
