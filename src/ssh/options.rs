//! The options of an allowed-signers line: each honoured or the line refused.

use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The options before a key.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Options {
    /// The key is a certificate authority.
    pub(super) cert_authority: bool,
    /// What the key may sign, as patterns.
    pub(super) namespaces: Option<Vec<String>>,
    /// The first moment at which the key counts.
    pub(super) valid_after: Option<SystemTime>,
    /// The moment from which on the key no longer counts.
    pub(super) valid_before: Option<SystemTime>,
    /// A security key need not be touched.
    pub(super) no_touch_required: bool,
    /// A security key must have checked its owner (PIN or finger).
    pub(super) verify_required: bool,
}

impl Options {
    /// Parses `name,name="value",…`.
    ///
    /// # Errors
    /// Names the option that is unknown, repeated or without its value.
    pub(super) fn parse(text: &str) -> Result<Options, String> {
        let mut options = Options::default();
        let mut seen = Vec::new();
        for part in split_unquoted(text, ',')? {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(unquote(value)?)),
                None => (part, None),
            };
            let name = name.to_ascii_lowercase();
            options.set(&name, value)?;
            if seen.contains(&name) {
                return Err(format!("option {name} is given twice"));
            }
            seen.push(name);
        }
        options.check()
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        match (name, value) {
            ("cert-authority", None) => self.cert_authority = true,
            ("no-touch-required", None) => self.no_touch_required = true,
            ("verify-required", None) => self.verify_required = true,
            ("namespaces", Some(list)) => {
                self.namespaces = Some(list.split(',').map(str::to_owned).collect());
            }
            ("valid-after", Some(time)) => self.valid_after = Some(parse_time(time)?),
            ("valid-before", Some(time)) => self.valid_before = Some(parse_time(time)?),
            ("cert-authority" | "no-touch-required" | "verify-required", Some(_)) => {
                return Err(format!("option {name} takes no value"));
            }
            ("namespaces" | "valid-after" | "valid-before", None) => {
                return Err(format!("option {name} needs a value"));
            }
            _ => return Err(format!("option {name:?} is unknown, and none is ever ignored")),
        }
        Ok(())
    }

    fn check(self) -> Result<Options, String> {
        if let Some(namespaces) = &self.namespaces
            && !matches_list(namespaces, super::NAMESPACE)
        {
            return Err("option namespaces leaves out `git`: the key may not sign commits".into());
        }
        if let (Some(after), Some(before)) = (self.valid_after, self.valid_before)
            && before <= after
        {
            return Err("option valid-before lies before valid-after".into());
        }
        Ok(self)
    }
}

/// Splits at `separator` outside of double quotes.
pub(super) fn split_unquoted(text: &str, separator: char) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (index, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(&text[start..index]);
                start = index + c.len_utf8();
            }
            _ => {}
        }
    }
    if quoted {
        return Err("has a quotation mark without its pair".to_owned());
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn unquote(value: &str) -> Result<&str, String> {
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    match bare.is_empty() || bare.contains(['"', '\\']) {
        true => {
            Err(format!("value {value} is empty, or has quotation marks or backslashes inside"))
        }
        false => Ok(bare),
    }
}

/// Parses `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, each with an optional `Z` or `UTC`.
///
/// OpenSSH takes a time without zone as local; a bot has no locality, so all are UTC here.
fn parse_time(text: &str) -> Result<SystemTime, String> {
    let bare = text.strip_suffix('Z').or(text.strip_suffix("UTC")).unwrap_or(text);
    let refuse = || format!("{text:?} is no time of the form YYYYMMDD[HHMM[SS]][Z]");
    if !bare.is_ascii() || !matches!(bare.len(), 8 | 12 | 14) {
        return Err(refuse());
    }
    let full = format!("{bare:0<14}");
    let number = |from: usize, to: usize| full[from..to].parse::<i8>().map_err(|_| refuse());
    let year = full[..4].parse().map_err(|_| refuse())?;
    let clock = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let civil = DateTime::new(year, number(4, 6)?, number(6, 8)?, clock.0, clock.1, clock.2, 0);
    let zoned = civil.and_then(|civil| TimeZone::UTC.to_timestamp(civil)).map_err(|_| refuse())?;
    let seconds = u64::try_from(zoned.as_second()).map_err(|_| refuse())?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Matches a list of patterns as OpenSSH does: one must match, none that begins with `!` may.
pub(super) fn matches_list(patterns: &[String], text: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negated) if matches(negated.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    found
}

/// Matches one pattern: `*` is any text, `?` any character. Linear in time for each star.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_honoured_or_refused_by_name() {
        let cases: &[(&str, Result<(), &str>)] = &[
            ("cert-authority", Ok(())),
            ("CERT-AUTHORITY", Ok(())),
            ("namespaces=\"git,file\"", Ok(())),
            ("namespaces=git", Ok(())),
            ("namespaces=\"g*\"", Ok(())),
            ("valid-after=\"20260101Z\",valid-before=\"20270101120000\"", Ok(())),
            ("no-touch-required,verify-required", Ok(())),
            ("namespaces=\"file\"", Err("leaves out `git`")),
            ("namespaces=\"*,!git\"", Err("leaves out `git`")),
            ("namespaces", Err("needs a value")),
            ("namespaces=\"\"", Err("is empty")),
            ("cert-authority=yes", Err("takes no value")),
            ("valid-after=soon", Err("no time")),
            ("valid-after=\"20261301\"", Err("no time")),
            ("valid-after=\"2026010\"", Err("no time")),
            ("valid-after=\"19500101\"", Err("no time")),
            ("valid-after=\"20270101\",valid-before=\"20260101\"", Err("lies before")),
            ("namespaces=\"git", Err("quotation mark")),
            ("cert-authority,cert-authority", Err("twice")),
            ("restrict", Err("unknown")),
            ("", Err("unknown")),
        ];
        for (text, wanted) in cases {
            match (Options::parse(text), wanted) {
                (Ok(_), Ok(())) => {}
                (Err(words), Err(part)) => assert!(words.contains(part), "{text}: {words}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn times_are_read_as_utc() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(parse_time("20231114"), Ok(at(1_699_920_000)));
        assert_eq!(parse_time("20231114Z"), Ok(at(1_699_920_000)));
        assert_eq!(parse_time("202311142213"), Ok(at(1_699_999_980)));
        assert_eq!(parse_time("20231114221320UTC"), Ok(at(1_700_000_000)));
    }

    #[test]
    fn patterns_match_as_in_openssh() {
        let cases: &[(&[&str], &str, bool)] = &[
            (&["a"], "a", true),
            (&["a"], "b", false),
            (&["*@example.org"], "alice@example.org", true),
            (&["*@example.org"], "alice@example.com", false),
            (&["*@*.org", "!eve@*"], "eve@example.org", false),
            (&["!eve@*"], "bob@example.org", false),
            (&["a?c"], "abc", true),
            (&["a*b*c"], "axxbxxbxc", true),
            (&["*"], "", true),
            (&[], "a", false),
        ];
        for (patterns, text, wanted) in cases {
            let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
            assert_eq!(matches_list(&patterns, text), *wanted, "{patterns:?} {text}");
        }
    }
}
