//! The transport: `git fetch` and `git push`, since gix cannot push.
//!
//! Messages are pinned (`LC_ALL=C`), the push is read from `--porcelain`, and what they mean is found by pure
//! functions below. Protocols are limited to https, ssh, file and (on this machine) http; hooks are off; nothing asks on the terminal.

#![allow(
    clippy::disallowed_methods,
    reason = "where git finds its configuration and its ssh is said by the environment, as everywhere git runs"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::names::{BranchName, ObjectId, RepositoryAddress};
use crate::outcome::{Fault, Problem, Refusal, Result, printable};
use crate::process::{Invocation, Output, ProcessError};

/// How long one transfer may take.
const TRANSFER_LIMIT: Duration = Duration::from_secs(60 * 60);

/// The `git` program, with one shared ssh connection per host for the length of a run.
///
/// A new ssh connection costs about 200 ms, most of a small sync; so the second one uses the first.
pub struct Transport {
    folder: tempfile::TempDir,
}

/// What a push came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The branch is at the pushed commit.
    Done,
    /// The branch was not where the lease expected it: somebody was faster. Nothing was changed.
    LeaseLost,
}

impl Transport {
    /// Prepares a transport.
    ///
    /// # Errors
    /// Fails where no temporary folder can be made.
    pub fn new() -> Result<Transport> {
        let folder = folder_for_sockets().map_err(|error| {
            Problem::permanent("no-temporary-folder", "cannot make a temporary folder")
                .because(error)
        })?;
        Ok(Transport { folder })
    }

    /// Fetches `refspecs` from `address` into the bare repository at `folder`.
    ///
    /// # Errors
    /// Refusals where repository or branch is not there; problems, temporary or not, for the rest.
    pub async fn fetch(
        &self,
        folder: &Path,
        address: &RepositoryAddress,
        refspecs: &[String],
    ) -> Result<()> {
        let git = self
            .git(folder, address)?
            .args([
                "fetch",
                "--quiet",
                "--no-tags",
                "--prune",
                "--no-write-fetch-head",
                "--no-auto-gc",
            ])
            .args(["--no-recurse-submodules", "--no-show-forced-updates", "--end-of-options"])
            .arg(address.for_git())
            .args(refspecs);
        let output = run(git).await?;
        match output.status.success() {
            true => Ok(()),
            false => Err(fetch_fault(address, &String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Returns the id of one reference at `address`, or `None` where it is not there.
    ///
    /// # Errors
    /// As [`Transport::fetch`].
    pub async fn reference(
        &self,
        folder: &Path,
        address: &RepositoryAddress,
        reference: &str,
    ) -> Result<Option<ObjectId>> {
        let git = self.git(folder, address)?.args(["ls-remote", "--end-of-options"]);
        let output = run(git.arg(address.for_git()).arg(reference)).await?;
        if !output.status.success() {
            return Err(fetch_fault(address, &String::from_utf8_lossy(&output.stderr)));
        }
        Ok(listed_reference(&String::from_utf8_lossy(&output.stdout), reference))
    }

    /// Returns the branches at `address` and their tips; with `only`, none but these. It may take `limit`.
    ///
    /// `folder` is any repository of ours: git wants to stand in one.
    ///
    /// # Errors
    /// As [`Transport::fetch`].
    pub async fn branches(
        &self,
        folder: &Path,
        address: &RepositoryAddress,
        only: &[BranchName],
        limit: Duration,
    ) -> Result<BTreeMap<BranchName, ObjectId>> {
        let git = self.git(folder, address)?.limit(limit);
        let git = git.args(["ls-remote", "--heads", "--end-of-options"]);
        let output =
            run(git.arg(address.for_git()).args(only.iter().map(BranchName::reference))).await?;
        match output.status.success() {
            true => Ok(listed_branches(&String::from_utf8_lossy(&output.stdout))),
            false => Err(fetch_fault(address, &String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Fetches the tips of branches without their history: enough to read a file of each. It may take `limit`.
    ///
    /// # Errors
    /// As [`Transport::fetch`].
    pub async fn fetch_tips(
        &self,
        folder: &Path,
        address: &RepositoryAddress,
        branches: &[BranchName],
        limit: Duration,
    ) -> Result<()> {
        let refspec = |branch: &BranchName| format!("+{0}:{0}", branch.reference());
        let git = self
            .git(folder, address)?
            .limit(limit)
            .args(["fetch", "--quiet", "--no-tags", "--depth=1", "--no-write-fetch-head"])
            .args(["--no-auto-gc", "--no-recurse-submodules", "--end-of-options"])
            .arg(address.for_git())
            .args(branches.iter().map(refspec));
        let output = run(git).await?;
        match output.status.success() {
            true => Ok(()),
            false => Err(fetch_fault(address, &String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Pushes `commit` to `branch`, which must still be at `expected`.
    ///
    /// # Errors
    /// A refusal where the server's rules forbid it; problems for the rest. A lost lease is no error.
    pub async fn push(
        &self,
        folder: &Path,
        address: &RepositoryAddress,
        branch: &BranchName,
        commit: &ObjectId,
        expected: &ObjectId,
    ) -> Result<Pushed> {
        let reference = branch.reference();
        let git = self
            .git(folder, address)?
            .args(["push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags"])
            .arg(format!("--force-with-lease={reference}:{expected}"))
            .arg("--end-of-options")
            .arg(address.for_git())
            .arg(format!("{commit}:{reference}"));
        let output = run(git).await?;
        pushed(&output, address, &reference)
    }

    fn git(&self, folder: &Path, address: &RepositoryAddress) -> Result<Invocation> {
        let control = self.folder.path().join("%C");
        let ssh = format!(
            "ssh -o BatchMode=yes -o ControlMaster=auto -o ControlPersist=20 -o ControlPath={}",
            control.display()
        );
        let ssh = std::env::var("GIT_SSH_COMMAND").unwrap_or(ssh);
        let git = Invocation::new("git")
            .limit(TRANSFER_LIMIT)
            .folder(folder)
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", "https:http:ssh:file")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_SSH_COMMAND", ssh)
            .env("GIT_DIR", folder)
            .env("GIT_CONFIG_GLOBAL", self.global_config(address)?)
            .pass_env("GIT_CONFIG_SYSTEM")
            .pass_env("GIT_CONFIG_NOSYSTEM")
            .pass_env("GIT_SSL_CAINFO")
            .args([
                "-c",
                "core.hooksPath=/dev/null",
                "-c",
                "gc.auto=0",
                "-c",
                "maintenance.auto=false",
            ])
            .args(["-c", "fetch.writeCommitGraph=false", "-c", "push.gpgSign=false"]);
        Ok(git)
    }

    /// Writes the user's configuration plus one line: the repository that was named may belong to somebody else.
    ///
    /// dist-git repositories on a server belong to a group, and git refuses those of other owners. `-c` does not reach
    /// the other end of a local transfer, a global configuration does.
    fn global_config(&self, address: &RepositoryAddress) -> Result<PathBuf> {
        let quoted = |path: &Path| {
            let path = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{path}\"")
        };
        let mut lines = String::new();
        for file in user_configs() {
            lines.push_str(&format!("[include]\n\tpath = {}\n", quoted(&file)));
        }
        if let Some(path) = address.local_path() {
            lines.push_str(&format!("[safe]\n\tdirectory = {}\n", quoted(path)));
        }
        // One file for each address, put there whole: transfers may run side by side.
        let file =
            self.folder.path().join(format!("{}.gitconfig", super::mirror::mirror_name(address)));
        put_whole(self.folder.path(), &file, lines.as_bytes()).map_err(|error| {
            Problem::temporary("no-temporary-folder", "cannot write a temporary file")
                .because(error)
        })?;
        Ok(file)
    }
}

/// Writes a file beside its place and moves it there: nobody reads half of it.
fn put_whole(folder: &Path, file: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut new, content)?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// Returns the files that git would read as the user's own configuration.
fn user_configs() -> Vec<PathBuf> {
    let variable =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = std::env::var_os("GIT_CONFIG_GLOBAL") {
        return vec![PathBuf::from(file)];
    }
    let home = variable("HOME");
    let xdg =
        variable("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    let files = [xdg.map(|xdg| xdg.join("git/config")), home.map(|home| home.join(".gitconfig"))];
    files.into_iter().flatten().filter(|file| file.is_file()).collect()
}

/// The longest path of a folder for sockets: of the 107 bytes of a socket's path ssh takes a slash, 40 for the
/// connection's hash and 17 for a name that it uses at first.
const LONGEST_SOCKET_FOLDER: usize = 107 - 1 - 40 - 17;

/// Makes a temporary folder in the usual place, or in `/tmp` where ssh could make no socket in that.
fn folder_for_sockets() -> std::io::Result<tempfile::TempDir> {
    let make = |place: &Path| tempfile::Builder::new().prefix("lk-").tempdir_in(place);
    let usual = make(&tempfile::env::temp_dir())?;
    match fits_socket(usual.path()) {
        true => Ok(usual),
        false => Ok(make(Path::new("/tmp")).unwrap_or(usual)),
    }
}

/// Tells whether ssh can make its sockets in a folder: a short path that neither the shell which git calls, nor
/// ssh, reads as anything but itself.
fn fits_socket(folder: &Path) -> bool {
    let path = folder.as_os_str().as_encoded_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    path.len() <= LONGEST_SOCKET_FOLDER && path.iter().all(is_plain)
}

async fn run(git: Invocation) -> Result<Output> {
    git.run().await.map_err(|error| match &error {
        ProcessError::NotStarted { .. } => {
            Problem::permanent("git-missing", "the program git could not be started")
                .hint("install git and see that it is on the PATH")
                .because(error)
                .into()
        }
        ProcessError::TimedOut { .. } => {
            Problem::temporary("git-timeout", error.to_string()).because(error).into()
        }
        ProcessError::Unreadable { .. } => {
            Problem::permanent("git-unreadable", error.to_string()).because(error).into()
        }
    })
}

/// What a line of git's stderr tells about the cause; the first that matches counts.
///
/// Each pattern was read off git 2.39 to 2.47 and OpenSSH 9 with `LC_ALL=C`.
const CAUSES: &[(&str, Cause)] = &[
    ("couldn't find remote ref", Cause::NoBranch),
    ("loose object", Cause::Damaged),
    ("hash mismatch", Cause::Damaged),
    ("bad object", Cause::Damaged),
    ("is corrupt", Cause::Damaged),
    ("missing blob", Cause::Damaged),
    ("does not appear to be a git repository", Cause::NoRepository),
    ("does not exist", Cause::NoRepository),
    ("repository not found", Cause::NoRepository),
    ("not found: did you run", Cause::NoRepository),
    ("http 404", Cause::NoRepository),
    ("error: 404", Cause::NoRepository),
    ("' not found", Cause::NoRepository),
    ("permission denied", Cause::NoAccess),
    ("authentication failed", Cause::NoAccess),
    ("could not read username", Cause::NoAccess),
    ("access denied", Cause::NoAccess),
    ("error: 401", Cause::NoAccess),
    ("error: 403", Cause::NoAccess),
    ("host key verification failed", Cause::HostKey),
    ("unable to create", Cause::Locked),
    ("could not resolve host", Cause::Unreachable),
    ("could not resolve hostname", Cause::Unreachable),
    ("connection refused", Cause::Unreachable),
    ("connection timed out", Cause::Unreachable),
    ("connection reset", Cause::Unreachable),
    ("connection closed", Cause::Unreachable),
    ("failed to connect", Cause::Unreachable),
    ("couldn't connect", Cause::Unreachable),
    ("network is unreachable", Cause::Unreachable),
    ("no route to host", Cause::Unreachable),
    ("operation timed out", Cause::Unreachable),
    ("remote end hung up", Cause::Unreachable),
    ("early eof", Cause::Unreachable),
    ("error: 5", Cause::Unreachable),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    NoBranch,
    NoRepository,
    NoAccess,
    HostKey,
    Damaged,
    Locked,
    Unreachable,
    Unknown,
}

fn cause_of(stderr: &str) -> Cause {
    let words = stderr.to_lowercase();
    let found = CAUSES.iter().find(|(pattern, _)| words.contains(pattern));
    found.map_or(Cause::Unknown, |(_, cause)| *cause)
}

fn fetch_fault(address: &RepositoryAddress, stderr: &str) -> Fault {
    let said = printable(stderr.trim(), 600);
    let words = |what: &str| format!("{what} {address}; git said: {said}");
    match cause_of(stderr) {
        Cause::NoBranch => Refusal::new("branch-missing", words("the branch is not in"))
            .hint("push the branch, or name another one")
            .into(),
        Cause::NoRepository => {
            Refusal::new("repository-missing", words("there is no repository at"))
                .hint("correct the address, or create the repository")
                .into()
        }
        Cause::Damaged => Refusal::new("object-corrupt", words("objects are damaged in"))
            .hint("run `git fsck` there")
            .into(),
        Cause::NoAccess => Problem::permanent("access-denied", words("no access to"))
            .hint("give the user that runs lockkeeper read access to it")
            .into(),
        Cause::HostKey => Problem::permanent("host-key", words("the host key was not accepted of"))
            .hint("put the right host key into known_hosts")
            .into(),
        Cause::Locked => {
            Problem::temporary("repository-locked", words("cannot write what came from")).into()
        }
        Cause::Unreachable => Problem::temporary("unreachable", words("cannot reach")).into(),
        Cause::Unknown => Problem::permanent("fetch-failed", words("cannot fetch from")).into(),
    }
}

/// Reads the id of `reference` from what `git ls-remote` printed.
fn listed_reference(stdout: &str, reference: &str) -> Option<ObjectId> {
    let lines = stdout.lines().filter_map(|line| line.split_once('\t'));
    let mut wanted = lines.filter(|(_, name)| *name == reference);
    wanted.next().and_then(|(id, _)| id.parse().ok())
}

/// Reads the branches from what `git ls-remote` printed; names that are not legal here are left out.
fn listed_branches(stdout: &str) -> BTreeMap<BranchName, ObjectId> {
    let lines = stdout.lines().filter_map(|line| line.split_once('\t'));
    let branches = lines.filter_map(|(id, name)| {
        let branch = name.strip_prefix("refs/heads/")?.parse().ok()?;
        Some((branch, id.parse().ok()?))
    });
    branches.collect()
}

/// Reads the outcome of a push from its porcelain lines: `FLAG\tFROM:TO\tSUMMARY (REASON)`.
fn pushed(output: &Output, address: &RepositoryAddress, reference: &str) -> Result<Pushed> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let to = format!(":{reference}");
    let status = stdout.lines().find_map(|line| {
        let (flag, rest) = line.split_once('\t')?;
        let (refs, summary) = rest.split_once('\t')?;
        refs.ends_with(&to).then(|| (flag.to_owned(), summary.to_owned()))
    });
    match status {
        Some((flag, _)) if flag != "!" && output.status.success() => Ok(Pushed::Done),
        Some((_, summary)) if is_lost_lease(&summary) => Ok(Pushed::LeaseLost),
        Some((_, summary)) if summary.contains("cannot lock ref") => Ok(Pushed::LeaseLost),
        Some((_, summary)) => Err(push_refused(address, reference, &summary, &stderr)),
        None => Err(push_failed(address, &stderr)),
    }
}

fn is_lost_lease(summary: &str) -> bool {
    [
        "stale info",
        "fetch first",
        "non-fast-forward",
        "reference already exists",
        "failed to update ref",
    ]
    .iter()
    .any(|reason| summary.contains(reason))
}

fn push_refused(
    address: &RepositoryAddress,
    reference: &str,
    summary: &str,
    stderr: &str,
) -> Fault {
    let said = printable(stderr.trim(), 600);
    let summary = printable(summary, 200);
    Refusal::new(
        "push-refused",
        format!("{address} did not take the push to {reference}: {summary}; it said: {said}"),
    )
    .hint("give the bot's user the right to push to this branch, or mend what the server's hook asks for")
    .into()
}

fn push_failed(address: &RepositoryAddress, stderr: &str) -> Fault {
    let said = printable(stderr.trim(), 600);
    let words = format!("cannot push to {address}; git said: {said}");
    match cause_of(stderr) {
        Cause::Unreachable | Cause::Locked => Problem::temporary("push-unreachable", words).into(),
        Cause::NoAccess => Problem::permanent("push-access-denied", words)
            .hint("give the user that runs lockkeeper write access to the dist-git repository")
            .into(),
        _ => Problem::permanent("push-failed", words).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn output(code: i32, stdout: &str, stderr: &str) -> Output {
        let status = std::process::ExitStatus::from_raw(code << 8);
        Output { status, stdout: stdout.into(), stderr: stderr.into() }
    }

    fn judge(code: i32, stdout: &str, stderr: &str) -> Result<Pushed> {
        let address = "https://forge.example/rpms/hello.git".parse().unwrap();
        pushed(&output(code, stdout, stderr), &address, "refs/heads/f44")
    }

    #[test]
    fn sockets_are_made_where_their_path_is_short_and_plain() {
        let long = format!("/tmp/{}", "x".repeat(LONGEST_SOCKET_FOLDER - 5));
        let table = [
            ("/tmp/lk-ab12cd", true),
            ("/tmp/with space/lk-ab12cd", false),
            ("/tmp/$(touch x)/lk-ab12cd", false),
            ("/tmp/%h/lk-ab12cd", false),
            (&long, true),
            (&format!("{long}x"), false),
        ];
        for (path, fits) in table {
            assert_eq!(fits_socket(Path::new(path)), fits, "{path}");
        }
    }

    #[test]
    fn porcelain_lines_of_a_push_are_understood() {
        let done = "To x\n \tabc:refs/heads/f44\tabc..def\nDone\n";
        assert_eq!(judge(0, done, "").unwrap(), Pushed::Done);
        for reason in ["(stale info)", "(fetch first)", "(failed to update ref)"] {
            let lost = format!("To x\n!\tabc:refs/heads/f44\t[rejected] {reason}\nDone\n");
            assert_eq!(judge(1, &lost, "").unwrap(), Pushed::LeaseLost, "{reason}");
        }
        let hook = "To x\n!\tabc:refs/heads/f44\t[remote rejected] (pre-receive hook declined)\n";
        let Err(Fault::Refused(refusal)) = judge(1, hook, "remote: no\u{1b}[31m") else {
            panic!("a hook's refusal is the packager's move")
        };
        assert_eq!(refusal.code.0, "push-refused");
        assert!(!refusal.message.contains('\u{1b}'));
    }

    #[test]
    fn a_server_that_is_away_is_a_temporary_problem() {
        let fault =
            judge(128, "", "ssh: connect to host x port 22: Connection refused").unwrap_err();
        assert!(
            matches!(fault, Fault::Failed(p) if p.lasting == crate::outcome::Lasting::Temporary)
        );
    }
}
