use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const ALL: [Collapse; 3] = [Collapse::Fixups, Collapse::Reverts, Collapse::Packaging];

fn rules(collapse: &[Collapse], per: ChangelogItem, limit: usize) -> config::Changelog {
    config::Changelog { collapse: collapse.iter().copied().collect(), per, limit }
}

fn defaults() -> config::Changelog {
    rules(&ALL, ChangelogItem::Commit, 40)
}

fn id(number: usize) -> ObjectId {
    let mut bytes = [0xab; 20];
    bytes[..4].copy_from_slice(&(number as u32).wrapping_mul(0x9e37_79b1).to_be_bytes());
    ObjectId::from_bytes(&bytes).expect("twenty bytes")
}

/// An ordinary commit; the oldest of a history has number 1.
fn commit(number: usize, message: &str) -> LogCommit {
    LogCommit {
        id: id(number),
        message: message.to_owned(),
        parents: 1,
        on_first_parent_line: true,
        packaging_only: false,
    }
}

/// A history told in the order it was written: the last message is the tip's.
fn history(messages: &[&str]) -> Vec<LogCommit> {
    let commits = messages.iter().enumerate().map(|(index, text)| commit(index + 1, text));
    commits.rev().collect()
}

fn collapse(commits: &[LogCommit], rules: &config::Changelog) -> Changes {
    let tag = "v1.2".parse().expect("a tag name");
    let version = "1.2".parse().expect("a version");
    items(commits, rules, Occasion { tag: &tag, version: &version, version_is_new: false })
}

/// Returns the texts of the items, newest first.
fn texts(messages: &[&str]) -> Vec<String> {
    let changes = collapse(&history(messages), &defaults());
    changes.items.into_iter().map(|item| item.text).collect()
}

fn revert(subject: &str, number: usize) -> String {
    format!("Revert \"{subject}\"\n\nThis reverts commit {}.\n", id(number))
}

const NOTHING: &str = "Rebuild of v1.2";

#[test]
fn subjects_become_items_newest_first() {
    assert_eq!(texts(&["First\n\nwhy", "Second\nline\n\n- x"]), ["Second line", "First"]);
}

#[test]
fn a_commit_that_asks_to_be_skipped_is_left_out() {
    let skipped = [
        "Tidy [skip changelog]",
        "Tidy\n\n[skip changelog]\n",
        "Tidy\n\n  [ Skip Changelog , bump release: 2]\n\nmore",
        "Tidy\n\nChangelog: none",
        "Tidy\n\nwhy\n\nSigned-off-by: A\nchangelog: None\n",
    ];
    for message in skipped {
        assert_eq!(texts(&[message]), [NOTHING], "{message:?}");
    }
    let kept = [
        "Tidy\n\nsee [skip changelog] there",
        "Tidy\n\nChangelog: none\n\nmore",
        "Changelog: none",
    ];
    for message in kept {
        assert_ne!(texts(&[message]), [NOTHING], "{message:?}");
    }
}

#[test]
fn fixups_go_into_what_they_mend() {
    let id_of_first = format!("fixup! {}", &id(1).to_string()[..9]);
    let cases: [(&[&str], &[&str]); 9] = [
        (&["Add a", "Add b", "fixup! Add a"], &["Add b", "Add a"]),
        (&["Add a", "squash! Add a\n\nmore", "fixup! squash! Add a"], &["Add a"]),
        (&["Add a", "fixup! fixup! fixup! Add a"], &["Add a"]),
        (&["Add a", "amend! Add a\n\nAdd a and b\n\nbody"], &["Add a and b"]),
        (&["Add a", "amend! Add a\n\nOne", "amend! Add a\n\nTwo"], &["Two"]),
        (&["Add a", &id_of_first], &["Add a"]),
        (&["Add a long thing", "fixup! Add a long"], &["Add a long thing"]),
        (&["fixup! Add a", "Add a"], &["Add a", "Add a"]),
        (&["fixup! Add x", "fixup!"], &["fixup!", "Add x"]),
    ];
    for (messages, wanted) in cases {
        assert_eq!(texts(messages), wanted, "{messages:?}");
    }
}

#[test]
fn a_fixup_goes_with_its_target_when_that_is_left_out() {
    assert_eq!(texts(&["Add a\n\n[skip changelog]", "fixup! Add a"]), [NOTHING]);
    assert_eq!(texts(&["Add a", "fixup! Add a", &revert("Add a", 1)]), [NOTHING]);
}

#[test]
fn the_nearest_older_commit_of_that_subject_is_mended() {
    let commits = history(&["Bump", "Bump", "fixup! Bump"]);
    let changes = collapse(&commits, &defaults());
    assert_eq!(changes.items[0].commits, [id(3), id(2)]);
    assert_eq!(changes.items[1].commits, [id(1)]);
}

#[test]
fn a_commit_and_its_revert_cancel_each_other() {
    let outside = format!("Revert \"Old\"\n\nThis reverts commit {}.", id(99));
    let again = revert("Add a", 1);
    let reapplied = format!("Reapply \"Add a\"\n\nThis reverts commit {}.", id(2));
    let merged = format!(
        "Revert \"Add a\"\n\nThis reverts commit {}, reversing\nchanges made to {}.",
        id(1),
        id(9)
    );
    let partly = format!("Undo half\n\nThis reverts commit {} in part.", id(1));
    let both = format!(
        "Undo both\n\nThis reverts commit {}.\nThis reverts commit {}.",
        id(1),
        &id(2).to_string()[..10]
    );
    let cases: [(&[&str], &[&str]); 10] = [
        (&["Add a", &again], &[NOTHING]),
        (&["Add a", "Add b", &again], &["Add b"]),
        (&["Add a", &again, &reapplied], &["Add a"]),
        (&["Add a", &again, &revert("Revert \"Add a\"", 2), &revert("x", 3)], &[NOTHING]),
        (&["Add a", &outside], &["Revert \"Old\"", "Add a"]),
        (&["Add a", &merged], &[NOTHING]),
        (&["Add a", &partly], &["Undo half", "Add a"]),
        (&["Add a", "Add b", &both], &[NOTHING]),
        (&["Add a (#12)", "Revert \"Add a (#12)\" (#13)\n\nReverts o/r#12"], &[NOTHING]),
        (&["Add a", &again, &again], &["Revert \"Add a\""]),
    ];
    for (messages, wanted) in cases {
        assert_eq!(texts(messages), wanted, "{messages:?}");
    }
}

#[test]
fn the_revert_of_a_fixup_leaves_what_it_mended() {
    let commits = history(&["Add a", "fixup! Add a", &revert("fixup! Add a", 2)]);
    let changes = collapse(&commits, &defaults());
    assert_eq!(changes.items[0].commits, [id(1)]);
    assert_eq!(changes.dropped.len(), 2);
}

#[test]
fn packaging_only_commits_are_left_out_unless_a_fixup_touches_more() {
    let mut commits = history(&["Spec", "Add a", "fixup! Spec"]);
    commits[2].packaging_only = true;
    assert_eq!(collapse(&commits, &defaults()).items.len(), 2);
    commits[0].packaging_only = true;
    let changes = collapse(&commits, &defaults());
    assert_eq!(changes.items.len(), 1);
    let reasons: Vec<_> = changes.dropped.iter().map(|dropped| dropped.why).collect();
    assert_eq!(reasons, [DropReason::PackagingOnly; 2]);
}

#[test]
fn each_collapse_can_be_switched_off() {
    let mut commits = history(&["Add a", "fixup! Add a", &revert("Add a", 1), "Spec"]);
    commits[0].packaging_only = true;
    for (off, wanted) in [(0, 1), (1, 2), (2, 1)] {
        let on: Vec<_> = ALL.into_iter().filter(|kind| *kind != ALL[off]).collect();
        let changes = collapse(&commits, &rules(&on, ChangelogItem::Commit, 40));
        assert_eq!(changes.items.len(), wanted, "without {:?}: {changes:?}", ALL[off]);
    }
    let none = collapse(&commits, &rules(&[], ChangelogItem::Commit, 40));
    assert_eq!(none.items.len(), 4);
}

#[test]
fn items_stand_for_commits_or_for_merges() {
    let mut commits = history(&["On main", "On topic", "Merge branch 'topic'"]);
    commits[0].parents = 2;
    commits[1].on_first_parent_line = false;
    let texts = |per| {
        let changes = collapse(&commits, &rules(&ALL, per, 40));
        changes.items.into_iter().map(|item| item.text).collect::<Vec<_>>()
    };
    assert_eq!(texts(ChangelogItem::Commit), ["On topic", "On main"]);
    assert_eq!(texts(ChangelogItem::Merge), ["Merge branch 'topic'", "On main"]);
}

#[test]
fn a_merge_with_words_for_the_changelog_is_an_item_of_its_own() {
    let mut commits = history(&["Merge branch 'topic'\n\nChangelog: New topic"]);
    commits[0].parents = 2;
    assert_eq!(collapse(&commits, &defaults()).items[0].text, "New topic");
}

#[test]
fn a_forges_merge_commit_is_told_by_the_title_of_its_pull_request() {
    let cases = [
        ("Merge pull request #12 from alice/topic\n\nAdd a topic", "Add a topic (#12)"),
        (
            "Merge pull request #12 from alice/topic\n\nAdd a topic (#12)",
            "Add a topic (#12)",
        ),
        (
            "Merge pull request #12 from alice/topic",
            "Merge pull request #12 from alice/topic",
        ),
        (
            "Merge branch 'topic' into 'main'\n\nAdd a topic\n\nSee merge request g/p!3",
            "Add a topic",
        ),
    ];
    for (message, wanted) in cases {
        assert_eq!(texts(&[message]), [wanted]);
    }
}

#[test]
fn a_changelog_trailer_replaces_the_subject() {
    let cases = [
        ("refactor x\n\nChangelog: Faster start", "Faster start"),
        (
            "refactor x\n\nwhy\n\nSigned-off-by: A <a@x>\nCHANGELOG : Faster\n  start",
            "Faster start",
        ),
        ("refactor x\n\nChangelog: One\nChangelog: Two", "One; Two"),
        ("refactor x\n\nChangelog:\n", "refactor x"),
        ("refactor x\n\nChangelog: not here\n\nlast paragraph", "refactor x"),
        ("Changelog: is the subject", "Changelog: is the subject"),
        ("refactor x\n\nChangelog: - dashed", "dashed"),
    ];
    for (message, wanted) in cases {
        assert_eq!(texts(&[message]), [wanted], "{message:?}");
    }
}

#[test]
fn bug_references_are_collected_once_and_appended() {
    let cases = [
        ("Fix a\n\nResolves: rhbz#123", "Fix a (Resolves: rhbz#123)"),
        ("Fix a\n\nResolves: rhbz#123, #4\nCloses: #4", "Fix a (Resolves: rhbz#123, #4)"),
        ("Fix a (rhbz#123)\n\nResolves: rhbz#123", "Fix a (rhbz#123)"),
        ("Fix a (#12)\n\nFixes #12", "Fix a (#12)"),
        ("Fix a\n\nBug: 1234", "Fix a (Resolves: 1234)"),
        ("Fix a\n\nFixes #7.", "Fix a (Resolves: #7)"),
        ("Fix a\n\nCloses owner/repo#7", "Fix a (Resolves: owner/repo#7)"),
        ("Fix a\n\nResolves: RHEL-1234", "Fix a (Resolves: RHEL-1234)"),
        ("Fix a\n\nFixes: CVE-2024-12345", "Fix a (Resolves: CVE-2024-12345)"),
        (
            "Fix a\n\nBug: https://bugs.example/12",
            "Fix a (Resolves: https://bugs.example/12)",
        ),
        ("Fix a\n\nas seen in bz#5 and rhbz#5", "Fix a (bz#5)"),
        ("Fix a\n\nResolves: rhbz#1\nsee rhbz#2", "Fix a (Resolves: rhbz#1; rhbz#2)"),
        ("Fix a\n\nFixes: 1234567890ab (\"Add b\")", "Fix a"),
        ("Fix a\n\nFixes 3 bugs", "Fix a"),
        ("Fix a\n\nFixes crash", "Fix a"),
        ("Fix a\n\nResolves: %(touch /tmp/x)", "Fix a"),
        ("Fix a\n\nResolves: rhbz#1 %(x)", "Fix a (Resolves: rhbz#1)"),
        ("Fix a\n\nResolves: https://x/%{lua:y}", "Fix a"),
    ];
    for (message, wanted) in cases {
        assert_eq!(texts(&[message]), [wanted], "{message:?}");
    }
    let folded = texts(&["Fix a\n\nResolves: #1", "fixup! Fix a\n\nResolves: #2\nResolves: #1"]);
    assert_eq!(folded, ["Fix a (Resolves: #1, #2)"]);
}

#[test]
fn what_is_over_the_limit_is_counted() {
    let commits = history(&["a", "b", "c"]);
    let cases: [(usize, &[&str]); 5] = [
        (3, &["c", "b", "a"]),
        (2, &["c", "b", "and 1 more change"]),
        (1, &["c", "and 2 more changes"]),
        (0, &["3 changes"]),
        (usize::MAX, &["c", "b", "a"]),
    ];
    for (limit, wanted) in cases {
        let changes = collapse(&commits, &rules(&ALL, ChangelogItem::Commit, limit));
        let texts: Vec<_> = changes.items.iter().map(|item| item.text.as_str()).collect();
        assert_eq!(texts, wanted);
        assert_eq!(changes.items.iter().map(|item| item.commits.len()).sum::<usize>(), 3);
    }
}

#[test]
fn an_entry_always_says_something() {
    let tag = "v1.2".parse().expect("a tag name");
    let version = "1.2".parse().expect("a version");
    let occasion = Occasion { tag: &tag, version: &version, version_is_new: true };
    assert_eq!(items(&[], &defaults(), occasion).items[0].text, "Update to 1.2");
    assert_eq!(collapse(&[], &defaults()).items[0].text, NOTHING);
    assert_eq!(texts(&["\n \n"]), ["Change without a description"]);
}

#[test]
fn hostile_text_comes_out_as_one_plain_line() {
    let cases = [
        ("a\u{0}b\u{1b}[31mc\rd", "a b [31mc d"),
        ("- * dashed", "dashed"),
        ("left\u{202e}thgir\u{200b}", "leftthgir"),
        ("two\u{2028}lines", "two lines"),
        ("fix %(touch /tmp/x)", "fix %(touch /tmp/x)"),
        ("ends in \\", "ends in \\"),
    ];
    for (message, wanted) in cases {
        assert_eq!(texts(&[message]), [wanted], "{message:?}");
    }
    let long = texts(&[&"long ".repeat(10_000)]);
    assert!(long[0].chars().count() <= 401 && long[0].ends_with('…'), "{}", long[0].len());
}

#[test]
fn a_long_history_of_nothing_but_marks_is_done_soon() {
    let started = std::time::Instant::now();
    let messages: Vec<_> =
        (0..20_000).map(|number| format!("fixup! thing {}", number % 3)).collect();
    let messages: Vec<_> = messages.iter().map(String::as_str).collect();
    assert_eq!(collapse(&history(&messages), &defaults()).items.len(), 41);
    let bugs: Vec<_> = (0..100_000).map(|number| format!("#{number}")).collect();
    let bugs = format!("Fix\n\nResolves: {}\n{}", bugs.join(" "), bugs.join(" rhbz"));
    let items = collapse(&history(&[&bugs]), &defaults()).items;
    assert!(items[0].text.len() < 300, "{}", items[0].text.len());
    let same = vec!["Revert \"x\""; 20_000];
    collapse(&history(&same), &defaults());
    assert!(started.elapsed().as_secs() < 20, "took {:?}", started.elapsed());
}

fn message() -> impl Strategy<Value = String> {
    let subject =
        prop_oneof!["[ab]", "Add [ab]", "\\PC{0,12}", Just("[skip changelog]".to_owned())];
    let mark = prop_oneof![
        Just(""),
        Just("fixup! "),
        Just("squash! fixup! "),
        Just("amend! "),
        Just("Revert ")
    ];
    let body = prop_oneof![
        4 => Just(String::new()),
        3 => (1..12_usize).prop_map(|number| format!("This reverts commit {}.", id(number))),
        1 => Just("Changelog: other words".to_owned()),
        1 => Just("Resolves: #1, rhbz#2".to_owned()),
        2 => "(\\PC|\\n){0,40}",
    ];
    (mark, subject, body).prop_map(|(mark, subject, body)| format!("{mark}{subject}\n\n{body}"))
}

fn histories() -> impl Strategy<Value = Vec<LogCommit>> {
    let one = (message(), 1..3_usize, any::<bool>(), any::<bool>());
    proptest::collection::vec(one, 0..12).prop_map(|commits| {
        let numbered = commits.into_iter().enumerate();
        let made = numbered.map(|(index, (message, parents, main, packaging))| LogCommit {
            parents,
            on_first_parent_line: main,
            packaging_only: packaging,
            ..commit(index + 1, &message)
        });
        made.rev().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_commit_is_in_one_item_or_dropped_for_a_reason(
        commits in histories(),
        on in proptest::collection::btree_set(proptest::sample::select(&ALL), 0..4),
        merges in any::<bool>(),
        limit in 0..6_usize,
    ) {
        let per = if merges { ChangelogItem::Merge } else { ChangelogItem::Commit };
        let rules = config::Changelog { collapse: on, per, limit };
        let changes = collapse(&commits, &rules);
        let shown = changes.items.iter().flat_map(|item| item.commits.iter().copied());
        let told: Vec<_> = shown.chain(changes.dropped.iter().map(|dropped| dropped.id)).collect();
        let unique: BTreeSet<_> = told.iter().copied().collect();
        prop_assert_eq!(told.len(), commits.len());
        prop_assert_eq!(unique, commits.iter().map(|commit| commit.id).collect());
        prop_assert!(!changes.items.is_empty() && changes.items.len() <= limit + 1);
        for item in &changes.items {
            prop_assert!(!item.text.is_empty() && item.text.len() < 4 * 401 + 4000);
            prop_assert!(!item.text.chars().any(char::is_control));
        }
        prop_assert_eq!(&changes, &collapse(&commits, &rules));
    }

    #[test]
    fn heads_keep_the_order_of_the_history(commits in histories()) {
        let changes = collapse(&commits, &rules(&ALL, ChangelogItem::Commit, 40));
        let place = |id: &ObjectId| commits.iter().position(|commit| commit.id == *id);
        let heads: Vec<_> =
            changes.items.iter().filter_map(|item| place(item.commits.last()?)).collect();
        prop_assert!(heads.is_sorted());
    }
}
