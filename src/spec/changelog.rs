//! `%changelog` entries: writing one, reading those that are there, merging those of two specs.

use jiff::civil::Date;

use super::sanitise::{sanitise_item, sanitise_mail, sanitise_person, wrap};
use crate::names::Evr;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// One publication, as the changelog tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The committer date of the source tip, in UTC.
    pub date: Date,
    /// Whose name stands in the header.
    pub name: String,
    /// Whose mail address stands in the header; may be empty.
    pub mail: String,
    /// What was published, dist tag left out; `None` where no EVR is claimed.
    pub evr: Option<Evr>,
    /// The collapsed commits, newest first: text without a leading dash.
    pub items: Vec<String>,
}

impl Entry {
    /// Returns the entry's lines without line ends; `not_before` is the day of the entry below it.
    ///
    /// rpm drops an entry, and all below it, that is older than the next: so the day never goes back.
    pub(super) fn lines(&self, not_before: Option<Date>) -> Vec<String> {
        let date = not_before.map_or(self.date, |below| below.max(self.date));
        let mut lines = vec![self.header(date)];
        for item in &self.items {
            lines.extend(wrap(&sanitise_item(item)));
        }
        if self.items.is_empty() {
            lines.extend(wrap(&sanitise_item("")));
        }
        lines
    }

    fn header(&self, date: Date) -> String {
        let mut header = format!("* {} {}", header_date(date), sanitise_person(&self.name));
        let mail = sanitise_mail(&self.mail);
        if !mail.is_empty() {
            header.push_str(&format!(" <{mail}>"));
        }
        if let Some(evr) = &self.evr {
            header.push_str(&format!(" - {}", evr.short()));
        }
        header
    }
}

/// Returns a day as headers have it, `Mon Jan 01 2024`, in English whatever the locale.
fn header_date(date: Date) -> String {
    let day = DAYS[(date.weekday().to_monday_zero_offset()) as usize];
    let month = MONTHS[(date.month() - 1) as usize];
    format!("{day} {month} {:02} {:04}", date.day(), date.year())
}

/// An entry that is in a spec already, with its bytes as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedEntry {
    /// The header line, invalid bytes replaced.
    pub header: String,
    /// The day in the header, where it can be read.
    pub date: Option<Date>,
    /// The entry with its header, up to the next entry.
    pub bytes: Vec<u8>,
}

impl PublishedEntry {
    /// Reads the entry that a piece of a changelog is.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        let header = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        PublishedEntry { date: date_of(&header), header, bytes: bytes.to_vec() }
    }

    /// Returns the bytes without what only separates entries: blank lines and the last line end.
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.trim_ascii_end()
    }

    /// Tells whether two entries are the same entry, apart from line ends.
    fn is_same(&self, other: &PublishedEntry) -> bool {
        let bare = |entry: &PublishedEntry| -> Vec<u8> {
            entry.body().iter().copied().filter(|b| *b != b'\r').collect()
        };
        self.header == other.header && bare(self) == bare(other)
    }
}

/// Reads the day in a header, `* Mon Jan 01 2024 …` or `* Mon Jan 01 12:00:00 UTC 2024 …`.
///
/// A wrong weekday is only a warning to rpm, so it is not looked at.
fn date_of(header: &str) -> Option<Date> {
    let words: Vec<&str> = header.strip_prefix('*')?.split_ascii_whitespace().collect();
    let (month, day) = (words.get(1)?, words.get(2)?.parse().ok()?);
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? + 1;
    let has_time = words.get(3)?.contains(':');
    let year = if has_time { words.get(5)? } else { words.get(3)? };
    Date::new(year.parse().ok()?, i8::try_from(month).ok()?, day).ok()
}

/// Merges the entries of the dist-git tip's spec with those of the source spec: equal ones once, newest first.
///
/// Entries of one day keep the order they have, dist-git's first. An entry whose day cannot be read stays below
/// the one above it.
pub fn merge_entries(
    dist_git: &[PublishedEntry],
    source: &[PublishedEntry],
) -> Vec<PublishedEntry> {
    let mut dated = with_days(dist_git);
    let mut known: std::collections::HashMap<&str, Vec<&PublishedEntry>> =
        std::collections::HashMap::new();
    for entry in dist_git {
        known.entry(&entry.header).or_default().push(entry);
    }
    let is_new = |entry: &PublishedEntry| {
        known
            .get(entry.header.as_str())
            .is_none_or(|same| !same.iter().any(|other| other.is_same(entry)))
    };
    dated.extend(with_days(source).into_iter().filter(|(_, entry)| is_new(entry)));
    dated.sort_by_key(|(day, _)| std::cmp::Reverse(*day));
    dated.into_iter().map(|(_, entry)| entry.clone()).collect()
}

/// Pairs each entry with its day; one without takes that of the entry above it, else of the first that has one.
fn with_days(entries: &[PublishedEntry]) -> Vec<(Date, &PublishedEntry)> {
    let mut day = entries.iter().find_map(|entry| entry.date).unwrap_or(Date::MIN);
    let pair = |entry| {
        let entry: &PublishedEntry = entry;
        day = entry.date.unwrap_or(day);
        (day, entry)
    };
    entries.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn entry(text: &str) -> PublishedEntry {
        PublishedEntry::read(text.as_bytes())
    }

    #[test]
    fn a_header_has_an_english_day_and_no_dist() {
        let entry = Entry {
            date: date(2024, 2, 5),
            name: "Alice".into(),
            mail: "alice@example.org".into(),
            evr: Some("1:1.2-3".parse().unwrap()),
            items: vec!["fix".into()],
        };
        let expected = ["* Mon Feb 05 2024 Alice <alice@example.org> - 1:1.2-3", "- fix"];
        assert_eq!(entry.lines(None), expected);
        assert!(entry.lines(Some(date(2030, 1, 1)))[0].starts_with("* Tue Jan 01 2030"));
        assert!(entry.lines(Some(date(2020, 1, 1)))[0].starts_with("* Mon Feb 05 2024"));
    }

    #[test]
    fn days_are_read_from_the_headers_that_rpm_takes() {
        let table = [
            ("* Mon Jan 01 2024 A <a@b> - 1-1", Some(date(2024, 1, 1))),
            ("* Mon Jan  1 2024 A", Some(date(2024, 1, 1))),
            ("* Mon Jan 01 12:00:00 UTC 2024 A", Some(date(2024, 1, 1))),
            ("* Mon Foo 01 2024 A", None),
            ("* Mon Feb 31 2024 A", None),
            ("*", None),
        ];
        for (header, expected) in table {
            assert_eq!(date_of(header), expected, "{header:?}");
        }
    }

    #[test]
    fn merging_keeps_equal_entries_once_and_the_newest_first() {
        let (a, b) = (
            "* Mon Jan 01 2024 A <a@b> - 1-1\n- a\n\n",
            "* Tue Jan 02 2024 B <b@b> - 1-2\n- b\n",
        );
        let (a2, c) = ("* Mon Jan 01 2024 A <a@b> - 1-1\r\n- a\r\n", "* Wed Jan 03 2024 C\n- c\n");
        let merged = merge_entries(&[entry(b), entry(a)], &[entry(c), entry(a2)]);
        assert_eq!(merged, [entry(c), entry(b), entry(a)]);
        assert_eq!(merge_entries(&merged, &merged), merged);
    }
}
