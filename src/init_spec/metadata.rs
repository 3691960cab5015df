//! What the build system's own files say of the package.
//!
//! These are glances, not parsers: a field in an unusual place is not found, and a person fills it in.

use std::sync::LazyLock;

use regex::Regex;

use super::clues::BuildSystem;
use super::words;
use crate::names::{PackageName, Version};

/// What was found; each value can stand in a spec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub name: Option<PackageName>,
    pub version: Option<Version>,
    pub summary: Option<String>,
    pub licence: Option<String>,
    pub url: Option<String>,
}

/// Reads the file of a build system.
pub(super) fn read(build_system: BuildSystem, text: &str) -> Metadata {
    match build_system {
        BuildSystem::Cargo => cargo(text),
        BuildSystem::Pyproject => pyproject(text),
        BuildSystem::Meson => meson(text),
        BuildSystem::Cmake => cmake(text),
        BuildSystem::Autotools => autoconf(text),
        BuildSystem::Go => go(text),
        BuildSystem::Make | BuildSystem::None => Metadata::default(),
    }
}

/// Raw values, checked on the way to [`Metadata`].
#[derive(Default)]
struct Raw {
    name: Option<String>,
    version: Option<String>,
    summary: Option<String>,
    licence: Option<String>,
    url: Option<String>,
}

impl Raw {
    fn checked(self) -> Metadata {
        Metadata {
            name: self.name.and_then(|name| name.trim().parse().ok()),
            version: self.version.and_then(|version| version.trim().parse().ok()),
            summary: self.summary.and_then(|text| words::summary(&text)),
            licence: self.licence.and_then(|text| words::licence_expression(&text)),
            url: self.url.and_then(|url| words::address(&url)),
        }
    }
}

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant expression, compiled by the tests")
}

fn first(pattern: &Regex, text: &str) -> Option<String> {
    pattern.captures(text)?.get(1).map(|found| found.as_str().to_owned())
}

static TOML_FIELD: LazyLock<Regex> =
    LazyLock::new(|| compiled(r#"^\s*"?([A-Za-z-]+)"?\s*=\s*(?:"([^"]*)"|'([^']*)')"#));

/// Returns a text field of a TOML table, written as `key = "value"` on one line.
fn toml(text: &str, table: &str, key: &str) -> Option<String> {
    let header = format!("[{table}]");
    let inside = text.lines().skip_while(|line| line.trim() != header).skip(1);
    let inside = inside.take_while(|line| !line.trim_start().starts_with('['));
    let field = inside
        .filter_map(|line| TOML_FIELD.captures(line))
        .find(|field| field[1].eq_ignore_ascii_case(key))?;
    field.get(2).or(field.get(3)).map(|value| value.as_str().to_owned())
}

fn cargo(text: &str) -> Metadata {
    let field = |key| toml(text, "package", key).or_else(|| toml(text, "workspace.package", key));
    Raw {
        name: field("name"),
        version: field("version"),
        summary: field("description"),
        licence: field("license"),
        url: field("homepage").or_else(|| field("repository")),
    }
    .checked()
}

fn pyproject(text: &str) -> Metadata {
    let field = |key| toml(text, "project", key).or_else(|| toml(text, "tool.poetry", key));
    let url = |key| toml(text, "project.urls", key);
    Raw {
        name: field("name"),
        version: field("version"),
        summary: field("description"),
        licence: field("license"),
        url: url("homepage").or_else(|| url("repository")).or_else(|| field("homepage")),
    }
    .checked()
}

/// Tells whether a `pyproject.toml` builds something, and does not only configure a linter.
pub(super) fn pyproject_builds(text: &str) -> bool {
    let tables = ["[build-system]", "[project]", "[tool.poetry]"];
    text.lines().any(|line| tables.contains(&line.trim()))
}

static MESON: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?m)^[ \t]*project[ \t]*\("));
static MESON_NAME: LazyLock<Regex> = LazyLock::new(|| compiled(r"^\s*'([^'\n]*)'"));
static MESON_VERSION: LazyLock<Regex> = LazyLock::new(|| compiled(r"\bversion\s*:\s*'([^'\n]*)'"));
static MESON_LICENCE: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"\blicense\s*:\s*\[?\s*'([^'\n]*)'"));

fn meson(text: &str) -> Metadata {
    let after = MESON.find(text).map_or("", |start| &text[start.end()..]);
    let arguments = after.split(')').next().unwrap_or_default();
    Raw {
        name: first(&MESON_NAME, arguments),
        version: first(&MESON_VERSION, arguments),
        licence: first(&MESON_LICENCE, arguments),
        ..Raw::default()
    }
    .checked()
}

static CMAKE: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?im)^[ \t]*project[ \t]*\("));
static CMAKE_NAME: LazyLock<Regex> = LazyLock::new(|| compiled(r#"^\s*"?([A-Za-z0-9._+-]+)"#));
static CMAKE_VERSION: LazyLock<Regex> =
    LazyLock::new(|| compiled(r#"\bVERSION\s+"?([0-9][^\s")]*)"#));
static CMAKE_SUMMARY: LazyLock<Regex> = LazyLock::new(|| compiled(r#"\bDESCRIPTION\s+"([^"]*)""#));
static CMAKE_URL: LazyLock<Regex> = LazyLock::new(|| compiled(r#"\bHOMEPAGE_URL\s+"([^"]*)""#));

fn cmake(text: &str) -> Metadata {
    let after = CMAKE.find(text).map_or("", |start| &text[start.end()..]);
    let arguments = after.split(')').next().unwrap_or_default();
    Raw {
        name: first(&CMAKE_NAME, arguments),
        version: first(&CMAKE_VERSION, arguments),
        summary: first(&CMAKE_SUMMARY, arguments),
        url: first(&CMAKE_URL, arguments),
        ..Raw::default()
    }
    .checked()
}

static AC_INIT: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?m)^\s*AC_INIT\s*\(([^()]{0,1000})"));

/// Reads `AC_INIT([name], [version], [bugs], [tarname], [url])`.
fn autoconf(text: &str) -> Metadata {
    let arguments = first(&AC_INIT, text).unwrap_or_default();
    let arguments: Vec<_> =
        arguments.split(',').map(|a| a.trim().trim_matches(['[', ']'])).collect();
    let argument =
        |index: usize| arguments.get(index).filter(|a| !a.is_empty()).map(|a| (*a).to_owned());
    Raw {
        name: argument(3).or_else(|| argument(0).map(|name| name.to_lowercase().replace(' ', "-"))),
        version: argument(1),
        url: argument(4),
        ..Raw::default()
    }
    .checked()
}

static GO_MODULE: LazyLock<Regex> = LazyLock::new(|| compiled(r#"(?m)^module\s+"?([^\s"]+)"#));
static GO_MAJOR: LazyLock<Regex> = LazyLock::new(|| compiled(r"/v[0-9]+$"));

fn go(text: &str) -> Metadata {
    let module = first(&GO_MODULE, text).unwrap_or_default();
    let path = GO_MAJOR.replace(&module, "").into_owned();
    let name = path.rsplit('/').next().map(str::to_owned);
    let is_address =
        path.contains('/') && path.split('/').next().is_some_and(|host| host.contains('.'));
    let url = is_address.then(|| format!("https://{path}"));
    Raw { name, url, ..Raw::default() }.checked()
}
