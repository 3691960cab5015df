//! Properties over made-up files: nothing panics, and the order of keys does not matter.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::BranchConfig;
use super::minimal;

const FULL: &str = include_str!("../../../bot-config/examples/full.yaml");

/// Prints a value as YAML in flow style, its keys ordered by what `dice` says.
fn printed(value: &Value, dice: &mut impl Iterator<Item = usize>) -> String {
    match value {
        Value::Object(entries) => {
            let mut left: Vec<_> = entries.iter().collect();
            let mut parts = Vec::new();
            while !left.is_empty() {
                let (key, value) = left.remove(dice.next().unwrap_or(0) % left.len());
                parts.push(format!("{key}: {}", printed(value, dice)));
            }
            format!("{{{}}}", parts.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| printed(item, dice)).collect();
            format!("[{}]", items.join(", "))
        }
        plain => plain.to_string(),
    }
}

/// Each optional section, as a file may have it.
fn sections() -> Vec<(&'static str, Value)> {
    vec![
        ("population", json!({"mechanism": "tag-archive", "env": {"A": "1", "B": "x y"}})),
        (
            "tags",
            json!({"ignore": ["*-test*"], "match": "v(?P<version>.+)", "require": "any"}),
        ),
        ("spec", json!({"path": "a/b.spec"})),
        ("release", json!({"epoch": 2, "auto": "keep"})),
        ("changelog", json!({"collapse": ["reverts"], "per": "merge", "limit": 7})),
        ("packaging", json!([".distro", "rpm"])),
        ("tests", json!(["tests/distro"])),
        ("divergence", json!("overwrite")),
        (
            "build",
            json!({"system": "none", "targets": ["f44-candidate"], "after": ["libhello"]}),
        ),
        ("gating", json!({"tag": "f44"})),
        ("notify", json!({"status": false, "comment": "never", "mention": ["alice"]})),
    ]
}

prop_compose! {
    fn file()(chosen in vec(any::<bool>(), 11)) -> Value {
        let mut file: Map<String, Value> = serde_yaml::from_str(&minimal()).expect("valid");
        let picked = sections().into_iter().zip(chosen).filter(|(_, chosen)| *chosen);
        file.extend(picked.map(|((key, value), _)| (key.to_owned(), value)));
        Value::Object(file)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = BranchConfig::parse(&bytes);
    }

    #[test]
    fn yaml_like_text_never_panics(text in r#"([a-z]{1,6}|[0-9.]{1,4}|[-:,&*!|>'"{}\[\]#% \n\t~]){0,80}"#) {
        let _ = BranchConfig::parse(text.as_bytes());
        let _ = BranchConfig::parse(format!("{}{text}", minimal()).as_bytes());
    }

    #[test]
    fn known_keys_with_any_value_never_panic(
        section in 0..11_usize,
        value in r#"(\[|\{|[a-z]{1,5}: |[0-9]{1,3}|no|"[^"\\]{0,5}"|~|, |\]|\}){0,8}"#,
    ) {
        let (key, _) = &sections()[section];
        let _ = BranchConfig::parse(format!("{}{key}: {value}\n", minimal()).as_bytes());
    }

    #[test]
    fn the_order_of_keys_does_not_matter(
        file in file(),
        one in vec(any::<usize>(), 60),
        other in vec(any::<usize>(), 60),
    ) {
        let parse = |dice: Vec<usize>| {
            let text = printed(&file, &mut dice.into_iter());
            BranchConfig::parse(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
        };
        prop_assert_eq!(parse(one), parse(other));
    }

    #[test]
    fn one_changed_character_never_panics(place in any::<prop::sample::Index>(), c in any::<char>()) {
        let mut characters: Vec<char> = FULL.chars().collect();
        let place = place.index(characters.len());
        characters[place] = c;
        let text: String = characters.into_iter().collect();
        if let Err(faults) = BranchConfig::parse(text.as_bytes()) {
            prop_assert!(!faults.faults().is_empty());
        }
    }

    #[test]
    fn one_changed_ascii_character_of_the_smallest_file_never_panics(
        place in any::<prop::sample::Index>(),
        c in 0x20_u8..0x7f,
    ) {
        let mut bytes = minimal().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = c;
        let _ = BranchConfig::parse(&bytes);
    }
}
