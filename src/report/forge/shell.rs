//! Commands that people can copy into a shell. Pure.

/// Writes words as one command line: what a shell would read otherwise stands in single quotes.
pub(in crate::report) fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/:@%+,=".contains(&b);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_same_words() {
        let words =
            ["a", "", "a b", "it's", "$(id)", "`id`", "a;b", "~x", "*", "#", "ä", "-x", "\\", "!x"];
        let line = format!("printf '%s\\n' {}", command(words));
        let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), words.join("\n") + "\n");
    }

    #[test]
    fn plain_words_stay_as_they_are() {
        let words = ["lockkeeper", "preview", "--dist-git", "https://x.example/rpms/hello.git"];
        assert_eq!(command(words), words.join(" "));
    }
}
