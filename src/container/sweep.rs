//! What a bot that is no more has left behind.

use super::engine::Engine;
use super::owner::{Fate, LABEL, Owner};
use crate::outcome::Result;

impl Engine {
    /// Removes containers whose bot is no more, running or not, and returns how many.
    ///
    /// Those of other bots that live, on this machine and of this user, are let be; so are those of a bot in
    /// another pid namespace, of which nothing can be known.
    ///
    /// # Errors
    /// Fails where the engine does.
    pub async fn sweep(&self) -> Result<usize> {
        let filter = format!("--filter=label={LABEL}");
        let format = format!("{{{{.ID}}}} {{{{index .Labels \"{LABEL}\"}}}}");
        let format = match self.kind() {
            super::Kind::Podman => format,
            super::Kind::Docker => format!("{{{{.ID}}}} {{{{.Label \"{LABEL}\"}}}}"),
        };
        let output = self.ask(&["ps", "--all", "--no-trunc", &filter, "--format", &format]).await?;
        if !output.status.success() {
            return Err(self.failed("list containers", &output.stderr).into());
        }
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        let orphans = orphans(&listed, &self.owner);
        for id in &orphans {
            tracing::info!(container = id, "removes what a bot that is no more left behind");
            self.remove(id).await?;
        }
        Ok(orphans.len())
    }
}

/// Returns the ids of containers whose owner is gone, of lines `ID OWNER`.
fn orphans(listed: &str, this_process: &Owner) -> Vec<String> {
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
    let lines = listed.lines().filter_map(|line| line.trim().split_once(' '));
    let known = lines.filter_map(|(id, owner)| Some((id, owner.trim().parse::<Owner>().ok()?)));
    let gone = known.filter(|(id, owner)| is_id(id) && owner.fate(this_process) == Fate::Gone);
    gone.map(|(id, _)| id.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_of_the_dead_are_swept() {
        let this = Owner::this_process().unwrap();
        let listed = format!(
            "aa1 {this}\nbb2 otherboot/1/2/3\ncc3 nonsense\n--force otherboot/1/2/3\ndd4\n"
        );
        assert_eq!(orphans(&listed, &this), ["bb2"]);
    }
}
