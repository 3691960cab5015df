//! A first spec for a package that has none: the core of `lockkeeper init-spec`.
//!
//! 1. `clues` looks at the tree: build system, name, version, licence, words about it;
//! 2. `licence` knows well-known licence texts, `metadata` the files of each build system;
//! 3. `words` makes a stranger's text harmless in a spec;
//! 4. `recipe` holds the commands of each build system, and `render` writes the spec.
//!
//! The draft is for a person to review: each guess stands below a comment that begins with `# Review:`. It
//! uses a distribution's macros only where they are defined, so that any rpm parses it. Everything that
//! comes from the tree is hostile: rpm runs `%(…)` the moment a spec is parsed.

mod clues;
mod licence;
mod metadata;
mod recipe;
mod render;
mod words;

use bstr::BString;

use crate::names::{PackageName, Version};
use crate::outcome::{Refusal, Result};

pub use clues::BuildSystem;

/// A source tree, seen as paths and contents.
pub trait TreeView {
    /// Returns the path of every file, `/` between components.
    fn paths(&self) -> Result<Vec<BString>>;

    /// Returns the first `limit` bytes of a file that [`TreeView::paths`] has named.
    fn read(&self, path: &[u8], limit: usize) -> Result<Vec<u8>>;
}

/// What a person says about the package; the rest is guessed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The package's name; `None`: that of the build system's files.
    pub name: Option<PackageName>,
    /// The version; `None`: that of the build system's files, else 0. The bot replaces it by the tag's.
    pub version: Option<Version>,
    /// The project's page; `None`: that of the build system's files.
    pub url: Option<String>,
}

/// A first spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The package; the file is to be `NAME.spec`.
    pub name: PackageName,
    /// What was found to build it.
    pub build_system: BuildSystem,
    /// The spec.
    pub spec: Vec<u8>,
    /// What a person is to check, a sentence each.
    pub notes: Vec<String>,
}

/// Drafts a spec from what the tree shows.
///
/// # Errors
/// `no-package-name` where neither the person nor the tree names the package, `url-unsafe` where the given
/// address cannot stand in a spec, and whatever reading the tree fails with.
pub fn draft(tree: &dyn TreeView, wishes: &Wishes) -> Result<Draft> {
    let clues = clues::find(tree)?;
    let Some(name) = wishes.name.clone().or_else(|| clues.metadata.name.clone()) else {
        return Err(Refusal::config("no-package-name", "nothing in the tree names the package")
            .hint("name it with --name")
            .into());
    };
    let url = match &wishes.url {
        Some(url) => Some(words::address(url).ok_or_else(|| unsafe_url(url))?),
        None => clues.metadata.url.clone(),
    };
    let version = wishes.version.clone().or_else(|| clues.metadata.version.clone());
    let (spec, notes) = render::spec(&clues, &name, version.as_ref(), url.as_deref());
    Ok(Draft { name, build_system: clues.build_system, spec: spec.into_bytes(), notes })
}

fn unsafe_url(url: &str) -> Refusal {
    let shown = crate::outcome::printable(url, 200);
    Refusal::config("url-unsafe", format!("{shown:?} cannot stand in a spec")).hint(
        "give an https or http address without a percent sign, a space, a brace or a password",
    )
}

#[cfg(test)]
mod tests;
