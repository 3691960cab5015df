//! `.gitignore` of a dist-git branch: archives beside the spec are not to be committed by mistake.
//!
//! dist-git's tools add a line `/FILE` for each archive and never take one away. The bot adds one only where no
//! line covers the archive, and takes away only what it wrote: a line that is exactly `/FILE`, where
//! FILE was in `sources` of the bot's own last commit and is not any more. All other bytes stay.

use bstr::ByteSlice;
use globset::GlobBuilder;

use super::SourcesFile;
use crate::names::FileName;

/// A `.gitignore` file, as lines with their ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitIgnore {
    lines: Vec<Vec<u8>>,
}

impl GitIgnore {
    /// Takes the file's bytes; any are legal.
    pub fn parse(bytes: &[u8]) -> GitIgnore {
        GitIgnore { lines: bytes.lines_with_terminator().map(<[u8]>::to_vec).collect() }
    }

    /// Makes it fit `sources`.
    ///
    /// `before` is `sources` of the bot's own last commit, `None` where it never published here: then nothing
    /// is taken away.
    pub fn update(&mut self, before: Option<&SourcesFile>, now: &SourcesFile) {
        let entries = before.map(SourcesFile::entries).unwrap_or_default();
        for old in entries.iter().filter(|old| now.digest_of(&old.file).is_none()) {
            let own = own_line(&old.file);
            self.lines.retain(|line| without_end(line) != own.as_bytes());
        }
        for entry in now.entries() {
            self.cover(&entry.file);
        }
    }

    /// Adds a line for a file that no line covers yet.
    fn cover(&mut self, file: &FileName) {
        if self.ignores(file) {
            return;
        }
        let end: &[u8] = if self.has_crlf() { b"\r\n" } else { b"\n" };
        if let Some(last) = self.lines.last_mut().filter(|line| !line.ends_with(b"\n")) {
            last.extend_from_slice(end);
        }
        self.lines.push([own_line(file).as_bytes(), end].concat());
    }

    fn has_crlf(&self) -> bool {
        self.lines.first().is_some_and(|line| line.ends_with(b"\r\n"))
    }

    /// Tells whether git ignores a file of this name at the root: the last line that matches decides.
    pub fn ignores(&self, file: &FileName) -> bool {
        let verdicts = self.lines.iter().rev().filter_map(|line| verdict(line, file.as_str()));
        verdicts.take(1).any(|ignored| ignored)
    }

    /// Returns the file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.concat()
    }
}

/// The line that the bot writes; what git would read as a pattern is escaped.
fn own_line(file: &FileName) -> String {
    let mut line = String::from("/");
    for c in file.as_str().chars() {
        if "*?[".contains(c) {
            line.push('\\');
        }
        line.push(c);
    }
    line
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// What one line says of a file at the root: ignored, not ignored, or nothing.
fn verdict(line: &[u8], name: &str) -> Option<bool> {
    let line = without_end(line).to_str().ok()?;
    let line = without_trailing_spaces(line);
    if line.starts_with('#') {
        return None;
    }
    let (ignored, pattern) = match line.strip_prefix('!') {
        Some(rest) => (false, rest),
        None => (true, line),
    };
    let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
    // A slash at the end means folders only, one inside means deeper files.
    let pattern = pattern.strip_prefix("**/").unwrap_or(pattern);
    if pattern.is_empty() || pattern.contains('/') {
        return None;
    }
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    // Braces are plain characters to git, so such a pattern is not judged: at worst a line is doubled.
    let matches = !pattern.contains(['{', '}']) && glob.ok()?.compile_matcher().is_match(name);
    matches.then_some(ignored)
}

/// Spaces at a line's end do not count, unless a backslash stands before.
fn without_trailing_spaces(line: &str) -> &str {
    let bare = line.trim_end_matches(' ');
    match bare.ends_with('\\') && bare.len() < line.len() {
        true => &line[..=bare.len()],
        false => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha512;

    fn sources(names: &[&str]) -> SourcesFile {
        let mut file = SourcesFile::default();
        for name in names {
            file.set(name.parse().unwrap(), &Sha512::of(name.as_bytes()));
        }
        file
    }

    fn updated(text: &str, before: Option<&[&str]>, now: &[&str]) -> String {
        let mut file = GitIgnore::parse(text.as_bytes());
        file.update(before.map(sources).as_ref(), &sources(now));
        String::from_utf8(file.to_bytes()).unwrap()
    }

    #[test]
    fn a_line_is_added_where_none_covers_the_archive() {
        let table = [
            ("", "/h-2.tar.gz\n"),
            ("*.src.rpm\n", "*.src.rpm\n/h-2.tar.gz\n"),
            ("no end", "no end\n/h-2.tar.gz\n"),
            ("*.rpm\r\n", "*.rpm\r\n/h-2.tar.gz\r\n"),
            ("/h-2.tar.gz\n", "/h-2.tar.gz\n"),
            ("h-*.tar.gz\n", "h-*.tar.gz\n"),
            ("/h-[0-9].tar.*  \n", "/h-[0-9].tar.*  \n"),
            ("*.gz\n!h-2*\n", "*.gz\n!h-2*\n/h-2.tar.gz\n"),
            ("h-2.tar.gz/\n", "h-2.tar.gz/\n/h-2.tar.gz\n"),
            ("#h-2.tar.gz\n", "#h-2.tar.gz\n/h-2.tar.gz\n"),
        ];
        for (text, wanted) in table {
            assert_eq!(updated(text, None, &["h-2.tar.gz"]), wanted, "{text:?}");
            assert_eq!(updated(wanted, None, &["h-2.tar.gz"]), wanted, "again");
        }
    }

    #[test]
    fn only_the_bots_own_lines_go() {
        let text = "/h-0.tgz\n# old\r\nh-1.tgz\n/h-1.tgz\n/h-1.tgz.sig\n\n";
        let kept = "/h-0.tgz\n# old\r\nh-1.tgz\n/h-1.tgz.sig\n\n";
        assert_eq!(updated(text, Some(&["h-1.tgz"]), &[]), kept);
        assert_eq!(updated(text, Some(&["h-1.tgz"]), &["h-2.tgz"]), format!("{kept}/h-2.tgz\n"));
        assert_eq!(updated(text, None, &[]), text, "the bot never published here");
        assert_eq!(updated("/é\\*\n", Some(&["é*"]), &[]), "");
    }

    #[test]
    fn git_agrees_on_what_is_ignored() {
        let patterns = [
            "f.gz",
            "/f.gz",
            "*.gz",
            "/*.gz",
            "f.*",
            "?.gz",
            "[a-f].gz",
            "[!a-f].gz",
            "[^a-f].gz",
            "F.gz",
            "f.gz/",
            "/f.gz/",
            "**/f.gz",
            "/**/f.gz",
            "**",
            "*",
            "a/f.gz",
            "f.gz ",
            "f.gz\\ ",
            "\\f.gz",
            "!f.gz",
            "*.gz\n!f.gz",
            "!f.gz\n*.gz",
            "#f.gz",
            "\\#f.gz",
            "",
            " ",
            "/",
            "//f.gz",
            "f.g",
            "f.gz.sig",
            "f.gz\r",
            "{f,g}.gz",
            "**f.gz",
            "f.[g]z",
            "[",
            "[f",
            "[]f].gz",
            "\\",
        ];
        let world = tempfile::tempdir().unwrap();
        git(world.path(), &["init", "--quiet"]);
        for pattern in patterns {
            let text = format!("{pattern}\n");
            std::fs::write(world.path().join(".gitignore"), &text).unwrap();
            let status = git(world.path(), &["check-ignore", "--quiet", "--no-index", "f.gz"]);
            let ours = GitIgnore::parse(text.as_bytes()).ignores(&"f.gz".parse().unwrap());
            assert_eq!(ours, status == Some(0), "{pattern:?}");
            let covered = updated(&text, None, &["f.gz"]);
            std::fs::write(world.path().join(".gitignore"), &covered).unwrap();
            let status = git(world.path(), &["check-ignore", "--quiet", "--no-index", "f.gz"]);
            assert_eq!(status, Some(0), "{covered:?}");
        }
    }

    fn git(folder: &std::path::Path, arguments: &[&str]) -> Option<i32> {
        let mut command = std::process::Command::new("git");
        command.args(arguments).current_dir(folder).env("HOME", folder);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.output().expect("git is installed").status.code()
    }
}
