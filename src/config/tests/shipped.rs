//! What is shipped for people and editors: the schema, the examples and the reference agree with the code.

use std::collections::BTreeSet;
use std::path::PathBuf;

use regex::Regex;
use serde_json::Value;

use super::super::document::Document;
use super::super::unsupported::LACKING;
use super::super::{BranchConfig, ConfigFaults, schema};

fn path(below: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn read(below: &str) -> String {
    std::fs::read_to_string(path(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
}

const EXAMPLES: [&str; 5] =
    ["minimal.yaml", "full.yaml", "upstream-tarball.yaml", "container.yaml", "ssh-keys.yaml"];

fn example(name: &str) -> String {
    read(&format!("bot-config/examples/{name}"))
}

fn valid(text: &str) -> BranchConfig {
    let parsed: Result<_, ConfigFaults> = BranchConfig::parse(text.as_bytes());
    parsed.unwrap_or_else(|faults| panic!("refused:\n{faults}\nin:\n{text}"))
}

#[test]
fn the_shipped_schema_is_the_one_that_files_are_checked_against() {
    let file = path("bot-config/source-git.schema.json");
    let printed = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("REWRITE_SCHEMA").is_some() {
        std::fs::write(&file, &printed).unwrap();
    }
    let shipped = std::fs::read_to_string(&file).unwrap_or_default();
    let rewrite = "REWRITE_SCHEMA=1 cargo test --lib config::tests::shipped";
    assert!(
        shipped == printed,
        "bot-config/source-git.schema.json is old; rewrite it: {rewrite}"
    );
}

#[test]
fn each_example_is_taken() {
    for name in EXAMPLES {
        valid(&example(name));
    }
    let files = std::fs::read_dir(path("bot-config/examples")).unwrap();
    assert_eq!(files.count(), EXAMPLES.len(), "an example is not in the list of this test");
}

#[test]
fn the_examples_that_this_version_supports_are_the_ones_that_say_so() {
    for (name, supported) in [
        ("minimal.yaml", true),
        ("full.yaml", true),
        ("ssh-keys.yaml", true),
        ("upstream-tarball.yaml", true),
        ("container.yaml", true),
    ] {
        assert_eq!(valid(&example(name)).unsupported().is_none(), supported, "{name}");
    }
}

/// Returns the line with its setting switched on, where it is one that is switched off.
fn switched_on(line: &str) -> Option<String> {
    let setting = line.trim_start().strip_prefix('#')?;
    let indent = &line[..line.len() - line.trim_start().len()];
    (!setting.is_empty() && !setting.starts_with(' ')).then(|| format!("{indent}{setting}"))
}

#[test]
fn each_setting_that_the_full_example_switches_off_can_be_switched_on() {
    let text = example("full.yaml");
    let lines: Vec<&str> = text.lines().collect();
    let mut count = 0;
    for (place, line) in lines.iter().enumerate() {
        let Some(on) = switched_on(line) else { continue };
        let mut changed: Vec<&str> = lines.clone();
        changed[place] = &on;
        let config = valid(&changed.join("\n"));
        count += 1;
        let is_default = on.trim() == "version: \"{version}\"";
        assert_eq!(config == valid(&text), is_default, "{on} changes nothing");
    }
    assert!(count > 10, "only {count} settings were found");
}

#[test]
fn the_full_example_names_every_key() {
    let all_on: Vec<String> = example("full.yaml")
        .lines()
        .map(|line| switched_on(line).unwrap_or_else(|| line.to_owned()))
        .collect();
    let text = all_on.join("\n");
    valid(&text);
    let document = Document::read(text.as_bytes()).expect("just taken");
    let mut named = BTreeSet::new();
    keys_of_value(&document.root, "", &mut named);
    for key in keys_of_schema() {
        assert!(named.contains(&key), "full.yaml does not name {key}");
    }
}

#[test]
fn the_reference_names_every_key() {
    let reference = read("docs/config.md");
    for key in keys_of_schema() {
        assert!(reference.contains(&format!("`{key}`")), "docs/config.md does not name `{key}`");
    }
}

#[test]
fn the_reference_names_every_code() {
    let reference = read("docs/config.md");
    let code = Regex::new(r#""(config-[a-z0-9-]+)""#).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(path("src/config")).unwrap() {
        let file = entry.unwrap().path();
        let source = std::fs::read_to_string(&file).unwrap_or_default();
        for [code] in code.captures_iter(&source).map(|found| found.extract().1) {
            assert!(reference.contains(&format!("| `{code}` |")), "docs/config.md lacks {code}");
            count += 1;
        }
    }
    assert!(count > 40, "only {count} uses of codes were found");
}

#[test]
fn the_reference_names_what_this_version_lacks() {
    let reference = read("docs/config.md");
    let (_, lacking) = reference.split_once("## Not supported").expect("the section is there");
    for row in LACKING {
        let key = row.key.split(':').next().unwrap_or(row.key);
        assert!(
            lacking.contains(&format!("`{key}")),
            "docs/config.md does not say that {key} lacks"
        );
    }
}

#[test]
fn the_reference_shows_every_default_and_choice() {
    let reference = read("docs/config.md");
    walk_schema(&schema(), "", &mut |key, schema| {
        let row = reference.lines().find(|line| line.starts_with(&format!("| `{key}`")));
        for choice in schema["oneOf"].as_array().into_iter().flatten() {
            let choice = choice["const"].as_str().expect("each choice is one text");
            let row = row.unwrap_or_else(|| panic!("docs/config.md has no row for `{key}`"));
            assert!(row.contains(&format!("`{choice}`")), "`{key}` does not name `{choice}`");
        }
    });
}

/// Calls `visit` with each key's path and schema; items of a list share their list's path.
fn walk_schema(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        visit(&path, below);
        walk_schema(below, &path, visit);
        walk_schema(&below["items"], &path, visit);
    }
}

fn keys_of_schema() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    walk_schema(&schema(), "", &mut |key, _| {
        keys.insert(key.to_owned());
    });
    assert!(keys.contains("population.upstream.signature.keys"));
    keys
}

fn keys_of_value(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    for item in value.as_array().into_iter().flatten() {
        keys_of_value(item, path, keys);
    }
    for (key, below) in value.as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys_of_value(below, &path, keys);
        keys.insert(path);
    }
}

/// What `shape` acts on, what `rules` acts on, and what only describes.
const KEYWORDS: [&str; 19] = [
    "type",
    "properties",
    "additionalProperties",
    "required",
    "items",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "const",
    "oneOf",
    "pattern",
    "propertyNames",
    "format",
    "title",
    "description",
    "default",
    "examples",
    "$schema",
];

#[test]
fn the_schema_says_nothing_that_the_check_would_pass_over() {
    let mut check = |_: &str, schema: &Value| {
        for schema in [schema, &schema["items"]] {
            for keyword in schema.as_object().into_iter().flatten().map(|(keyword, _)| keyword) {
                assert!(KEYWORDS.contains(&keyword.as_str()), "{keyword} is not checked");
            }
            let is_open = schema["type"] == "object" && schema["additionalProperties"].is_null();
            assert!(!is_open, "a mapping that takes any key: {schema}");
        }
    };
    check("", &schema());
    walk_schema(&schema(), "", &mut check);
}

#[test]
fn the_examples_in_the_schema_keep_its_patterns() {
    walk_schema(&schema(), "", &mut |key, schema| {
        let examples = schema["examples"].as_array().into_iter().flatten();
        for schema in [schema, &schema["items"]] {
            let Some(pattern) = schema["pattern"].as_str() else { continue };
            let pattern = Regex::new(pattern).expect("a pattern compiles");
            let texts = examples.clone().flat_map(|example| match example {
                Value::Array(items) => items.iter().collect(),
                one => vec![one],
            });
            for text in texts.filter_map(Value::as_str) {
                assert!(pattern.is_match(text), "{key}: {text}");
            }
        }
    });
}
