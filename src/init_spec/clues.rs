//! What the tree shows: files are found by their names, and only the telling ones are read.

use std::fmt;

use super::metadata::{self, Metadata};
use super::{TreeView, licence, words};
use crate::outcome::Result;

/// How much of a file is read.
const READ_LIMIT: usize = 256 * 1024;

/// How a package is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildSystem {
    /// Meson.
    Meson,
    /// CMake.
    Cmake,
    /// Autoconf and automake.
    Autotools,
    /// Python, by `pyproject.toml` or `setup.py`.
    Pyproject,
    /// Cargo.
    Cargo,
    /// Go modules.
    Go,
    /// A makefile written by hand.
    Make,
    /// None that is known.
    None,
}

impl fmt::Display for BuildSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BuildSystem::Meson => "meson",
            BuildSystem::Cmake => "cmake",
            BuildSystem::Autotools => "autotools",
            BuildSystem::Pyproject => "python pyproject",
            BuildSystem::Cargo => "cargo",
            BuildSystem::Go => "go",
            BuildSystem::Make => "plain make",
            BuildSystem::None => "no known build system",
        })
    }
}

/// The files that tell a build system, the first found is also read; in the order of preference.
const TELLING: [(BuildSystem, &[&str]); 7] = [
    (BuildSystem::Meson, &["meson.build"]),
    (BuildSystem::Cmake, &["CMakeLists.txt"]),
    (BuildSystem::Autotools, &["configure.ac", "configure.in", "configure"]),
    (BuildSystem::Pyproject, &["pyproject.toml", "setup.py"]),
    (BuildSystem::Cargo, &["Cargo.toml"]),
    (BuildSystem::Go, &["go.mod"]),
    (BuildSystem::Make, &["GNUmakefile", "makefile", "Makefile"]),
];

/// What was found.
#[derive(Debug)]
pub(super) struct Clues {
    pub build_system: BuildSystem,
    /// Other build systems whose files are there too.
    pub others: Vec<BuildSystem>,
    pub metadata: Metadata,
    /// Licence files whose names can stand in a spec, and what their texts are.
    pub licences: Vec<(String, Option<&'static str>)>,
    /// Documents at the root whose names can stand in a spec.
    pub documents: Vec<String>,
    /// Files at the root that were left out because of their names.
    pub left_out: usize,
    /// The first paragraph of the README.
    pub about: Option<String>,
    /// A spec that is there already.
    pub existing_spec: Option<String>,
    pub traits: Traits,
}

/// Answers to yes-or-no questions that recipes ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traits {
    pub has_c: bool,
    pub has_cpp: bool,
    pub has_rust: bool,
    pub has_cython: bool,
    pub has_configure: bool,
    pub uses_libtool: bool,
    pub has_go_vendor: bool,
    pub has_cargo_lock: bool,
}

/// Looks at the tree.
pub(super) fn find(tree: &dyn TreeView) -> Result<Clues> {
    let paths: Vec<Vec<u8>> = tree.paths()?.into_iter().map(Vec::from).collect();
    let (build_system, others, text) = build_system(tree, &paths)?;
    let at_root = |path: &&Vec<u8>| !path.contains(&b'/');
    let names: Vec<&str> =
        paths.iter().filter(at_root).filter_map(|path| words::plain_path(path)).collect();
    let left_out = paths.iter().filter(at_root).filter(|path| is_told(path)).count()
        - names.iter().filter(|name| is_told(name.as_bytes())).count();
    Ok(Clues {
        build_system,
        others,
        metadata: metadata::read(build_system, &text),
        licences: licences(tree, &names)?,
        documents: documents(&names),
        left_out,
        about: about(tree, &names)?,
        existing_spec: existing_spec(&paths),
        traits: traits(&paths, &text),
    })
}

/// Tells whether a file would be listed as a licence or a document.
fn is_told(path: &[u8]) -> bool {
    let name = String::from_utf8_lossy(path);
    licence::is_licence_file(&name) || is_document(&name)
}

fn text(tree: &dyn TreeView, path: &str) -> Result<String> {
    Ok(String::from_utf8_lossy(&tree.read(path.as_bytes(), READ_LIMIT)?).into_owned())
}

/// Returns the preferred build system, the others, and the text of the first one's file.
fn build_system(
    tree: &dyn TreeView,
    paths: &[Vec<u8>],
) -> Result<(BuildSystem, Vec<BuildSystem>, String)> {
    let has = |name: &str| paths.iter().any(|path| path == name.as_bytes());
    let mut found = Vec::new();
    for (build_system, names) in TELLING {
        let Some(name) = names.iter().find(|name| has(name)) else { continue };
        let text = text(tree, name)?;
        let only_configures = *name == "pyproject.toml" && !metadata::pyproject_builds(&text);
        if !only_configures || has("setup.py") {
            found.push((build_system, text));
        }
    }
    let mut found = found.into_iter();
    let (build_system, text) = found.next().unwrap_or((BuildSystem::None, String::new()));
    Ok((build_system, found.map(|(other, _)| other).collect(), text))
}

fn licences(tree: &dyn TreeView, names: &[&str]) -> Result<Vec<(String, Option<&'static str>)>> {
    let files = names.iter().filter(|name| licence::is_licence_file(name)).take(10);
    files
        .map(|name| {
            let text = tree.read(name.as_bytes(), READ_LIMIT)?;
            Ok(((*name).to_owned(), licence::recognise(&text)))
        })
        .collect()
}

fn is_document(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let begins = ["README", "NEWS", "CHANGES", "CHANGELOG", "AUTHORS"];
    begins.iter().any(|word| {
        upper
            .strip_prefix(word)
            .is_some_and(|rest| ["", ".MD", ".RST", ".TXT", ".ADOC", ".ORG"].contains(&rest))
    })
}

fn documents(names: &[&str]) -> Vec<String> {
    names.iter().filter(|name| is_document(name)).map(|name| (*name).to_owned()).collect()
}

fn about(tree: &dyn TreeView, names: &[&str]) -> Result<Option<String>> {
    let mut readmes = names.iter().filter(|name| name.to_ascii_uppercase().starts_with("README"));
    match readmes.find(|name| is_document(name)) {
        Some(name) => Ok(first_paragraph(&text(tree, name)?)),
        None => Ok(None),
    }
}

/// Returns the first paragraph that is prose: no heading, badge, list, directive or markup.
fn first_paragraph(text: &str) -> Option<String> {
    let text = text.replace("\r\n", "\n");
    let is_prose = |paragraph: &&str| {
        let start = paragraph.trim_start();
        let first = start.trim_start_matches(['*', '_', '`']).chars().next();
        let is_item = start.starts_with("* ");
        let underlined = paragraph
            .lines()
            .skip(1)
            .any(|line| !line.is_empty() && line.chars().all(|c| "=-~^\"*".contains(c)));
        first.is_some_and(char::is_alphanumeric)
            && !is_item
            && !underlined
            && start.trim().len() >= 20
    };
    let paragraph = text.split("\n\n").find(is_prose)?;
    Some(words::paragraph(&paragraph.replace(['*', '`', '[', ']'], ""))).filter(|p| !p.is_empty())
}

fn existing_spec(paths: &[Vec<u8>]) -> Option<String> {
    let places = ["", ".distro/", "packaging/", "dist/", "rpm/", "fedora/"];
    let is_spec = |path: &&Vec<u8>| {
        let path = String::from_utf8_lossy(path);
        places.iter().any(|place| {
            let name = path.strip_prefix(place).unwrap_or_default();
            name.ends_with(".spec") && !name.contains('/')
        })
    };
    let found = paths.iter().find(is_spec)?;
    Some(crate::outcome::printable(found, 100))
}

fn traits(paths: &[Vec<u8>], build_text: &str) -> Traits {
    let has_end = |ends: &[&str]| {
        paths.iter().any(|path| ends.iter().any(|end| path.ends_with(end.as_bytes())))
    };
    let has = |name: &str| paths.iter().any(|path| path == name.as_bytes());
    Traits {
        has_c: has_end(&[".c"]),
        has_cpp: has_end(&[".cpp", ".cc", ".cxx"]),
        has_rust: has_end(&[".rs"]),
        has_cython: has_end(&[".pyx"]),
        has_configure: has("configure"),
        uses_libtool: ["LT_INIT", "AC_PROG_LIBTOOL", "AM_PROG_LIBTOOL"]
            .iter()
            .any(|word| build_text.contains(word)),
        has_go_vendor: has("vendor/modules.txt"),
        has_cargo_lock: has("Cargo.lock"),
    }
}
