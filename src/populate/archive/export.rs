//! A file's content as the archive holds it.

use std::borrow::Cow;

use bstr::{BStr, ByteSlice};

use super::subst::{self, Describe, Unexpanded};
use super::walk::Treatment;
use crate::git::Commit;
use crate::names::ObjectId;
use crate::outcome::{Fault, Refusal, Result, printable};

/// Larger files go into an archive unconverted (git's `core.bigFileThreshold`), unless `export-subst` is set.
const BIG_FILE: usize = 512 * 1024 * 1024;

/// What became of a blob.
#[derive(Debug)]
pub(super) struct Exported<'a> {
    pub(super) content: Cow<'a, [u8]>,
    /// Whether a `$Format` placeholder was met that git would fill from refs.
    pub(super) names_refs: bool,
    pub(super) describe: Describe,
}

/// Treats the blob `id`, found at `path`.
///
/// # Errors
/// Refuses `$Format` placeholders without a fixed answer (`export-subst-unsupported`).
pub(super) fn exported<'a>(
    commit: &Commit,
    path: &BStr,
    id: &ObjectId,
    treatment: Treatment,
    blob: &'a [u8],
) -> Result<Exported<'a>> {
    let plain = |content| Exported { content, names_refs: false, describe: Describe::Left };
    let Some(describe) = treatment.subst else {
        return Ok(plain(match blob.len() > BIG_FILE {
            true => Cow::Borrowed(blob),
            false => treatment.conversion.apply(id, blob),
        }));
    };
    let converted = treatment.conversion.apply(id, blob);
    if !converted.contains_str("$Format:") {
        return Ok(plain(converted));
    }
    let expanded = subst::expand(commit, &converted, describe);
    let expanded = expanded.map_err(|why| refused(path, &why))?;
    let content = match expanded.content == *converted {
        true => converted,
        false => Cow::Owned(expanded.content),
    };
    Ok(Exported { content, names_refs: expanded.names_refs, describe: expanded.describe })
}

fn refused(path: &BStr, why: &Unexpanded) -> Fault {
    let words = match why {
        Unexpanded::NoFixedAnswer { placeholder } => format!(
            "uses `{placeholder}` in `$Format:…$`, which has no value that would be the same every time"
        ),
        Unexpanded::TooLong => {
            format!("would grow by more than {} MiB", subst::WORDS_LIMIT / 1024 / 1024)
        }
    };
    let path = printable(path, 200);
    Refusal::new("export-subst-unsupported", format!("`{path}` has export-subst set and {words}"))
        .hint("use placeholders such as %H, %cI or %s there, or take export-subst out of .gitattributes")
        .into()
}
