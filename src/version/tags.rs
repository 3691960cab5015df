//! What one tag says: a version and whether it is a prerelease, or why it is passed over.

use globset::{GlobBuilder, GlobMatcher};
use regex::{Captures, Regex, RegexBuilder};

use super::forms::{self, Shape};
use crate::config::{PrereleaseStyle, Tags};
use crate::names::{PackageName, Version};
use crate::outcome::{Refusal, printable};

/// How many bytes a compiled `tags.match` may take; a larger one is refused as a config error.
const EXPRESSION_LIMIT: usize = 1 << 20;

/// The rules of one branch for reading tags, compiled.
#[derive(Debug, Clone)]
pub struct TagRules {
    ignore: Vec<(String, GlobMatcher)>,
    form: Form,
    template: Template,
    style: PrereleaseStyle,
}

#[derive(Debug, Clone)]
enum Form {
    /// The shapes that most projects use, for this package.
    BuiltIn { package: String },
    /// The branch's own expression, which the whole tag must match.
    Expression { written: String, regex: Regex },
}

/// What a tag gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTag {
    /// The version, legal for rpm.
    pub version: Version,
    /// The part that names a release candidate or the like (`rc2`), whatever the version shows of it.
    pub prerelease: Option<String>,
}

/// Why a tag is not a release, as the rest of a sentence that begins with the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Such as `matches the ignored pattern "nightly/*"`.
    pub why: String,
}

impl PassedOver {
    /// Returns the reason `why`.
    pub(super) fn new(why: impl Into<String>) -> PassedOver {
        PassedOver { why: why.into() }
    }
}

impl TagRules {
    /// Compiles the `tags` part of a branch config for this package.
    ///
    /// # Errors
    /// A pattern, an expression or a template that cannot mean anything is the config's fault.
    pub fn new(tags: &Tags, package: &PackageName) -> Result<TagRules, Refusal> {
        let form = match &tags.expression {
            None => Form::BuiltIn { package: package.as_str().to_owned() },
            Some(written) => {
                Form::Expression { written: written.clone(), regex: whole_tag(written)? }
            }
        };
        let template = Template::parse(&tags.version, &form.group_names())?;
        if tags.prerelease == PrereleaseStyle::Drop && template.uses("prerelease") {
            return Err(Refusal::config(
                "tags-contradictory",
                "tags.version places {prerelease}, and tags.prerelease says to drop it",
            )
            .hint("take {prerelease} out of tags.version, or set tags.prerelease to tilde"));
        }
        let ignore = tags.ignore.iter().map(|glob| ignored(glob)).collect::<Result<_, _>>()?;
        Ok(TagRules { ignore, form, template, style: tags.prerelease })
    }

    /// Reads a tag.
    ///
    /// # Errors
    /// Says why the tag is no release of this package.
    pub fn read(&self, tag: &str) -> Result<ReadTag, PassedOver> {
        if let Some((written, _)) = self.ignore.iter().find(|(_, glob)| glob.is_match(tag)) {
            return Err(PassedOver::new(format!(
                "matches the ignored pattern {:?}",
                printable(written, 80)
            )));
        }
        let groups = self.form.groups(tag)?;
        let prerelease = groups("prerelease").map(|text| normal_prerelease(&text));
        let prerelease = prerelease.filter(|text| !text.is_empty());
        let text = self.version_text(&*groups, prerelease.as_deref());
        let version = text.parse::<Version>().map_err(|error| {
            PassedOver::new(format!(
                "gives {:?}, which {} and so is no version for rpm",
                printable(&text, 80),
                error.why
            ))
        })?;
        Ok(ReadTag { version, prerelease })
    }

    fn version_text(&self, groups: &Groups<'_>, prerelease: Option<&str>) -> String {
        let text = self.template.fill(groups);
        let placed_by_hand = self.template.uses("prerelease");
        match (prerelease, self.style) {
            (Some(part), PrereleaseStyle::Tilde) if !placed_by_hand => format!("{text}~{part}"),
            _ => text,
        }
    }
}

/// Looks up a named group; `None` where it took no part in the match.
type Groups<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl Form {
    fn group_names(&self) -> Vec<&str> {
        match self {
            Form::BuiltIn { .. } => vec!["version", "prerelease"],
            Form::Expression { regex, .. } => regex.capture_names().flatten().collect(),
        }
    }

    fn groups<'t>(&self, tag: &'t str) -> Result<Box<Groups<'t>>, PassedOver> {
        match self {
            Form::BuiltIn { package } => {
                let Shape { version, prerelease } = forms::read(tag, package)?;
                Ok(Box::new(move |name| match name {
                    "version" => Some(version.clone()),
                    "prerelease" => prerelease.clone(),
                    _ => None,
                }))
            }
            Form::Expression { written, regex } => match regex.captures(tag) {
                Some(captures) => Ok(Box::new(move |name| group(&captures, name))),
                None => Err(PassedOver::new(format!(
                    "does not match {:?} in full",
                    printable(written, 120)
                ))),
            },
        }
    }
}

fn group(captures: &Captures<'_>, name: &str) -> Option<String> {
    captures.name(name).map(|found| found.as_str().to_owned())
}

/// Compiles an expression so that it must match a whole tag, whatever anchors it has itself.
///
/// It is compiled alone first, so that `a)|(b` cannot close the group that is put around it. The line feed
/// of the second try ends a comment, which an expression in the `(?x)` style may finish with.
fn whole_tag(written: &str) -> Result<Regex, Refusal> {
    let compile = |text: &str| RegexBuilder::new(text).size_limit(EXPRESSION_LIMIT).build();
    compile(written)
        .and_then(|_| compile(&format!(r"\A(?:{written})\z")))
        .or_else(|error| match error {
            regex::Error::Syntax(_) if compile(written).is_ok() => {
                compile(&format!("\\A(?:{written}\n)\\z"))
            }
            error => Err(error),
        })
        .map_err(|error| {
            Refusal::config("tags-match-invalid", format!("tags.match cannot be used: {error}"))
                .hint("write it in the syntax of the Rust regex crate; it has no look-around")
        })
}

fn ignored(glob: &str) -> Result<(String, GlobMatcher), Refusal> {
    let compiled = GlobBuilder::new(glob).literal_separator(false).build().map_err(|error| {
        Refusal::config("tags-ignore-invalid", format!("tags.ignore cannot be used: {error}"))
    })?;
    Ok((glob.to_owned(), compiled.compile_matcher()))
}

/// Returns the text after the tilde: lower case, with `-` and `_` as dots and none at its ends.
///
/// Case would count for rpm (`RC2` sorts below `rc1`), and a dash is not legal in a version.
fn normal_prerelease(text: &str) -> String {
    let dotted = text.to_ascii_lowercase().replace(['-', '_'], ".");
    let parts = dotted.split('.').filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(".").trim_start_matches(['~', '^', '+']).to_owned()
}

/// `tags.version`: literal text and named groups in braces.
#[derive(Debug, Clone)]
struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Group(String),
}

impl Template {
    fn parse(written: &str, known: &[&str]) -> Result<Template, Refusal> {
        let refuse = |what: String| {
            let groups = known.join(", ");
            let message = format!("tags.version {:?} {what}", printable(written, 120));
            Refusal::config("tags-version-invalid", message)
                .hint(format!("the named groups of tags.match are: {groups}"))
        };
        let mut parts = Vec::new();
        let mut rest = written;
        while let Some(at) = rest.find(['{', '}']) {
            parts.push(Part::Literal(rest[..at].to_owned()));
            let group = rest[at..].strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let (name, after) = group.ok_or_else(|| refuse("has a brace alone".to_owned()))?;
            if !known.contains(&name) {
                return Err(refuse(format!("names an unknown group {:?}", printable(name, 60))));
            }
            parts.push(Part::Group(name.to_owned()));
            rest = after;
        }
        parts.push(Part::Literal(rest.to_owned()));
        if !parts.iter().any(|part| matches!(part, Part::Group(_))) {
            return Err(refuse("names no group, so each tag would give one version".to_owned()));
        }
        Ok(Template { parts })
    }

    fn uses(&self, name: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Group(group) if group == name))
    }

    fn fill(&self, groups: &Groups<'_>) -> String {
        let text = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Group(name) => groups(name).unwrap_or_default(),
        };
        self.parts.iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests;
