//! Requests as data: what no fake could tell.

use super::dialect::{dialect, escape};
use super::*;

#[test]
fn no_part_of_an_address_can_be_another() {
    assert_eq!(escape("a/b?c#d e%é[bot]"), "a%2Fb%3Fc%23d%20e%25%C3%A9%5Bbot%5D");
}

#[test]
fn descriptions_are_cut_to_each_forges_limit() {
    let status = Status {
        project: "a/b".parse().unwrap(),
        commit: "1".repeat(40).parse().unwrap(),
        branch: "main".parse().unwrap(),
        context: "c".to_owned(),
        state: State::Passed,
        description: "ä".repeat(1000),
        summary: "s".repeat(100_000),
        link: None,
    };
    let length = |call: &wire::Call, key: &str| {
        let body = call.body.as_ref().unwrap();
        body[key].as_str().unwrap().chars().count()
    };
    let web = "https://x.example".parse().unwrap();
    assert_eq!(length(&github::status_call(&status), "description"), 140);
    assert_eq!(length(&gitlab::status_call(&status), "description"), 255);
    assert_eq!(length(&forgejo::status_call(&status), "description"), 255);
    assert_eq!(length(&pagure::status_call(&status, "bot", &web), "comment"), 255);
    let run = github::check_run(&status, true);
    assert_eq!(run["output"]["summary"].as_str().unwrap().chars().count(), 65_535);
}

#[test]
fn pagures_flag_has_an_address_where_we_have_none() {
    let status = Status {
        project: "rpms/hello".parse().unwrap(),
        commit: "1".repeat(40).parse().unwrap(),
        branch: "main".parse().unwrap(),
        context: "c".to_owned(),
        state: State::Passed,
        description: String::new(),
        summary: String::new(),
        link: None,
    };
    let call = pagure::status_call(&status, "bot", &"https://src.example/".parse().unwrap());
    let expected = format!("https://src.example/rpms/hello/c/{}", status.commit);
    assert_eq!(call.body.unwrap()["url"], expected);
}

#[test]
fn a_merged_pull_request_is_told_from_others() {
    let open = serde_json::json!([{ "number": 3, "merged_at": null }]);
    assert_eq!(dialect(Kind::GitHub).pull_request(&open), None);
    let merged =
        serde_json::json!([{ "number": 3, "merged_at": null }, { "number": 4, "merged_at": "x" }]);
    assert_eq!(dialect(Kind::GitHub).pull_request(&merged), Some(4));
    let merged =
        serde_json::json!([{ "iid": 3, "state": "opened" }, { "iid": 5, "state": "merged" }]);
    assert_eq!(dialect(Kind::GitLab).pull_request(&merged), Some(5));
    for kind in Kind::ALL {
        assert_eq!(dialect(kind).pull_request(&serde_json::Value::Null), None);
        assert!(dialect(kind).read_comments(&serde_json::Value::Null).is_empty());
        assert!(dialect(kind).read_issues(&serde_json::json!("x")).is_empty());
    }
}
