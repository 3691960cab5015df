//! Deliveries: stored once, answered when durable, routed once.

use std::collections::BTreeSet;

use lockkeeper::database::{JobRequest, Requested, Routing, Stored};
use lockkeeper::queue::Cause;

use crate::store::{Store, at, delivery, key};

both! {
    a_delivery_is_stored_once,
    deliveries_that_arrive_together_are_each_answered_for_themselves,
    a_delivery_is_routed_once_with_all_its_jobs,
    payloads_are_forgotten_before_ids,
    deliveries_are_listed_newest_first,
}

async fn a_delivery_is_stored_once(store: &Store) {
    let stored = |hook, id| store.db.store_delivery(delivery(hook, id));
    assert_eq!(stored("src", "a").await.unwrap(), Stored::New);
    assert_eq!(stored("src", "a").await.unwrap(), Stored::Duplicate);
    assert_eq!(stored("other", "a").await.unwrap(), Stored::New, "ids are a hook's own");
    let waiting = store.db.deliveries_to_route(10).await.unwrap();
    assert_eq!(waiting.len(), 2);
    assert_eq!(waiting[0].delivery, delivery("src", "a"));
}

async fn deliveries_that_arrive_together_are_each_answered_for_themselves(store: &Store) {
    let other = store.another_node().await;
    let mut tasks = Vec::new();
    for number in 0..400 {
        let db = if number % 2 == 0 { store.db.clone() } else { other.clone() };
        // Each id is sent twice, half of the time through the other node.
        let new = delivery("src", &format!("id-{}", number / 2));
        tasks.push(tokio::spawn(async move { db.store_delivery(new).await.unwrap() }));
    }
    let mut new = 0;
    for task in tasks {
        new += usize::from(task.await.unwrap() == Stored::New);
    }
    let waiting = store.db.deliveries_to_route(1000).await.unwrap();
    let ids: BTreeSet<String> = waiting.iter().map(|row| row.delivery.id.to_string()).collect();
    assert_eq!((new, waiting.len(), ids.len()), (200, 200, 200));
}

async fn a_delivery_is_routed_once_with_all_its_jobs(store: &Store) {
    store.db.store_delivery(delivery("src", "a")).await.unwrap();
    let row = store.db.deliveries_to_route(1).await.unwrap()[0].row;
    let cause = Cause::Delivery { hook: "src".parse().unwrap(), id: "a".parse().unwrap() };
    let request = |text| JobRequest { key: key(text), cause: cause.clone(), not_before: at(0) };
    let routing = Routing {
        requests: vec![request("hello#f44"), request("hello#f43"), request("hello#f44")],
        spoke_of: vec![("forge.example/hello".to_owned(), "main".parse().unwrap())],
        note: "2 branches".to_owned(),
    };
    let requested = store.db.route(row, routing.clone(), at(1)).await.unwrap();
    use Requested::{Absorbed, New};
    assert_eq!(requested, Some(vec![New, New, Absorbed]));
    assert_eq!(store.db.route(row, routing, at(2)).await.unwrap(), None);
    assert_eq!(store.jobs().await, ["local/hello#f43", "local/hello#f44"]);
    assert!(store.db.deliveries_to_route(1).await.unwrap().is_empty());
    let source = store.db.source("forge.example/hello", &"main".parse().unwrap()).await.unwrap();
    assert_eq!(source.unwrap().delivered_at, Some(at(1)));
    let listed = &store.db.deliveries(None, None, 1).await.unwrap()[0];
    assert_eq!((listed.routed_at, listed.note.as_deref()), (Some(at(1)), Some("2 branches")));
}

async fn payloads_are_forgotten_before_ids(store: &Store) {
    for id in ["a", "b", "unrouted"] {
        store.db.store_delivery(delivery("src", id)).await.unwrap();
    }
    for waiting in store.db.deliveries_to_route(2).await.unwrap() {
        store.db.route(waiting.row, Routing::default(), at(1)).await.unwrap();
    }
    assert_eq!(store.db.prune_deliveries(at(1), at(-1)).await.unwrap(), 2);
    assert_eq!(store.db.prune_deliveries(at(1), at(-1)).await.unwrap(), 0);
    let again = store.db.store_delivery(delivery("src", "a")).await.unwrap();
    assert_eq!(again, Stored::Duplicate, "its id is known as long as its row is there");
    assert_eq!(store.db.prune_deliveries(at(1), at(1)).await.unwrap(), 2);
    let waiting = store.db.deliveries_to_route(10).await.unwrap();
    assert_eq!(waiting.len(), 1, "what nobody has read is never forgotten");
    assert_eq!(waiting[0].delivery, delivery("src", "unrouted"));
}

async fn deliveries_are_listed_newest_first(store: &Store) {
    for id in ["a", "b", "c"] {
        store.db.store_delivery(delivery("src", id)).await.unwrap();
        store.db.store_delivery(delivery("other", id)).await.unwrap();
    }
    let src = "src".parse().unwrap();
    let page = store.db.deliveries(Some(&src), None, 2).await.unwrap();
    let ids: Vec<&str> = page.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["c", "b"]);
    let page = store.db.deliveries(Some(&src), Some(page[1].row), 2).await.unwrap();
    assert_eq!(page.len(), 1);
    let last = store.db.last_deliveries().await.unwrap();
    let last: Vec<String> = last.iter().map(|row| format!("{} {}", row.hook, row.id)).collect();
    assert_eq!(last, ["other c", "src c"]);
}
