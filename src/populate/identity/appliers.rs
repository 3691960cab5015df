//! What each way of applying patches in a spec can carry.
//!
//! `%autosetup -S NAME` runs, for each patch (rpm 4.18, `/usr/lib/rpm/macros`): `patch`, `gendiff`, `quilt` and
//! `bzr` GNU patch; `git` `git apply --index --reject`; `git_am` `git am --reject` without `--keep-cr`.
//! Found by running them (GNU patch 2.7.6, git 2.47), and held by the tests:
//!
//! | change | GNU patch | `git apply` | `git am` |
//! |---|---|---|---|
//! | text, modes, links, empty files, quoted names | yes | yes | yes |
//! | binary content | no | yes | yes |
//! | a file where a folder was, or the reverse, in one patch | no | yes | yes |
//! | a line that ends in a carriage return | yes | yes | no: stripped, or fails |
//! | a patch that is no mail | yes | yes | no |

use std::collections::BTreeSet;
use std::fmt;

use bstr::{BString, ByteSlice};

use crate::names::FileName;
use crate::populate::apply::parse::{Content, FilePatch, Kind, parse};

/// How the spec's `%prep` applies its patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applier {
    /// GNU patch: `%autosetup -p1`, `%autopatch` after `%setup`, `%patch`.
    Patch,
    /// GNU patch with a backup of each file: `-S gendiff`.
    Gendiff,
    /// GNU patch through quilt: `-S quilt`.
    Quilt,
    /// GNU patch and a commit: `-S bzr`.
    Bzr,
    /// `git apply`: `-S git`.
    Git,
    /// `git am`: `-S git_am`.
    GitAm,
}

impl Applier {
    /// Returns the applier that `%autosetup -S NAME` means, where its behaviour is known here.
    pub fn from_scm(name: &str) -> Option<Applier> {
        match name {
            "patch" => Some(Applier::Patch),
            "gendiff" => Some(Applier::Gendiff),
            "quilt" => Some(Applier::Quilt),
            "bzr" => Some(Applier::Bzr),
            "git" => Some(Applier::Git),
            "git_am" => Some(Applier::GitAm),
            _ => None,
        }
    }

    fn is_gnu_patch(self) -> bool {
        match self {
            Applier::Patch | Applier::Gendiff | Applier::Quilt | Applier::Bzr => true,
            Applier::Git | Applier::GitAm => false,
        }
    }
}

impl fmt::Display for Applier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Applier::Patch => "%autosetup -p1",
            Applier::Gendiff => "%autosetup -p1 -S gendiff",
            Applier::Quilt => "%autosetup -p1 -S quilt",
            Applier::Bzr => "%autosetup -p1 -S bzr",
            Applier::Git => "%autosetup -p1 -S git",
            Applier::GitAm => "%autosetup -p1 -S git_am",
        })
    }
}

/// Why an applier cannot carry a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApplierCause {
    /// GNU patch does not read binary patches.
    Binary,
    /// GNU patch deletes late: a file and a folder of one name are in each other's way.
    FileAndFolder,
    /// `git am` strips carriage returns at line ends.
    CarriageReturn,
    /// `git am` takes mails only.
    NoMail,
}

impl fmt::Display for ApplierCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ApplierCause::Binary => "GNU patch cannot take binary content",
            ApplierCause::FileAndFolder => {
                "GNU patch cannot put a file where a folder was, or a folder where a file was"
            }
            ApplierCause::CarriageReturn => "git am strips carriage returns from line ends",
            ApplierCause::NoMail => "git am takes a mail with headers, and this is a bare diff",
        })
    }
}

/// A patch that the spec's applier cannot carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplierFault {
    /// The patch.
    pub patch: FileName,
    /// The file in it; empty where it is about the patch as a whole.
    pub path: BString,
    /// What is in the way.
    pub cause: ApplierCause,
    /// The appliers that can carry the whole series.
    pub would_work: Vec<Applier>,
}

/// Returns what in these patches the applier cannot carry, in their order.
///
/// A patch that is malformed is not judged here: [`crate::populate::apply::series`] refuses it.
pub fn applier_faults(patches: &[(&FileName, &[u8])], applier: Applier) -> Vec<ApplierFault> {
    let parsed = patches.iter().map(|(name, bytes)| {
        (
            *name,
            Judged { files: parse(bytes).unwrap_or_default(), is_mail: is_mail(bytes) },
        )
    });
    let parsed: Vec<(&FileName, Judged<'_>)> = parsed.collect();
    let carries_all =
        |applier: &Applier| parsed.iter().all(|(_, patch)| patch.faults(*applier).is_empty());
    let candidates = [Applier::Patch, Applier::Git, Applier::GitAm];
    let would_work: Vec<Applier> = candidates.into_iter().filter(carries_all).collect();
    let faults = parsed.iter().flat_map(|(name, patch)| {
        let of_patch = patch.faults(applier).into_iter();
        of_patch.map(|(path, cause)| ApplierFault {
            patch: (*name).clone(),
            path,
            cause,
            would_work: would_work.clone(),
        })
    });
    faults.collect()
}

/// A patch as far as appliers differ about it.
struct Judged<'p> {
    files: Vec<FilePatch<'p>>,
    is_mail: bool,
}

impl Judged<'_> {
    fn faults(&self, applier: Applier) -> Vec<(BString, ApplierCause)> {
        match applier {
            applier if applier.is_gnu_patch() => self.gnu_patch_faults(),
            Applier::GitAm => self.git_am_faults(),
            _ => Vec::new(),
        }
    }

    fn gnu_patch_faults(&self) -> Vec<(BString, ApplierCause)> {
        let mut faults = Vec::new();
        let (created, deleted) = (self.paths_of(&Kind::Create), self.paths_of(&Kind::Delete));
        for file in &self.files {
            if matches!(file.content, Content::Binary(_) | Content::BinaryUnknown) {
                faults.push((file.path.clone(), ApplierCause::Binary));
            }
            let others = match file.kind {
                Kind::Create => &deleted,
                Kind::Delete => &created,
                Kind::Modify | Kind::Rename { .. } | Kind::Copy { .. } => continue,
            };
            if has_below(others, &file.path) {
                faults.push((file.path.clone(), ApplierCause::FileAndFolder));
            }
        }
        faults
    }

    fn paths_of(&self, kind: &Kind) -> BTreeSet<&BString> {
        self.files.iter().filter(|file| file.kind == *kind).map(|file| &file.path).collect()
    }

    fn git_am_faults(&self) -> Vec<(BString, ApplierCause)> {
        let with_returns = self.files.iter().filter(|file| has_carriage_return(file));
        let returns = with_returns.map(|file| (file.path.clone(), ApplierCause::CarriageReturn));
        let bare = (!self.is_mail).then(|| (BString::default(), ApplierCause::NoMail));
        bare.into_iter().chain(returns).collect()
    }
}

/// Tells whether one of the paths lies below `folder`.
fn has_below(paths: &BTreeSet<&BString>, folder: &BString) -> bool {
    let start = BString::from([&folder[..], b"/"].concat());
    paths.range::<BString, _>(&start..).next().is_some_and(|path| path.starts_with(&start))
}

fn has_carriage_return(file: &FilePatch<'_>) -> bool {
    let Content::Hunks(hunks) = &file.content else { return false };
    let mut lines = hunks.iter().flat_map(|hunk| hunk.old.iter().chain(&hunk.new));
    lines.any(|line| line.trim_end_with(|c| c == '\n').ends_with(b"\r"))
}

/// Tells whether `git am` finds a mail here: a `From` line, or headers and nothing else above a blank line.
fn is_mail(patch: &[u8]) -> bool {
    let known = [&b"From "[..], b"From: ", b"# HG changeset patch"];
    if known.iter().any(|start| patch.starts_with(start)) {
        return true;
    }
    let head = patch.lines().take_while(|line| !line.trim().is_empty());
    let is_header = |line: &[u8]| {
        let name = line.split_str(":").next().unwrap_or_default();
        let is_name = !name.is_empty() && name.iter().all(|byte| matches!(byte, b'!'..=b'~'));
        (is_name && name.len() < line.len()) || line.starts_with(b" ") || line.starts_with(b"\t")
    };
    let mut count = 0;
    let all = head.inspect(|_| count += 1).all(is_header);
    all && count > 0
}
