//! Which entries an output may hold: the rules, apart from how they are read.

use rustix::fs::{FileType, Stat};

use crate::outcome::{Refusal, printable};

/// Characters that some file systems take for nothing, so that a name with them could become `.git`.
const IGNORED_BY_HFS: [char; 16] = [
    '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}',
    '\u{202e}', '\u{206a}', '\u{206b}', '\u{206c}', '\u{206d}', '\u{206e}', '\u{206f}', '\u{feff}',
];

/// Bits of a mode that give more rights than those of who runs a file.
const SPECIAL_BITS: u32 = 0o7000;

/// The bit that lets an owner read.
const OWNER_READS: u32 = 0o400;

/// Refuses a name that is no text, or means something else to a tool.
pub(super) fn name<'n>(above: &str, name: &'n [u8]) -> Result<&'n str, Refusal> {
    let refuse = |code, what: &str| {
        let path = format!("{above}/{}", printable(name, 200));
        Refusal::new(code, format!("the container left {path:?}, {what}"))
            .hint("give it an ordinary name, or leave it out")
    };
    let Ok(text) = std::str::from_utf8(name) else {
        return Err(refuse("output-name-no-text", "a name that is not UTF-8"));
    };
    if text.chars().any(|c| c.is_control() || c == '\\' || c == '\u{2028}' || c == '\u{2029}') {
        return Err(refuse("output-name", "a name with a control character or a backslash"));
    }
    if matches!(text, "" | "." | "..") || text.contains('/') {
        return Err(refuse("output-name", "which is no name for an entry"));
    }
    match is_git(text) {
        true => Err(refuse("output-git", "which git could take for its own folder")),
        false => Ok(text),
    }
}

fn is_git(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !IGNORED_BY_HFS.contains(c)).collect();
    let plain = plain.trim_end_matches(['.', ' ']);
    plain.eq_ignore_ascii_case(".git") || plain.eq_ignore_ascii_case("git~1")
}

/// Refuses what is no file, folder or link, and modes that say too much or too little.
pub(super) fn kind(path: &str, stat: &Stat) -> Result<FileType, Refusal> {
    let file_type = FileType::from_raw_mode(stat.st_mode);
    let refuse = |code, what: &str| {
        Refusal::new(code, format!("the container left /output/{path}, which is {what}"))
            .hint("leave regular files, folders, and relative links that stay inside")
    };
    match file_type {
        FileType::RegularFile | FileType::Directory => {}
        FileType::Symlink => return Ok(file_type),
        FileType::Fifo => return Err(refuse("output-fifo", "a named pipe")),
        FileType::Socket => return Err(refuse("output-socket", "a socket")),
        FileType::CharacterDevice | FileType::BlockDevice => {
            return Err(refuse("output-device", "a device"));
        }
        FileType::Unknown => return Err(refuse("output-device", "of an unknown kind")),
    }
    if stat.st_mode & SPECIAL_BITS != 0 {
        return Err(refuse("output-setuid", "set-user-ID, set-group-ID or sticky"));
    }
    if stat.st_mode & OWNER_READS == 0 {
        return Err(refuse("output-unreadable", "not to be read by its owner"));
    }
    if file_type == FileType::RegularFile && stat.st_nlink != 1 {
        return Err(refuse("output-hard-link", "one file under several names"));
    }
    Ok(file_type)
}

/// Refuses a link that is not relative, or could lead out.
///
/// `..` may stand at the beginning only: after a name it would start from where that name leads, if it is a link.
pub(super) fn link(path: &str, target: &[u8]) -> Result<(), Refusal> {
    let refuse = |what: &str| {
        let target = printable(target, 200);
        Refusal::new(
            "output-link",
            format!("the container left the link /output/{path} to {target:?}, {what}"),
        )
        .hint("make it a relative link that stays inside dist-git/, or leave the file itself")
    };
    let Ok(text) = std::str::from_utf8(target) else { return Err(refuse("which is not UTF-8")) };
    if text.starts_with('/') {
        return Err(refuse("which is absolute"));
    }
    // `path` begins with `dist-git/`, which is the root that a link may not leave.
    let mut above = path.matches('/').count().saturating_sub(1);
    let mut is_at_start = true;
    for component in text.split('/') {
        match component {
            "" | "." => {}
            ".." if !is_at_start => return Err(refuse("which goes up after it went down")),
            ".." if above == 0 => return Err(refuse("which leads out of dist-git/")),
            ".." => above -= 1,
            component => {
                is_at_start = false;
                name("the link", component.as_bytes())
                    .map_err(|_| refuse("a name that none may have"))?;
            }
        }
    }
    match text.is_empty() || text.ends_with('/') {
        true => Err(refuse("which names no file")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside() {
        let table = [
            ("dist-git/a", "b", true),
            ("dist-git/a", "b/c", true),
            ("dist-git/a", "./b", true),
            ("dist-git/x/a", "../b", true),
            ("dist-git/x/y/a", "../../b", true),
            ("dist-git/a", "../b", false),
            ("dist-git/x/a", "../../b", false),
            ("dist-git/a", "/etc/passwd", false),
            ("dist-git/a", "b/../c", false),
            ("dist-git/a", "b/../../c", false),
            ("dist-git/a", "", false),
            ("dist-git/a", "b/", false),
            ("dist-git/a", ".git/config", false),
            ("dist-git/a", "b\nc", false),
        ];
        for (path, target, stays) in table {
            assert_eq!(link(path, target.as_bytes()).is_ok(), stays, "{path} -> {target}");
        }
        assert!(link("dist-git/a", b"\xff").is_err());
    }

    #[test]
    fn names_that_mean_trouble_are_refused_by_name() {
        let table: [(&[u8], &str); 12] = [
            (b"a\nb", "output-name"),
            (b"a\x1b", "output-name"),
            (b"a\\b", "output-name"),
            (b"..", "output-name"),
            (b".", "output-name"),
            (b"\xff\xfe", "output-name-no-text"),
            (b".git", "output-git"),
            (b".GIT", "output-git"),
            (b"GIT~1", "output-git"),
            (b".git.", "output-git"),
            (b".git ", "output-git"),
            (".g\u{200c}it".as_bytes(), "output-git"),
        ];
        for (text, code) in table {
            assert_eq!(name("dist-git", text).unwrap_err().code.0, code, "{text:?}");
        }
        for text in ["hello.spec", ".gitattributes", "ü", "a b", "-x"] {
            assert!(name("dist-git", text.as_bytes()).is_ok(), "{text}");
        }
    }
}
