//! Patches that people keep in the spec by hand: packaging, applied before ours.

use std::collections::BTreeMap;

use crate::git::Objects;
use crate::names::FileName;
use crate::observe::DistGit;
use crate::outcome::{Refusal, Result, printable};
use crate::populate::copied::CopiedFile;
use crate::spec::{Origin, ReadAs, SpecFile};

/// A patch that people keep in the spec by hand: packaging.
#[derive(Debug, Clone)]
pub struct PatchByHand {
    /// Its file.
    pub file: FileName,
    /// Its text.
    pub content: CopiedFile,
}

/// Finds the files of the patches that the spec lists outside our markers, in their order.
///
/// # Errors
/// Refuses a patch whose file is neither under a packaging path nor in dist-git.
pub fn patches_by_hand(
    spec: &SpecFile,
    copied: &BTreeMap<String, CopiedFile>,
    dist_git_objects: &Objects,
    dist_git: &DistGit,
) -> Result<Vec<PatchByHand>> {
    let mut found = Vec::new();
    for patch in spec.patches() {
        if patch.origin == Origin::Ours || patch.read_as == ReadAs::Inactive {
            continue;
        }
        let Some(file) = patch.file.as_ref().and_then(|file| file.parse::<FileName>().ok()) else {
            let words = format!(
                "line {} of the spec lists the patch {:?}",
                patch.line,
                printable(&patch.raw, 200)
            );
            return Err(Refusal::new(
                "patch-by-hand-unknown",
                format!("{words}, whose file cannot be told"),
            )
            .hint("write the patch's file name as plain text")
            .into());
        };
        let content = match copied.get(file.as_str()) {
            Some(content) => content.clone(),
            None => from_dist_git(&file, patch.line, dist_git_objects, dist_git)?,
        };
        found.push(PatchByHand { file, content });
    }
    Ok(found)
}

fn from_dist_git(
    file: &FileName,
    line: usize,
    objects: &Objects,
    dist_git: &DistGit,
) -> Result<CopiedFile> {
    match objects.entry_at(&dist_git.tip.tree, file.as_str())? {
        Some(entry) => Ok(CopiedFile { mode: entry.mode, content: objects.blob(&entry.id)? }),
        None => Err(Refusal::new(
            "patch-by-hand-missing",
            format!(
                "line {line} of the spec lists the patch {file}, which is neither under a packaging path nor in \
                 dist-git"
            ),
        )
        .hint("commit the patch under a packaging path, or remove its line from the spec")
        .into()),
    }
}
