//! Random trees against `git archive`: names, attributes and content that get in each other's way.

use proptest::prelude::*;

use super::same_as_git;
use super::world::{Item, executable, file, link, submodule};

fn some_name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-d]{1,3}(\\.[ch])?".prop_map(String::into_bytes),
        1 => prop::collection::vec(prop::sample::select(b" \"\\\n\xff*[]?!#-a".to_vec()), 1..6),
        1 => (60usize..200).prop_map(|length| vec![b'n'; length]),
    ]
}

fn some_path() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(some_name(), 1..4).prop_map(|names| names.join(&b'/'))
}

fn some_attributes() -> impl Strategy<Value = String> {
    let pattern = prop_oneof![
        "[a-d*?/]{1,4}(\\.[ch])?/?",
        Just("*.c".to_owned()),
        Just("**/a".to_owned()),
        Just("a/**".to_owned()),
        Just("[a-c]*".to_owned()),
        Just("[!a]".to_owned()),
        Just("\\a".to_owned()),
        Just("\"a\\142\"".to_owned()),
    ];
    let wish = prop::sample::select(vec![
        "export-ignore",
        "-export-ignore",
        "!export-ignore",
        "export-subst",
        "-export-subst",
        "text",
        "-text",
        "text=auto",
        "eol=crlf",
        "eol=lf",
        "binary",
        "ident",
        "-ident",
        "crlf",
        "-crlf",
        "mine",
        "-mine",
        "working-tree-encoding=UTF-16",
        "!working-tree-encoding",
        "filter=x",
        "-bad name",
        "a=b=c",
    ]);
    let line = (pattern, prop::collection::vec(wish, 0..4))
        .prop_map(|(pattern, wishes)| format!("{pattern} {}\n", wishes.join(" ")));
    let own_macro = Just("[attr]mine ident eol=crlf -text\n".to_owned());
    prop::collection::vec(prop_oneof![8 => line, 1 => own_macro], 0..6)
        .prop_map(|lines| lines.concat())
}

fn some_item() -> impl Strategy<Value = Item> {
    let content = prop_oneof![
        Just(b"one\ntwo $Id$\n".to_vec()),
        Just(b"$Format:%H %s %d$\r\n".to_vec()),
        Just("gr\u{fc}n\n".as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..600),
    ];
    prop_oneof![
        6 => (some_path(), content).prop_map(|(path, content)| file(path, content)),
        1 => (some_path(), Just("run\n")).prop_map(|(path, content)| executable(path, content)),
        1 => (some_path(), some_path()).prop_map(|(path, target)| link(path, target)),
        1 => some_path().prop_map(submodule),
        2 => some_attributes().prop_map(|content| file(".gitattributes", content)),
        3 => (some_path(), some_attributes()).prop_map(|(mut folder, content)| {
            folder.extend_from_slice(b"/.gitattributes");
            file(folder, content)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_trees_are_archived_as_git_does(items in prop::collection::vec(some_item(), 0..24)) {
        same_as_git(&items);
    }
}
