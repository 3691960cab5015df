use super::*;

const ONE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const TWO: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

fn held(json: &str) -> Held {
    let json = json.replace("ONE", ONE).replace("TWO", TWO);
    serde_json::from_str(&json).expect("it is written right")
}

fn image(text: &str) -> ImageReference {
    text.replace("ONE", ONE).replace("TWO", TWO).parse().expect("a legal name")
}

#[test]
fn a_tag_stands_for_a_digest_of_its_own_repository() {
    for (name, json, found) in [
        (
            "r.example/a:1",
            r#"{"Id": "x", "RepoDigests": ["r.example/a@ONE", "r.example/b@TWO"]}"#,
            vec![ONE],
        ),
        // Docker says no digest of the image's own: the lowest comes first.
        (
            "r.example/a:1",
            r#"{"Id": "x", "RepoDigests": ["r.example/a@TWO", "r.example/a@ONE"]}"#,
            vec![ONE, TWO],
        ),
        (
            "r.example/a",
            r#"{"Id": "x", "Digest": "TWO", "RepoDigests": ["r.example/a@ONE", "r.example/a@TWO"]}"#,
            vec![TWO, ONE],
        ),
        (
            "r.example/a",
            r#"{"Id": "ONE", "Digest": "TWO", "RepoDigests": ["r.example/b@TWO"]}"#,
            vec![],
        ),
        ("r.example/a", r#"{"Id": "ONE", "RepoDigests": null}"#, vec![]),
        // An image of this machine has its id where it has nothing else.
        ("localhost/a:1", r#"{"Id": "ONE", "RepoDigests": []}"#, vec![ONE]),
        (
            "localhost/a:1",
            r#"{"Id": "ONE", "RepoDigests": ["localhost/a@TWO"]}"#,
            vec![TWO],
        ),
    ] {
        let candidates = candidates(&image(name), &held(json));
        assert_eq!(candidates.iter().map(ImageDigest::as_str).collect::<Vec<_>>(), found, "{json}");
    }
}

#[test]
fn what_an_engine_finds_by_digest_must_have_it() {
    let asked = |name: &str, json: &str| {
        let image = image(name);
        let wanted = image.digest().expect("it has one").clone();
        by_digest(&image, &wanted, &held(json))
    };
    for (name, json) in [
        (
            "r.example/a@ONE",
            r#"{"Id": "x", "RepoDigests": ["r.example/a@TWO", "r.example/a@ONE"]}"#,
        ),
        ("r.example/a@ONE", r#"{"Id": "x", "RepoDigests": []}"#),
        (
            "r.example/a@ONE",
            r#"{"Id": "x", "Digest": "ONE", "RepoDigests": ["r.example/b@TWO"]}"#,
        ),
        ("localhost/a@ONE", r#"{"Id": "ONE", "RepoDigests": ["localhost/a@TWO"]}"#),
    ] {
        let pinned = asked(name, json).expect("it fits");
        assert_eq!(pinned.digest().as_str(), ONE);
        assert_eq!(pinned.runs_by, held(json).id);
    }
    for (name, json) in [
        ("r.example/a@ONE", r#"{"Id": "x", "RepoDigests": ["r.example/a@TWO"]}"#),
        ("r.example/a@ONE", r#"{"Id": "ONE", "RepoDigests": ["r.example/a@TWO"]}"#),
    ] {
        let Err(Fault::Refused(refusal)) = asked(name, json) else { panic!("{json}") };
        assert_eq!(refusal.code.0, "digest-mismatch");
    }
}

#[test]
fn ids_are_read_with_and_without_their_kind() {
    let bare = ONE.strip_prefix("sha256:").unwrap();
    for id in [ONE, bare] {
        let held = held(&format!(r#"{{"Id": "{id}"}}"#));
        assert_eq!(id_of(&held).unwrap().as_str(), ONE);
    }
    assert_eq!(id_of(&held(r#"{"Id": "x"}"#)), None);
}
