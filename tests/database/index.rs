//! The index of branches, and what is known of their sources.

use lockkeeper::database::{BranchEntry, BranchFilter, SourceSeen, Tracking};
use lockkeeper::names::ObjectId;

use crate::store::{Store, at, key, landed};

both! {
    a_branch_is_found_by_what_it_tracks,
    a_branch_that_changed_or_is_no_more_is_no_longer_found,
    tips_say_what_was_looked_at,
    branches_are_listed_page_by_page_and_filtered,
    a_source_that_moves_is_noticed,
    a_source_that_moves_in_silence_is_told,
    tracked_sources_are_listed_once_each,
    a_hundred_thousand_branches_are_looked_up_in_no_time,
}

fn tip(number: usize) -> ObjectId {
    format!("{number:040x}").parse().unwrap()
}

fn tracks(text: &str, source: &str, branch: &str) -> BranchEntry {
    let tracking = Tracking::Source {
        source: source.to_owned(),
        address: format!("https://{source}.git"),
        branch: branch.parse().unwrap(),
        config: "digest".to_owned(),
    };
    BranchEntry { key: key(text), tip: tip(1), tracking }
}

async fn found(store: &Store, source: &str, branch: &str) -> Vec<String> {
    let entries = store.db.by_source(source, &branch.parse().unwrap()).await.unwrap();
    entries.iter().map(|entry| entry.key.to_string()).collect()
}

async fn a_branch_is_found_by_what_it_tracks(store: &Store) {
    let entries = vec![
        tracks("hello#f44", "forge/hello", "main"),
        tracks("hello#f43", "forge/hello", "main"),
        tracks("hello#old", "forge/hello", "1.x"),
        tracks("other#f44", "forge/other", "main"),
    ];
    store.db.put_branches(entries.clone(), at(0)).await.unwrap();
    let both = ["local/hello#f43", "local/hello#f44"];
    assert_eq!(found(store, "forge/hello", "main").await, both);
    assert!(found(store, "forge/hello", "Main").await.is_empty());
    let all = store.db.by_source_repository("forge/hello").await.unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(all[1], entries[0]);
}

async fn a_branch_that_changed_or_is_no_more_is_no_longer_found(store: &Store) {
    let entry = |tracking| BranchEntry { key: key("hello#f44"), tip: tip(2), tracking };
    let original = tracks("hello#f44", "forge/hello", "main");
    for changed in [
        tracks("hello#f44", "forge/hello", "next"),
        entry(Tracking::Nothing),
        entry(Tracking::Faulty { why: "line 3".to_owned() }),
    ] {
        store.db.put_branches(vec![original.clone()], at(0)).await.unwrap();
        assert_eq!(found(store, "forge/hello", "main").await.len(), 1);
        store.db.put_branches(vec![changed.clone()], at(1)).await.unwrap();
        assert!(found(store, "forge/hello", "main").await.is_empty());
        let record = store.db.branch(&key("hello#f44")).await.unwrap().unwrap();
        assert_eq!((record.entry, record.looked_at), (changed, at(1)));
    }
    assert_eq!(store.db.branch_counts().await.unwrap().faulty, 1);
    store.db.remove_branches(vec![key("hello#f44"), key("gone#f44")]).await.unwrap();
    assert!(store.db.branch(&key("hello#f44")).await.unwrap().is_none());
}

async fn tips_say_what_was_looked_at(store: &Store) {
    let nothing = BranchEntry { key: key("hello#f43"), tip: tip(7), tracking: Tracking::Nothing };
    let entries = vec![tracks("hello#f44", "forge/hello", "main"), nothing];
    store.db.put_branches(entries, at(0)).await.unwrap();
    let (instance, package) = ("local".parse().unwrap(), "hello".parse().unwrap());
    let tips = store.db.tips(&instance, &package).await.unwrap();
    assert_eq!(tips.into_values().collect::<Vec<_>>(), [tip(7), tip(1)]);
    assert_eq!(store.db.indexed_packages(&instance).await.unwrap(), [package]);
}

async fn branches_are_listed_page_by_page_and_filtered(store: &Store) {
    let mut entries = Vec::new();
    for package in ["aa", "ab", "b", "b-plus"] {
        for branch in ["f43", "f44"] {
            entries.push(tracks(&format!("{package}#{branch}"), "forge/x", "main"));
        }
    }
    store.db.put_branches(entries, at(0)).await.unwrap();
    store.request("ab#f44", 0).await;
    let claim = store.claim(1).await.unwrap();
    store.finish(&claim, landed(), 2).await;

    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let filter = BranchFilter::default();
        let page = store.db.branches(&filter, after.as_ref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.entry.key.clone());
        pages.push(page.len());
    }
    assert_eq!(pages, [3, 3, 2]);

    let list = |filter: BranchFilter| async move {
        let page = store.db.branches(&filter, None, 99).await.unwrap();
        page.iter()
            .map(|r| format!("{}#{}", r.entry.key.package, r.entry.key.branch))
            .collect::<Vec<_>>()
    };
    let filter = BranchFilter::default;
    let prefix = BranchFilter { package_prefix: Some("a".to_owned()), ..filter() };
    assert_eq!(list(prefix).await, ["aa#f43", "aa#f44", "ab#f43", "ab#f44"]);
    let branch = BranchFilter { branch: Some("f44".parse().unwrap()), opted_in: true, ..filter() };
    assert_eq!(list(branch).await.len(), 4);
    let outcome = BranchFilter { outcome: Some("landed".to_owned()), ..filter() };
    assert_eq!(list(outcome).await, ["ab#f44"]);
    let other = BranchFilter { instance: Some("other".parse().unwrap()), ..filter() };
    assert!(list(other).await.is_empty());
    let record = store.db.branch(&key("ab#f44")).await.unwrap().unwrap();
    assert_eq!(record.standing.unwrap().run, claim.run);
}

async fn a_source_that_moves_is_noticed(store: &Store) {
    let look = |number, second| async move {
        let seen = vec![("forge/hello".to_owned(), "main".parse().unwrap(), tip(number))];
        store.db.sources_seen(seen, at(second)).await.unwrap()[0]
    };
    assert_eq!(look(1, 0).await, SourceSeen::First);
    assert_eq!(look(1, 10).await, SourceSeen::Same);
    let moved = SourceSeen::Moved { delivered_at: None, seen_at: Some(at(10)) };
    assert_eq!(look(2, 20).await, moved);
    assert_eq!(look(2, 30).await, SourceSeen::Same);
    let source = store.db.source("forge/hello", &"main".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(
        (source.tip, source.seen_at, source.moved_at),
        (Some(tip(2)), Some(at(30)), Some(at(20)))
    );
}

async fn a_source_that_moves_in_silence_is_told(store: &Store) {
    for (source, second, number) in
        [("quiet", 0, 1), ("still", 0, 1), ("quiet", 50, 2), ("still", 50, 1)]
    {
        let seen = vec![(source.to_owned(), "main".parse().unwrap(), tip(number))];
        store.db.sources_seen(seen, at(second)).await.unwrap();
    }
    let silent = store.db.silent_sources(at(10), at(40), 9).await.unwrap();
    assert_eq!(
        silent.iter().map(|source| source.source.as_str()).collect::<Vec<_>>(),
        ["quiet"]
    );
    assert!(store.db.silent_sources(at(51), at(40), 9).await.unwrap().is_empty());
}

async fn tracked_sources_are_listed_once_each(store: &Store) {
    let entries = vec![
        tracks("hello#f44", "forge/hello", "main"),
        tracks("hello#f43", "forge/hello", "main"),
        tracks("hello#old", "forge/hello", "1.x"),
        tracks("other#f44", "forge/other", "main"),
    ];
    store.db.put_branches(entries, at(0)).await.unwrap();
    let page = store.db.tracked_sources(None, 2).await.unwrap();
    assert_eq!(page[0].address, Some(format!("https://{}.git", page[0].source)));
    let shown = |page: &[lockkeeper::database::SourceRecord]| {
        page.iter().map(|s| format!("{}#{}", s.source, s.branch)).collect::<Vec<_>>()
    };
    assert_eq!(shown(&page), ["forge/hello#1.x", "forge/hello#main"]);
    let after = Some((page[1].source.as_str(), &page[1].branch));
    assert_eq!(shown(&store.db.tracked_sources(after, 2).await.unwrap()), ["forge/other#main"]);
}

/// Many fewer where time is short: the shape of the look-up is the same, an index.
async fn a_hundred_thousand_branches_are_looked_up_in_no_time(store: &Store) {
    let many = std::env::var("LOCKKEEPER_TEST_BRANCHES");
    let many: usize = many.map_or(5_000, |text| text.parse().expect("a number"));
    let entries = (0..many)
        .map(|n| tracks(&format!("p{}#f{}", n / 4, n % 4), &format!("forge/p{}", n / 4), "main"));
    store.db.put_branches(entries.collect(), at(0)).await.unwrap();
    let began = std::time::Instant::now();
    for number in 0..200 {
        let name = format!("forge/p{}", (number * 7919) % (many / 4));
        assert_eq!(found(store, &name, "main").await.len(), 4);
    }
    let each = began.elapsed() / 200;
    eprintln!("{many} branches: a look-up takes {each:?}");
    assert!(each.as_millis() < 20, "a look-up took {each:?}");
}
