//! Notes: what a run found out on the way through a long history, left for the next run.
//!
//! A note is a hint. It says from which tip it was written; whoever reads it sees whether today's tip descends from
//! that one, and otherwise goes the whole way again. A note that is missing, damaged or of another form counts as
//! none, and one that cannot be written costs time and nothing else.

use std::io::Write;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// The first line; another form gets another number.
const HEADING: &str = "lockkeeper note 1";

/// The place of one note.
#[derive(Debug, Clone, Default)]
pub struct Note {
    path: Option<PathBuf>,
}

impl Note {
    /// Returns a place where nothing is kept.
    pub fn none() -> Note {
        Note::default()
    }

    /// Returns the note that lies at `path`, or will.
    pub fn at(path: PathBuf) -> Note {
        Note { path: Some(path) }
    }

    /// Returns the lines that were written last; `None` where nothing usable is there.
    pub fn read(&self) -> Option<Vec<String>> {
        let text = std::fs::read_to_string(self.path.as_ref()?).ok()?;
        let (sum, body) = text.strip_prefix(HEADING)?.strip_prefix('\n')?.split_once('\n')?;
        (sum == digest(body)).then(|| body.lines().map(str::to_owned).collect())
    }

    /// Writes the lines: the whole file, or nothing.
    pub fn write(&self, lines: &[String]) {
        let Some(path) = &self.path else { return };
        if let Err(error) = replace(path, &lines.join("\n")) {
            tracing::debug!(path = %path.display(), %error, "a note could not be written");
        }
    }
}

fn replace(path: &std::path::Path, body: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    write!(file, "{HEADING}\n{}\n{body}", digest(body))?;
    file.persist(path)?;
    Ok(())
}

fn digest(body: &str) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_was_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/note");
        let note = Note::at(path.clone());
        assert_eq!(note.read(), None);
        let lines = ["tip 1".to_owned(), "tag 2".to_owned()];
        note.write(&lines);
        assert_eq!(note.read().unwrap(), lines);
        let whole = std::fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(note.read(), None, "byte {place}");
            std::fs::write(&path, &whole[..place]).unwrap();
            assert_eq!(note.read(), None, "cut off at {place}");
        }
        note.write(&lines);
        assert_eq!(note.read().unwrap(), lines);
    }

    #[test]
    fn a_note_that_cannot_be_written_harms_nobody() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let note = Note::at(folder.path().join("file/note"));
        note.write(&["tip 1".to_owned()]);
        assert_eq!(note.read(), None);
        Note::none().write(&["tip 1".to_owned()]);
        assert_eq!(Note::none().read(), None);
    }
}
