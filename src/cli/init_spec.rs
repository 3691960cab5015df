//! `lockkeeper init-spec`: a first spec for a source-git that has none.

use std::path::{Path, PathBuf};

use bstr::{BString, ByteSlice};
use clap::Args;
use serde_json::json;

use super::secret::{must_be_new, write_new};
use super::world::working_folder;
use super::{Format, print};
use crate::config::{PrereleaseStyle, TagTrust, Tags};
use crate::git::{EntryMode, Objects, Store, Trail, Trust};
use crate::init_spec::{Draft, TreeView, Wishes, draft};
use crate::names::{ObjectId, PackageName, Version};
use crate::outcome::{Refusal, Result};
use crate::report::Exit;
use crate::version::{Candidate, TagRules, TagSignature, choose};

/// The deepest folder that is looked into; git itself goes no deeper than paths allow.
const DEEPEST: usize = 200;

/// Arguments of `init-spec`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The source repository; by default the one around the working folder.
    #[arg(long, value_name = "PATH")]
    source: Option<PathBuf>,
    /// The revision in it: a branch, a tag or a commit id.
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    rev: String,
    /// The package; by default what the tree says, else the repository's folder.
    #[arg(long, value_name = "NAME")]
    name: Option<PackageName>,
    /// The version; by default that of the release tag, else what the tree says.
    #[arg(long, value_name = "VERSION")]
    version: Option<Version>,
    /// The project's page; by default what the tree says.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where the spec goes; a file that does not exist. By default stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs `init-spec`.
pub fn run(arguments: &Arguments, format: Format) -> Exit {
    match drafted(arguments, format) {
        Ok(()) => Exit::Done,
        Err(fault) => print::fault(&fault),
    }
}

fn drafted(arguments: &Arguments, format: Format) -> Result<()> {
    arguments.output.as_deref().map_or(Ok(()), must_be_new)?;
    let folder = match &arguments.source {
        Some(path) => path.clone(),
        None => around(&working_folder()?)?,
    };
    let store = Store::open(&folder, Trust::InPlace)?;
    let objects = store.objects();
    let tip = objects.resolve(&arguments.rev)?;
    let tree = Tree { objects: &objects, files: files(&objects, &objects.commit(&tip)?.tree)? };
    let fallback = last_part(&folder);
    let mut wishes = Wishes {
        name: arguments.name.clone(),
        version: arguments.version.clone(),
        url: arguments.url.clone(),
    };
    let named = wishes.name.clone().or_else(|| fallback.clone());
    if let (None, Some(name)) = (&wishes.version, &named) {
        wishes.version = tagged_version(&objects, &tip, name)?;
    }
    let draft = draft_or_fall_back(&tree, wishes, fallback)?;
    if let Some(path) = &arguments.output {
        write_new(path, &draft.spec, 0o644)?;
    }
    say(&draft, arguments, format);
    Ok(())
}

/// Drafts with the name that the tree gives; where it gives none, with that of the repository's folder.
fn draft_or_fall_back(
    tree: &Tree<'_>,
    wishes: Wishes,
    fallback: Option<PackageName>,
) -> Result<Draft> {
    match (draft(tree, &wishes), fallback) {
        (Err(crate::outcome::Fault::Refused(refusal)), Some(name))
            if refusal.code.0 == "no-package-name" =>
        {
            draft(tree, &Wishes { name: Some(name), ..wishes })
        }
        (drafted, _) => drafted,
    }
}

/// Returns the version of the highest release tag in reach, by the rules that hold where a config says nothing.
fn tagged_version(
    objects: &Objects,
    tip: &ObjectId,
    package: &PackageName,
) -> Result<Option<Version>> {
    let tags = Tags {
        require: None,
        ignore: Vec::new(),
        expression: None,
        version: "{version}".to_owned(),
        prerelease: PrereleaseStyle::Tilde,
    };
    let rules = TagRules::new(&tags, package)?;
    let reachable = Trail::new(objects, tip).reachable(objects.tags()?)?;
    let candidates: Vec<Candidate> = reachable
        .into_iter()
        .map(|tag| Candidate {
            name: tag.name,
            object: tag.object,
            commit: tag.commit,
            seconds: tag.seconds,
        })
        .collect();
    let unasked = |_: &Candidate| TagSignature::Unsigned;
    Ok(choose(&rules, &candidates, TagTrust::Any, None, unasked)
        .ok()
        .map(|chosen| chosen.version))
}

/// Finds the repository around a folder.
fn around(folder: &Path) -> Result<PathBuf, Refusal> {
    let found = folder.ancestors().find(|folder| folder.join(".git").exists());
    found.map(Path::to_owned).ok_or_else(|| {
        let words = format!("{} lies in no git repository", folder.display());
        Refusal::config("no-repository", words).hint("name one with --source")
    })
}

fn last_part(folder: &Path) -> Option<PackageName> {
    let folder = folder.canonicalize().ok()?;
    folder.file_name()?.to_str()?.trim_end_matches(".git").parse().ok()
}

/// The files of a commit.
struct Tree<'a> {
    objects: &'a Objects,
    files: Vec<(BString, ObjectId)>,
}

impl TreeView for Tree<'_> {
    fn paths(&self) -> Result<Vec<BString>> {
        Ok(self.files.iter().map(|(path, _)| path.clone()).collect())
    }

    fn read(&self, path: &[u8], limit: usize) -> Result<Vec<u8>> {
        let found = self.files.iter().find(|(other, _)| other == path);
        let mut bytes = found.map_or(Ok(Vec::new()), |(_, id)| self.objects.blob(id))?;
        bytes.truncate(limit);
        Ok(bytes)
    }
}

/// Lists every regular file below a tree.
fn files(objects: &Objects, tree: &ObjectId) -> Result<Vec<(BString, ObjectId)>> {
    let mut files = Vec::new();
    let mut folders = vec![(BString::default(), *tree, 0)];
    while let Some((prefix, tree, depth)) = folders.pop() {
        for entry in objects.tree(&tree)? {
            let path: BString = [prefix.as_bytes(), entry.name.as_bytes()].concat().into();
            match entry.mode {
                EntryMode::File | EntryMode::Executable => files.push((path, entry.id)),
                EntryMode::Tree if depth < DEEPEST => {
                    folders.push(([&path[..], b"/"].concat().into(), entry.id, depth + 1));
                }
                EntryMode::Tree | EntryMode::Symlink | EntryMode::Submodule => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Prints the spec where it went nowhere else, and what is to be done about it.
fn say(draft: &Draft, arguments: &Arguments, format: Format) {
    let spec = String::from_utf8_lossy(&draft.spec);
    let next = next_steps(draft, arguments.output.as_deref());
    match (format, &arguments.output) {
        (Format::Json, output) => {
            let object = json!({
                "package": draft.name,
                "build_system": format!("{:?}", draft.build_system).to_lowercase(),
                "output": output,
                "spec": spec,
                "review": draft.notes,
            });
            print::to_stdout(&format!("{object:#}\n"));
        }
        (Format::Text, Some(path)) => {
            print::to_stdout(&format!("wrote {}\n{next}", path.display()));
        }
        (Format::Text, None) => {
            print::to_stdout(&spec);
            print::to_stderr(&next);
        }
    }
}

fn next_steps(draft: &Draft, output: Option<&Path>) -> String {
    let mut words = String::new();
    for note in &draft.notes {
        words.push_str(&format!("  review   {note}\n"));
    }
    let file = format!("{}.spec", draft.name);
    let file = output.map_or(file, |path| path.display().to_string());
    words.push_str(&format!(
        "  next     read the lines marked `# Review:` and mend them (`rpmspec -P {file}` shows what rpm reads)\n  \
         next     commit it as .distro/{name}.spec to the source branch; fix-ups are ordinary commits\n  \
         next     commit a source-git.yaml to the dist-git branch, then `lockkeeper preview` shows what would land\n",
        name = draft.name
    ));
    words
}
