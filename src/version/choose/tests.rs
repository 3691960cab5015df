use super::*;
use crate::config::{PrereleaseStyle, Tags};

fn rules(style: PrereleaseStyle) -> TagRules {
    let tags = Tags {
        require: None,
        ignore: vec!["v9*".to_owned()],
        expression: None,
        version: "{version}".to_owned(),
        prerelease: style,
    };
    TagRules::new(&tags, &"hello".parse().expect("a package name")).expect("the rules compile")
}

fn id(number: u8) -> ObjectId {
    ObjectId::from_bytes(&[number; 20]).expect("twenty bytes")
}

/// A tag whose object is made from its time.
fn tag(name: &str, seconds: i64) -> Candidate {
    let number = u8::try_from(seconds).expect("a small time");
    Candidate {
        name: name.parse().expect("a tag name"),
        object: id(number),
        commit: id(100 + number),
        seconds,
    }
}

fn signed(_: &Candidate) -> TagSignature {
    TagSignature::Signed { by: "openpgp:ALICE".to_owned() }
}

fn unsigned(_: &Candidate) -> TagSignature {
    TagSignature::Unsigned
}

fn choose_signed(tags: &[Candidate]) -> Result<Chosen, Refusal> {
    choose(&rules(PrereleaseStyle::Tilde), tags, TagTrust::Signed, None, signed)
}

#[test]
fn the_highest_version_wins_whatever_its_date() {
    let cases: [(&[(&str, i64)], &str); 7] = [
        (&[("v1.9", 9), ("v1.10", 1), ("v1.2", 5)], "v1.10"),
        (&[("v1.0", 1), ("v1.1-rc1", 2)], "v1.1-rc1"),
        (&[("v1.1", 1), ("v1.1-rc1", 2)], "v1.1"),
        (&[("v2024.01", 1), ("v2024.1", 2)], "v2024.1"),
        (&[("v2024.01", 2), ("v2024.1", 1)], "v2024.01"),
        (&[("1.0", 1), ("v1.0", 1), ("hello-1.0", 1)], "v1.0"),
        (&[("v9.9", 1), ("nightly", 2), ("v0.1", 0)], "v0.1"),
    ];
    for (tags, wanted) in cases {
        let mut tags: Vec<_> = tags.iter().map(|(name, seconds)| tag(name, *seconds)).collect();
        for _ in 0..tags.len() {
            tags.rotate_left(1);
            let chosen = choose_signed(&tags).expect("one is usable");
            assert_eq!(chosen.tag.name.as_str(), wanted, "{tags:?}");
            assert!(chosen.warnings.is_empty());
        }
    }
}

#[test]
fn under_the_dropping_style_the_release_wins_over_its_candidate_of_the_same_second() {
    let tags = [tag("v4.9-rc8", 1), tag("v4.9", 1)];
    let rules = rules(PrereleaseStyle::Drop);
    let chosen = choose(&rules, &tags, TagTrust::Signed, None, signed).expect("usable");
    assert_eq!((chosen.tag.name.as_str(), chosen.prerelease), ("v4.9", None));
}

#[test]
fn no_usable_tag_is_a_refusal_that_says_why_for_each_and_is_not_endless() {
    let mut tags = vec![tag("nightly", 1), tag("v9.1", 2), tag("world-1.0", 3)];
    let refusal = choose_signed(&tags).expect_err("none is usable");
    assert_eq!(refusal.code.0, "no-usable-tag");
    for part in ["nightly looks like", "v9.1 matches the ignored", "world-1.0 begins with"] {
        assert!(refusal.message.contains(part), "{refusal}");
    }
    tags.extend((0..40).map(|number| tag(&format!("build-{number}x"), number)));
    let refusal = choose_signed(&tags).expect_err("none is usable");
    assert_eq!(refusal.message.lines().count(), LISTED + 2);
    assert!(refusal.message.ends_with("and 33 more"), "{refusal}");
    let refusal = choose_signed(&[]).expect_err("there is none");
    assert_eq!(refusal.message, "no tag is reachable from the tip");
}

#[test]
fn an_unsigned_highest_tag_is_refused_by_name_and_not_passed_over() {
    let tags = [tag("v1.0", 1), tag("v1.1", 2)];
    let worth = |tag: &Candidate| match tag.name.as_str() {
        "v1.0" => signed(tag),
        _ => unsigned(tag),
    };
    let rules = rules(PrereleaseStyle::Tilde);
    let refusal = choose(&rules, &tags, TagTrust::Signed, None, worth).expect_err("is unsigned");
    assert_eq!(refusal.code.0, "tag-unsigned");
    assert!(refusal.message.contains("v1.1"), "{refusal}");
    let chosen = choose(&rules, &tags, TagTrust::Any, None, worth).expect("any will do");
    assert_eq!(chosen.tag.name.as_str(), "v1.1");
    assert!(chosen.warnings[0].contains("v1.1 has no signature"), "{:?}", chosen.warnings);
}

#[test]
fn a_signature_that_does_not_count_is_told_in_the_verdicts_words() {
    let refused = |_: &Candidate| TagSignature::Refused {
        code: Code("key-expired"),
        words: "the key expired yesterday".to_owned(),
    };
    let rules = rules(PrereleaseStyle::Tilde);
    let tags = [tag("v1.0", 1)];
    let refusal = choose(&rules, &tags, TagTrust::Signed, None, refused).expect_err("is refused");
    assert_eq!(refusal.code.0, "tag-signature-refused");
    assert!(
        refusal.message.contains("(key-expired): the key expired yesterday"),
        "{refusal}"
    );
    assert_eq!(
        choose(&rules, &tags, TagTrust::Any, None, refused).map(|c| c.warnings.len()),
        Ok(1)
    );
}

#[test]
fn a_signed_tag_of_the_same_version_stands_in_for_an_unsigned_one() {
    let tags = [tag("v1.0", 1), tag("1.0", 5), tag("v0.9", 7)];
    let worth = |tag: &Candidate| match tag.name.as_str() {
        "1.0" => unsigned(tag),
        _ => signed(tag),
    };
    let rules = rules(PrereleaseStyle::Tilde);
    let chosen = choose(&rules, &tags, TagTrust::Signed, None, worth).expect("v1.0 is signed");
    assert_eq!((chosen.tag.name.as_str(), chosen.warnings.len()), ("v1.0", 1));
}

#[test]
fn only_tags_that_may_win_have_their_signature_looked_at() {
    let tags: Vec<_> = (0..50).map(|minor| tag(&format!("v1.{minor}"), minor)).collect();
    let asked = std::cell::Cell::new(0);
    let worth = |tag: &Candidate| {
        asked.set(asked.get() + 1);
        signed(tag)
    };
    let rules = rules(PrereleaseStyle::Tilde);
    choose(&rules, &tags, TagTrust::Signed, None, worth).expect("usable");
    assert_eq!(asked.get(), 1);
}

#[test]
fn the_tag_that_the_signed_tip_names_is_taken_without_a_signature_of_its_own() {
    let tags = [tag("v1.0", 1), tag("v1.1", 2)];
    let rules = rules(PrereleaseStyle::Tilde);
    let by_tip = |value: &str| {
        let named: NamedTag = value.parse().expect("a legal trailer value");
        choose(&rules, &tags, TagTrust::Signed, Some(&named), unsigned)
    };
    let chosen = by_tip("v1.1").expect("is named");
    assert_eq!((chosen.tag.name.as_str(), chosen.warnings.len()), ("v1.1", 0));
    let chosen = by_tip("v1.0").expect("is named");
    assert_eq!(chosen.tag.name.as_str(), "v1.0");
    assert!(
        chosen.warnings[0].contains("v1.1 gives a higher version"),
        "{:?}",
        chosen.warnings
    );
    for object in [id(2), id(102)] {
        assert!(by_tip(&format!("v1.1 {object}")).is_ok(), "tag object or commit");
    }
}

#[test]
fn a_named_tag_that_cannot_be_used_is_refused() {
    let tags = [tag("v1.0", 1), tag("v9.0", 2), tag("latest", 3)];
    let moved = format!("v1.0 {}", id(7));
    let rules = rules(PrereleaseStyle::Tilde);
    let cases = [
        ("v1.5", "not reachable"),
        ("v9.0", "ignored pattern"),
        ("latest", "snapshot"),
        (moved.as_str(), "is 0101"),
    ];
    for (value, why) in cases {
        let named: NamedTag = value.parse().expect("a legal trailer value");
        let refusal = choose(&rules, &tags, TagTrust::Any, Some(&named), signed).expect_err(value);
        assert_eq!(refusal.code.0, "named-tag-unusable");
        assert!(refusal.message.contains(why), "{value}: {refusal}");
    }
}

#[test]
fn a_trailer_value_is_a_tag_and_perhaps_an_object() {
    let text = format!("v1.0 {}", id(1));
    assert_eq!(text.parse::<NamedTag>().map(|named| named.to_string()), Ok(text));
    assert_eq!("v1.0".parse::<NamedTag>().map(|named| named.to_string()), Ok("v1.0".to_owned()));
    for bad in ["", "v1.0 yes", "-x", "v 1 2"] {
        assert!(bad.parse::<NamedTag>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_published_tag_must_stay_where_it_was() {
    let name: TagName = "v1.0".parse().expect("a tag name");
    let published = Some((&name, &id(1)));
    assert!(check_not_moved(published, Some(&id(1))).is_ok());
    assert!(check_not_moved(published, None).is_ok(), "gone: the floor decides");
    assert!(check_not_moved(None, Some(&id(1))).is_ok());
    let refusal = check_not_moved(published, Some(&id(2))).expect_err("it moved");
    assert_eq!(refusal.code.0, "tag-moved");
    assert!(
        refusal.message.contains("v1.0") && refusal.message.contains("0101"),
        "{refusal}"
    );
}
