//! What containers printed, kept for people: one file for each run, the last few of each branch.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::queue::JobKey;

/// How many runs of a branch keep their log.
const KEPT: usize = 20;

/// The folder of logs, `DATA/logs/INSTANCE/PACKAGE/BRANCH/MILLISECONDS.log`.
///
/// A run whose branch names no container leaves no file.
#[derive(Debug)]
pub struct RunLogs {
    folder: PathBuf,
}

impl RunLogs {
    /// Keeps logs below the service's data folder.
    pub fn below(data: &Path) -> RunLogs {
        RunLogs { folder: data.join("logs") }
    }

    /// Returns the file for a run that begins now, and drops the oldest of the branch's.
    ///
    /// # Errors
    /// Fails where the folder cannot be written.
    pub fn begin(&self, key: &JobKey, now: Timestamp) -> std::io::Result<PathBuf> {
        let folder = self.of_branch(key);
        std::fs::create_dir_all(&folder)?;
        let entries = std::fs::read_dir(&folder)?.collect::<std::io::Result<Vec<_>>>()?;
        let mut old: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        old.sort();
        let too_many = (old.len() + 1).saturating_sub(KEPT);
        for path in &old[..too_many] {
            std::fs::remove_file(path)?;
        }
        Ok(folder.join(file_name(now)))
    }

    /// Returns the log of the run that began then, where this node has it: a run without a container has none, another
    /// node's lies there, and old ones are dropped.
    pub fn of(&self, key: &JobKey, began: Timestamp) -> Option<PathBuf> {
        let path = self.of_branch(key).join(file_name(began));
        path.is_file().then_some(path)
    }

    fn of_branch(&self, key: &JobKey) -> PathBuf {
        // A slash is the only character of a branch that a path would read otherwise.
        let branch = key.branch.as_str().replace('%', "%25").replace('/', "%2F");
        self.folder.join(key.instance.as_str()).join(key.package.as_str()).join(branch)
    }
}

fn file_name(began: Timestamp) -> String {
    format!("{:015}.log", began.as_millisecond().max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_runs_of_a_branch_keep_their_logs() {
        let data = tempfile::tempdir().unwrap();
        let logs = RunLogs::below(data.path());
        let key = JobKey {
            instance: "local".parse().unwrap(),
            package: "hello".parse().unwrap(),
            branch: "rhel/9%".parse().unwrap(),
        };
        for second in 1..=25 {
            let now = Timestamp::from_second(second).unwrap();
            let file = logs.begin(&key, now).unwrap();
            assert_eq!(logs.of(&key, now), None);
            std::fs::write(&file, "words\n").unwrap();
            assert_eq!(logs.of(&key, now), Some(file));
        }
        let folder = data.path().join("logs/local/hello/rhel%2F9%25");
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names.len(), KEPT);
        assert_eq!(names[0], "000000000006000.log");
    }
}
