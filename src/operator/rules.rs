//! The rule of each kind of text in an operator config: parse or say why not.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use url::{Host, Url};

use super::SmtpSecurity;
use crate::config::faults::{Found, KeyPath};
use crate::config::rules::{Checked, glob, name_fault};
use crate::container::{Bytes, Time};
use crate::names::NameError;
use crate::outcome::printable;
use crate::queue::{Rate, RateError};

/// Checks a name by its own rule.
pub(super) fn name<T: FromStr<Err = NameError>>(text: &str, at: &KeyPath) -> Checked<T> {
    text.parse().map_err(|error| name_fault("operator-bad-name", at, &error))
}

/// Checks an address to listen on.
pub(super) fn listen(text: &str, at: &KeyPath) -> Checked<SocketAddr> {
    text.parse().map_err(|_| {
        let words = format!("`{}` is no address and port", printable(text, 100));
        Found::new("operator-bad-address", at, words)
            .hint("write it as 127.0.0.1:8080 or [::1]:8080")
    })
}

/// Checks a web address: https, or http on this machine; no credentials, no query.
pub(super) fn web(text: &str, at: &KeyPath) -> Checked<Url> {
    let refuse = |words: &str| Found::new("operator-bad-address", at, words);
    let url = Url::parse(text).map_err(|error| refuse(&format!("is no address: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("holds a user or password").hint("secrets are files"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("has a query or a fragment"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_this_machine(&url) => Ok(url),
        "http" => Err(refuse("is http to another machine: use https")),
        _ => Err(refuse("is neither https nor http")),
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Checks a limit on publications.
pub(super) fn rate(text: &str, at: &KeyPath) -> Checked<Rate> {
    text.parse().map_err(|error: RateError| {
        let words = format!("`{}` is no rate: {}", printable(&error.text, 40), error.why);
        Found::new("operator-bad-rate", at, words).hint("write it as 6/h or 200/d")
    })
}

/// Checks a mail server.
pub(super) fn smtp(text: &str, at: &KeyPath) -> Checked<(String, u16, SmtpSecurity)> {
    let refuse = |words: &str| {
        Found::new("operator-bad-address", at, words)
            .hint("write smtps://HOST, or smtp://HOST:587 for STARTTLS")
    };
    let url = Url::parse(text).map_err(|_| refuse("is no address"))?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| refuse("has no host"))?.to_owned();
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("holds a user or password").hint("write user and password_file"));
    }
    let local = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    let (security, port) = match url.scheme() {
        "smtps" => (SmtpSecurity::Tls, 465),
        "smtp" if local => (SmtpSecurity::None, 25),
        "smtp" => (SmtpSecurity::StartTls, 587),
        _ => return Err(refuse("is neither smtps nor smtp")),
    };
    Ok((host, url.port().unwrap_or(port), security))
}

/// Checks a mail address, alone or behind a name: `Name <user@host>`.
pub(super) fn mail(text: &str, at: &KeyPath) -> Checked<String> {
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let odd = |c: char| c.is_control() || c.is_whitespace() || "<>,;\"".contains(c);
    let is_address = address.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && !host.is_empty() && !host.contains('@') && !address.contains(odd)
    });
    match is_address && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => {
            let words = format!("`{}` is no mail address", printable(text, 100));
            Err(Found::new("operator-bad-mail", at, words).hint("write user@host"))
        }
    }
}

/// Checks a line of words for people, such as a name.
pub(super) fn words(text: &str, at: &KeyPath) -> Checked<String> {
    let odd = |c: char| c.is_control() || "<>".contains(c);
    match text.trim() {
        "" => Err(Found::new("operator-bad-name", at, "is empty")),
        text if text.chars().any(odd) || text.len() > 200 => Err(Found::new(
            "operator-bad-name",
            at,
            "has < or >, a control character, or more than 200 bytes",
        )),
        text => Ok(text.to_owned()),
    }
}

/// Checks a dist tag, such as `.fc44`.
pub(super) fn dist_tag(text: &str, at: &KeyPath) -> Checked<String> {
    let taken = |b: u8| b.is_ascii_alphanumeric() || b"._~^+".contains(&b);
    match text.starts_with('.') && text.len() > 1 && text.bytes().all(taken) {
        true => Ok(text.to_owned()),
        false => {
            let words = format!("`{}` is no dist tag", printable(text, 60));
            Err(Found::new("operator-bad-name", at, words).hint("write it as .fc44"))
        }
    }
}

/// Checks a host, with a port or without.
pub(super) fn host(text: &str, at: &KeyPath) -> Checked<String> {
    let taken = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
    match !text.is_empty() && !text.starts_with('-') && text.bytes().all(taken) {
        true => Ok(text.to_ascii_lowercase()),
        false => {
            let words = format!("`{}` is no host", printable(text, 100));
            Err(Found::new("operator-bad-name", at, words)
                .hint("write the host alone, without https://"))
        }
    }
}

/// Checks globs and makes one set of them; `*` matches slashes too, as branch names have them.
pub(super) fn globs(texts: &[String], at: &KeyPath) -> Checked<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for (index, text) in texts.iter().enumerate() {
        let text = glob(text, &at.index(index))?;
        let built = GlobBuilder::new(&text).build();
        set.add(built.map_err(|_| Found::new("config-bad-glob", &at.index(index), "is no glob"))?);
    }
    set.build()
        .map_err(|_| Found::new("config-bad-glob", at, "are too many globs, or too large"))
}

/// Checks a length of time between bounds.
pub(super) fn time(
    text: &str,
    at: &KeyPath,
    bounds: std::ops::RangeInclusive<Duration>,
) -> Checked<Duration> {
    let Time(time) = text.parse().map_err(|error| name_fault("operator-bad-time", at, &error))?;
    if bounds.contains(&time) {
        return Ok(time);
    }
    let (least, most) = (Time(*bounds.start()), Time(*bounds.end()));
    let words = format!("`{}` must be from {least} to {most}", printable(text, 40));
    Err(Found::new("operator-bad-time", at, words))
}

/// Checks a number of bytes between bounds.
pub(super) fn size(
    text: &str,
    at: &KeyPath,
    bounds: std::ops::RangeInclusive<u64>,
) -> Checked<u64> {
    let Bytes(size) = text.parse().map_err(|error| name_fault("operator-bad-size", at, &error))?;
    if bounds.contains(&size) {
        return Ok(size);
    }
    let (least, most) = (Bytes(*bounds.start()), Bytes(*bounds.end()));
    let words = format!("`{}` must be from {least} to {most}", printable(text, 40));
    Err(Found::new("operator-bad-size", at, words))
}
