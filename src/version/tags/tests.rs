use super::super::table::rows;
use super::*;
use proptest::prelude::*;

fn tags(expression: Option<&str>, version: &str, prerelease: PrereleaseStyle) -> Tags {
    Tags {
        require: None,
        ignore: Vec::new(),
        expression: expression.map(str::to_owned),
        version: version.to_owned(),
        prerelease,
    }
}

fn package(name: &str) -> PackageName {
    name.parse().expect("a legal package name")
}

fn built_in(name: &str) -> TagRules {
    TagRules::new(&tags(None, "{version}", PrereleaseStyle::Tilde), &package(name))
        .expect("compiles")
}

/// Compares what was read with the last two columns of a table.
fn judge(read: Result<ReadTag, PassedOver>, version: &str, note: &str) -> Result<(), String> {
    match read {
        Ok(read) if read.version.as_str() == version && note == kind(&read) => Ok(()),
        Err(passed_over) if version == "-" && passed_over.why.contains(note) => Ok(()),
        other => Err(format!("wanted {version} ({note}), got {other:?}")),
    }
}

fn kind(read: &ReadTag) -> &'static str {
    if read.prerelease.is_some() { "prerelease" } else { "final" }
}

#[test]
fn tags_as_projects_write_them_are_read_without_configuration() {
    let table = rows(include_str!("../../../fixtures/versions/tags.tsv"), 4);
    assert!(table.len() >= 80, "the table has {} rows", table.len());
    let faults: Vec<_> = table
        .iter()
        .filter_map(|row| {
            let fault = judge(built_in(row[0]).read(row[1]), row[2], row[3]).err()?;
            Some(format!("{} of {}: {fault}", row[1], row[0]))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn configured_rules_read_tags_as_the_table_says() {
    let mut faults = Vec::new();
    for row in rows(include_str!("../../../fixtures/versions/expressions.tsv"), 6) {
        let expression = Some(row[0]).filter(|text| *text != "-");
        let style = match row[2] {
            "drop" => PrereleaseStyle::Drop,
            _ => PrereleaseStyle::Tilde,
        };
        let rules = TagRules::new(&tags(expression, row[1], style), &package("hello"));
        let read = rules.expect("the rules of the table compile").read(row[3]);
        faults.extend(judge(read, row[4], row[5]).err().map(|fault| format!("{row:?}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn ignored_patterns_cover_slashes_and_win_over_every_form() {
    let mut tags = tags(None, "{version}", PrereleaseStyle::Tilde);
    tags.ignore = vec!["*-test*".to_owned(), "nightly/*".to_owned(), "v9.*".to_owned()];
    let rules = TagRules::new(&tags, &package("hello")).expect("compiles");
    for tag in ["v1.0-test", "1.0-test2", "nightly/1.0", "nightly/a/1.0", "v9.1"] {
        let why = rules.read(tag).expect_err("is ignored").why;
        assert!(why.contains("ignored pattern"), "{tag}: {why}");
    }
    assert!(rules.read("v1.0").is_ok());
}

#[test]
fn rules_that_can_mean_nothing_are_the_configs_fault() {
    let cases = [
        (Some("v(?P<version>[0-9]+"), "{version}", "tags-match-invalid"),
        (Some("a)|(b"), "{version}", "tags-match-invalid"),
        (Some("(?=v)(?P<version>.*)"), "{version}", "tags-match-invalid"),
        (Some("(?P<version>(?:a{1000}){1000})"), "{version}", "tags-match-invalid"),
        (Some("v([0-9]+)"), "{version}", "tags-version-invalid"),
        (Some("v(?P<version>[0-9]+)"), "{major}", "tags-version-invalid"),
        (Some("v(?P<version>[0-9]+)"), "{version", "tags-version-invalid"),
        (Some("v(?P<version>[0-9]+)"), "version}", "tags-version-invalid"),
        (Some("v(?P<version>[0-9]+)"), "1.0", "tags-version-invalid"),
        (None, "{major}", "tags-version-invalid"),
    ];
    for (expression, version, code) in cases {
        let tags = tags(expression, version, PrereleaseStyle::Tilde);
        let refusal = TagRules::new(&tags, &package("hello")).expect_err(version);
        assert_eq!(refusal.code.0, code, "{expression:?} {version}: {refusal}");
        assert_eq!(refusal.fault_of, crate::outcome::FaultOf::Config);
    }
}

#[test]
fn a_prerelease_cannot_be_both_placed_and_dropped() {
    let tags = tags(None, "{version}.{prerelease}", PrereleaseStyle::Drop);
    let refusal = TagRules::new(&tags, &package("hello")).expect_err("contradicts itself");
    assert_eq!(refusal.code.0, "tags-contradictory");
}

#[test]
fn a_bad_ignore_pattern_is_the_configs_fault() {
    let mut tags = tags(None, "{version}", PrereleaseStyle::Tilde);
    tags.ignore = vec!["v[1".to_owned()];
    let refusal = TagRules::new(&tags, &package("hello")).expect_err("an open bracket");
    assert_eq!(refusal.code.0, "tags-ignore-invalid");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn reading_never_panics_and_gives_only_legal_versions(tag in "\\PC{0,30}", name in "[a-z][a-z0-9-]{0,6}") {
        if let Ok(read) = built_in(&name).read(&tag) {
            prop_assert!(read.version.as_str().parse::<Version>().is_ok());
        }
    }

    #[test]
    fn a_prerelease_always_sorts_below_its_release(
        numbers in "[0-9]{1,3}(\\.[0-9]{1,2}){0,3}",
        word in "-?(alpha|beta|rc|pre|RC|M)[.]?[0-9]{1,3}",
    ) {
        let rules = built_in("hello");
        let release = rules.read(&format!("v{numbers}")).expect("a release");
        let before = rules.read(&format!("v{numbers}{word}")).expect("a prerelease");
        prop_assert_eq!(before.version.rpm_cmp(&release.version), std::cmp::Ordering::Less);
    }
}
