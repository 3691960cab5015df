//! Texts cut to what a forge takes. Pure.

/// Cuts a text to so many characters; the last one is then an ellipsis.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_too_long_is_cut() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("ä𝄞cd", 3), "ä𝄞…");
        assert_eq!(cut("a bcd", 3), "a…");
        assert_eq!(cut(&"x".repeat(1000), 140).chars().count(), 140);
    }
}
