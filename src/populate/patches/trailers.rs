//! The two trailers that steer patches, read from the last paragraph of a message.

/// Returns the values of `key` in the last paragraph of `message`, in order.
///
/// Keys are compared without regard to case, as git does. A paragraph counts only where each of its
/// lines is `Key: value`, an indented continuation, or the note that `git cherry-pick -x` leaves; and
/// never the first one, which is the subject.
pub(super) fn values(message: &str, key: &str) -> Vec<String> {
    let lines = last_paragraph(message);
    let is_trailer = |line: &&str| {
        split(line).is_some()
            || line.starts_with([' ', '\t'])
            || line.starts_with("(cherry picked from commit ")
    };
    if !lines.iter().all(is_trailer) {
        return Vec::new();
    }
    let pairs = lines.iter().filter_map(|line| split(line));
    let matching = pairs.filter(|(found, _)| found.eq_ignore_ascii_case(key));
    matching.map(|(_, value)| value.trim().to_owned()).collect()
}

fn last_paragraph(message: &str) -> Vec<&str> {
    let text = message.trim_end();
    let lines: Vec<&str> = text.trim_start().lines().collect();
    match lines.iter().rposition(|line| line.trim().is_empty()) {
        Some(blank) => lines[blank + 1..].to_vec(),
        None => Vec::new(),
    }
}

fn split(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_key.then_some((key, value))
}
