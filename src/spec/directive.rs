//! What a line of a spec is, by its first word.

/// The kinds of section that matter to an editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SectionKind {
    /// The main package's tags: all lines before the first section.
    Preamble,
    /// The tags of a subpackage; never edited.
    Subpackage,
    /// A bare list of patches.
    PatchList,
    /// A bare list of sources.
    SourceList,
    /// Where sources are unpacked and patches applied.
    Prep,
    /// The changelog.
    Changelog,
    /// Any other section.
    Other,
}

const OTHER_SECTIONS: [&str; 32] = [
    "description",
    "generate_buildrequires",
    "conf",
    "build",
    "install",
    "check",
    "clean",
    "preun",
    "postun",
    "pretrans",
    "posttrans",
    "preuntrans",
    "postuntrans",
    "pre",
    "post",
    "files",
    "triggerpostun",
    "triggerprein",
    "triggerun",
    "triggerin",
    "trigger",
    "verifyscript",
    "sepolicy",
    "policies",
    "filetriggerin",
    "filetrigger",
    "filetriggerun",
    "filetriggerpostun",
    "transfiletriggerin",
    "transfiletrigger",
    "transfiletriggerun",
    "transfiletriggerpostun",
];

/// Returns the section that a line begins; rpm takes the name at column 0 only, in any case.
pub(super) fn section(line: &str) -> Option<SectionKind> {
    let rest = line.strip_prefix('%')?;
    let word = rest.split(|c: char| c.is_ascii_whitespace()).next()?.to_ascii_lowercase();
    match word.as_str() {
        "package" => Some(SectionKind::Subpackage),
        "patchlist" => Some(SectionKind::PatchList),
        "sourcelist" => Some(SectionKind::SourceList),
        "prep" => Some(SectionKind::Prep),
        "changelog" => Some(SectionKind::Changelog),
        other => OTHER_SECTIONS.contains(&other).then_some(SectionKind::Other),
    }
}

/// A conditional, or `%include`, with the text after its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive<'t> {
    /// `%if` and an expression.
    If(&'t str),
    /// `%elif` and an expression.
    ElseIf(&'t str),
    /// `%ifos`, `%ifarch`, `%ifnos`, `%ifnarch`.
    IfMachine(MachineTest<'t>),
    /// `%elifos`, `%elifarch`.
    ElseIfMachine(MachineTest<'t>),
    /// `%else`.
    Else,
    /// `%endif`.
    EndIf,
    /// `%include` of another file.
    Include,
}

/// What a test of the machine asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MachineTest<'t> {
    /// It asks for the operating system, not the processor.
    pub system: bool,
    /// It is true where none of the names fits.
    pub negated: bool,
    /// The names.
    pub names: &'t str,
}

/// Reads a line as a conditional; spaces before it do not matter.
pub(super) fn directive(line: &str) -> Option<Directive<'_>> {
    let rest = line.trim_start().strip_prefix('%')?;
    let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (word, rest) = rest.split_at(length);
    let machine = |system, negated| MachineTest { system, negated, names: rest.trim() };
    Some(match word {
        "if" => Directive::If(rest),
        "elif" => Directive::ElseIf(rest),
        "ifarch" => Directive::IfMachine(machine(false, false)),
        "ifnarch" => Directive::IfMachine(machine(false, true)),
        "ifos" => Directive::IfMachine(machine(true, false)),
        "ifnos" => Directive::IfMachine(machine(true, true)),
        "elifarch" => Directive::ElseIfMachine(machine(false, false)),
        "elifos" => Directive::ElseIfMachine(machine(true, false)),
        "else" => Directive::Else,
        "endif" => Directive::EndIf,
        "include" => Directive::Include,
        _ => return None,
    })
}

/// The tags of the main package that matter to an editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum TagKind {
    Name,
    Version,
    Release,
    Epoch,
    Url,
    Source,
    Patch,
    /// Another tag.
    Other,
}

impl TagKind {
    /// Returns the macro that the tag defines.
    pub fn macro_name(self) -> Option<&'static str> {
        match self {
            TagKind::Name => Some("name"),
            TagKind::Version => Some("version"),
            TagKind::Release => Some("release"),
            TagKind::Epoch => Some("epoch"),
            TagKind::Url => Some("url"),
            TagKind::Source | TagKind::Patch | TagKind::Other => None,
        }
    }
}

/// A line read as a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TagLine<'t> {
    /// Which tag.
    pub kind: TagKind,
    /// The number after `Source` or `Patch`.
    pub number: Option<u32>,
    /// The value, trimmed.
    pub value: &'t [u8],
    /// Where the value begins in the line.
    pub at: usize,
}

/// Reads a line as a tag: the name at column 0 in any case, spaces, a colon, the value.
pub(super) fn tag(line: &[u8]) -> Option<TagLine<'_>> {
    let length = line.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    let (word, rest) = line.split_at(length);
    let spaces = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
    if length == 0 || rest.get(spaces) != Some(&b':') {
        return None;
    }
    let word = std::str::from_utf8(word).ok()?.to_ascii_lowercase();
    let (kind, number) = match word.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "name" => (TagKind::Name, None),
        "version" => (TagKind::Version, None),
        "release" => (TagKind::Release, None),
        "epoch" => (TagKind::Epoch, None),
        "url" => (TagKind::Url, None),
        "source" => (TagKind::Source, word["source".len()..].parse().ok()),
        "patch" => (TagKind::Patch, word["patch".len()..].parse().ok()),
        _ => (TagKind::Other, None),
    };
    let after_colon = length + spaces + 1;
    let value = &line[after_colon..];
    let leading = value.iter().take_while(|b| b.is_ascii_whitespace()).count();
    Some(TagLine { kind, number, value: value.trim_ascii(), at: after_colon + leading })
}

/// Returns the macro's name, where a line of `%prep` begins with one that unpacks or patches.
pub(super) fn step(text: &[u8]) -> Option<String> {
    let rest = text.strip_prefix(b"%")?;
    let name: String = rest
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
        .map(|b| char::from(*b))
        .collect();
    let known = ["setup", "autosetup", "forgesetup", "forgeautosetup", "autopatch"];
    let patches =
        name.strip_prefix("patch").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    (known.contains(&name.as_str()) || patches).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_rpm_reads_them() {
        let table = [
            ("Version: 1.0", Some((TagKind::Version, None, "1.0", 9))),
            ("version  :\t1.0  ", Some((TagKind::Version, None, "1.0", 11))),
            ("PATCH12:a.patch", Some((TagKind::Patch, Some(12), "a.patch", 8))),
            ("Source: x", Some((TagKind::Source, None, "x", 8))),
            (" Version: 1.0", None),
            ("Version 1.0", None),
            ("Requires(post): x", None),
        ];
        for (line, expected) in table {
            let found = tag(line.as_bytes());
            let found =
                found.map(|t| (t.kind, t.number, std::str::from_utf8(t.value).unwrap(), t.at));
            assert_eq!(found, expected, "{line:?}");
        }
    }

    #[test]
    fn sections_and_directives_have_their_places() {
        assert_eq!(section("%Prep"), Some(SectionKind::Prep));
        assert_eq!(section(" %prep"), None);
        assert_eq!(section("%prepare"), None);
        assert_eq!(section("%changelog\t"), Some(SectionKind::Changelog));
        assert_eq!(directive("  %if 1"), Some(Directive::If(" 1")));
        assert_eq!(directive("%endif # x"), Some(Directive::EndIf));
        assert_eq!(directive("%iffy"), None);
    }
}
