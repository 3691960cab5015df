//! The spec's text, from what was found. Comments are constant: rpm expands macros in them too.

use std::fmt::Write;

use super::clues::Clues;
use super::recipe::{Recipe, recipe};
use crate::names::{PackageName, Version};

/// Lists what was installed, so that a first build succeeds. What lies in a `*-packages` folder is listed
/// by its top entries, because compiled Python appears there later; man and info pages get compressed.
const LIST_FILES: &str = "\
find %{buildroot} -mindepth 1 \\( -path '*-packages/*' -prune -o -type f -o -type l \\) \\
  -printf '\"/%%P\"\\n' | sed -e 's|^\\(\"/usr/share/\\(man\\|info\\)/.*\\)\"$|\\1*\"|' | sort > %{name}.files
";

/// The spec under construction, and what a person is to check.
struct Page {
    text: String,
    notes: Vec<String>,
}

impl Page {
    fn tag(&mut self, name: &str, value: &str) {
        writeln!(self.text, "{:<16}{value}", format!("{name}:")).expect("a String takes all text");
    }

    /// Adds a comment for a person, and the same words to the notes. Constant words only.
    fn review(&mut self, words: &'static str) {
        self.text.push_str("# Review: ");
        self.text.push_str(words);
        self.text.push('\n');
        self.notes.push(words.to_owned());
    }

    fn section(&mut self, name: &str, body: &str) {
        self.text.push_str(&format!("\n%{name}\n{body}"));
    }
}

/// Writes the spec; returns it and what a person is to check.
pub(super) fn spec(
    clues: &Clues,
    name: &PackageName,
    version: Option<&Version>,
    url: Option<&str>,
) -> (String, Vec<String>) {
    let recipe = recipe(clues.build_system, clues.traits);
    let mut page = Page { text: String::new(), notes: notes(clues) };
    page.text.push_str(
        "# A first draft, made from what the source tree shows. Each guess stands below a line that\n\
         # begins with \"Review\"; remove that line when the guess is checked.\n",
    );
    head(&mut page, clues, name, version, url);
    needs(&mut page, &recipe);
    description(&mut page, clues, name);
    body(&mut page, &recipe);
    files(&mut page, clues, &recipe);
    page.section("changelog", "");
    (page.text, page.notes)
}

fn notes(clues: &Clues) -> Vec<String> {
    let mut notes = vec![format!("the build system is taken to be {}", clues.build_system)];
    if !clues.others.is_empty() {
        let others: Vec<_> = clues.others.iter().map(ToString::to_string).collect();
        notes.push(format!("files of {} are there too", others.join(", ")));
    }
    if let Some(path) = &clues.existing_spec {
        notes.push(format!("the tree has a spec already: {path}"));
    }
    if clues.left_out > 0 {
        notes.push(format!(
            "{} licence or document files have names that cannot stand in a spec, and are left out",
            clues.left_out
        ));
    }
    notes
}

fn head(
    page: &mut Page,
    clues: &Clues,
    name: &PackageName,
    version: Option<&Version>,
    url: Option<&str>,
) {
    page.tag("Name", name.as_str());
    if version.is_none() {
        page.review("the tree tells no version; publishing takes it from the release tag");
    }
    page.tag("Version", version.map_or("0", Version::as_str));
    page.tag("Release", "1%{?dist}");
    summary(page, clues, name);
    licence(page, clues);
    match url {
        Some(url) => page.tag("URL", url),
        None => page.review("add the address of the project as URL"),
    }
    page.tag("Source0", "%{name}-%{version}.tar.gz");
}

fn summary(page: &mut Page, clues: &Clues, name: &PackageName) {
    page.review("say in a few words what the package is");
    match &clues.metadata.summary {
        Some(summary) => page.tag("Summary", summary),
        None => page.tag("Summary", &format!("The {name} package")),
    }
}

fn licence(page: &mut Page, clues: &Clues) {
    let mut ids: Vec<&str> = clues.licences.iter().filter_map(|(_, id)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    page.review(
        "read the licence files and the notes in the sources; this must be an SPDX expression",
    );
    match &clues.metadata.licence {
        Some(expression) => page.tag("License", expression),
        None if ids.is_empty() => page.tag("License", "LicenseRef-Unknown"),
        None => page.tag("License", &ids.join(" AND ")),
    }
}

fn needs(page: &mut Page, recipe: &Recipe) {
    page.text.push('\n');
    if recipe.noarch {
        page.review("no machine code was found");
        page.tag("BuildArch", "noarch");
    }
    page.review(recipe.review);
    for need in &recipe.needs {
        page.tag("BuildRequires", need);
    }
}

fn description(page: &mut Page, clues: &Clues, name: &PackageName) {
    let summary = clues.metadata.summary.as_ref().map(|summary| format!("{summary}."));
    let about = clues.about.clone().or(summary);
    let about = about.unwrap_or_else(|| format!("The {name} package."));
    page.text.push('\n');
    page.review("describe the package for those who may install it");
    page.text.push_str("%description\n");
    page.text.push_str(&about);
    page.text.push('\n');
}

fn body(page: &mut Page, recipe: &Recipe) {
    page.section("prep", "%autosetup -p1 -n %{name}-%{version}\n");
    page.text.push_str(recipe.prep);
    if !recipe.more_needs.is_empty() {
        page.text.push('\n');
        page.text.push_str(recipe.more_needs);
    }
    page.section("build", &recipe.build);
    page.section("install", recipe.install);
    if !recipe.install.is_empty() {
        page.review(
            "name the files below one by one, and let directories of the package belong to it",
        );
        page.text.push_str(LIST_FILES);
    }
    if !recipe.check.is_empty() {
        page.section("check", recipe.check);
    }
}

fn files(page: &mut Page, clues: &Clues, recipe: &Recipe) {
    let from_list = if recipe.install.is_empty() { "" } else { " -f %{name}.files" };
    page.section(&format!("files{from_list}"), "");
    if clues.licences.is_empty() {
        page.review("no licence file was found");
    }
    for (path, _) in &clues.licences {
        page.text.push_str(&format!("%license {path}\n"));
    }
    for path in &clues.documents {
        page.text.push_str(&format!("%doc {path}\n"));
    }
}
