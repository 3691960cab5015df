//! The outbox: the last state of each thing wins, and no thing is made twice over there.

use std::time::Duration;

use lockkeeper::database::{MessageState, Sending, Sent};

use crate::store::{Store, at, landed, message, message_key};

both! {
    a_message_waits_until_it_was_taken,
    a_newer_message_takes_the_place_of_one_that_waits,
    what_an_older_run_says_is_not_taken,
    a_state_that_came_while_another_was_sent_is_sent_next,
    what_a_thing_is_called_over_there_is_remembered,
    a_failed_message_is_tried_again_when_it_is_due,
    what_was_given_up_is_tried_again_when_there_is_news,
    two_couriers_never_send_one_message,
    a_lease_is_renewed_or_given_back_by_whoever_has_it,
    a_process_that_begins_frees_what_the_last_one_was_sending,
    sent_messages_are_forgotten_after_a_while,
}

const LEASE: Duration = Duration::from_secs(30);

async fn due(store: &Store, second: i64) -> Vec<Sending> {
    store.db.due_messages(9, LEASE, at(second)).await.unwrap()
}

async fn put(store: &Store, subject: &str, text: &str, rank: i64, second: i64) -> bool {
    store.db.put_message(message(subject, text), rank, at(second)).await.unwrap()
}

async fn a_message_waits_until_it_was_taken(store: &Store) {
    store.request("hello#f44", 0).await;
    let claim = store.claim(0).await.unwrap();
    let mut end = landed();
    end.messages = vec![message("commit-b", "2"), message("commit-a", "1")];
    store.finish(&claim, end, 1).await;
    assert_eq!(store.db.next_message_at().await.unwrap(), Some(at(1)));
    let sending = due(store, 1).await;
    assert_eq!(sending.len(), 2);
    assert!(due(store, 30).await.is_empty(), "somebody has them");
    assert_eq!(due(store, 31).await, sending, "and was not heard of again");
    for message in &sending {
        assert_eq!(store.db.message_sent(message, None, at(32)).await.unwrap(), Sent::Current);
    }
    assert!(due(store, 1000).await.is_empty());
    assert_eq!(store.db.message_counts().await.unwrap().waiting, 0);
    let about = store.db.messages_about("github", "commit-a").await.unwrap();
    assert_eq!((about.len(), about[0].state), (1, MessageState::Sent));
}

async fn a_newer_message_takes_the_place_of_one_that_waits(store: &Store) {
    assert!(put(store, "commit-a", "pending", 1, 0).await);
    assert!(put(store, "commit-a", "success", 2, 1).await);
    let sending = due(store, 1).await;
    assert_eq!(sending.len(), 1);
    assert_eq!(sending[0].payload["text"], "success");
}

async fn what_an_older_run_says_is_not_taken(store: &Store) {
    assert!(put(store, "commit-a", "newer", 7, 0).await);
    assert!(!put(store, "commit-a", "older", 6, 1).await);
    assert!(put(store, "commit-b", "older, of another thing", 6, 1).await);
    let sent = &due(store, 1).await[0];
    assert_eq!(sent.payload["text"], "newer");
    store.db.message_sent(sent, None, at(2)).await.unwrap();
    assert!(!put(store, "commit-a", "older still", 5, 3).await);
    assert_eq!(due(store, 40).await.len(), 1, "only the other thing");
}

async fn a_state_that_came_while_another_was_sent_is_sent_next(store: &Store) {
    put(store, "commit-a", "pending", 1, 0).await;
    let pending = due(store, 0).await.remove(0);
    put(store, "commit-a", "success", 2, 1).await;
    assert!(due(store, 1).await.is_empty(), "two requests could overtake each other");
    let sent = store.db.message_sent(&pending, Some("42".to_owned()), at(2)).await.unwrap();
    assert_eq!(sent, Sent::Outdated);
    let success = due(store, 2).await.remove(0);
    assert_eq!(
        (&success.payload["text"], success.remote_id.as_deref()),
        (&"success".into(), Some("42"))
    );
    assert_eq!(store.db.message_sent(&success, None, at(3)).await.unwrap(), Sent::Current);
}

async fn what_a_thing_is_called_over_there_is_remembered(store: &Store) {
    put(store, "commit-a", "first", 1, 0).await;
    let first = due(store, 0).await.remove(0);
    store.db.remember_remote_id(&first.key, "comment-7").await.unwrap();
    // The courier dies here; the next one edits what is there already.
    let again = due(store, 60).await.remove(0);
    assert_eq!(again.remote_id.as_deref(), Some("comment-7"));
    store.db.message_sent(&again, None, at(61)).await.unwrap();
    put(store, "commit-a", "second", 2, 62).await;
    assert_eq!(due(store, 62).await[0].remote_id.as_deref(), Some("comment-7"));
}

async fn a_failed_message_is_tried_again_when_it_is_due(store: &Store) {
    put(store, "commit-a", "x", 1, 0).await;
    let sending = due(store, 0).await.remove(0);
    store.db.message_failed(&sending, "502", Some(at(50)), at(1)).await.unwrap();
    assert!(due(store, 49).await.is_empty());
    let again = due(store, 50).await.remove(0);
    assert_eq!(again.attempts, 1);
    let record = store.db.message(&message_key("commit-a")).await.unwrap().unwrap();
    assert_eq!((record.state, record.failure.as_deref()), (MessageState::Waiting, Some("502")));
}

async fn what_was_given_up_is_tried_again_when_there_is_news(store: &Store) {
    put(store, "commit-a", "x", 1, 0).await;
    let sending = due(store, 0).await.remove(0);
    store.db.message_failed(&sending, "404", None, at(1)).await.unwrap();
    assert!(due(store, 1000).await.is_empty());
    assert_eq!(store.db.message_counts().await.unwrap().given_up, 1);
    let unsent = store.db.messages_unsent(9).await.unwrap();
    assert_eq!((unsent.len(), unsent[0].state), (1, MessageState::GivenUp));
    put(store, "commit-a", "y", 2, 1001).await;
    assert_eq!(due(store, 1001).await[0].attempts, 0);
}

async fn two_couriers_never_send_one_message(store: &Store) {
    for number in 0..100 {
        put(store, &format!("commit-{number}"), "x", 1, 0).await;
    }
    let nodes = [store.db.clone(), store.another_node().await];
    let mut couriers = Vec::new();
    for courier in 0..4 {
        let db = nodes[courier % 2].clone();
        couriers.push(tokio::spawn(async move {
            let mut subjects = Vec::new();
            loop {
                let sending = db.due_messages(7, LEASE, at(1)).await.unwrap();
                if sending.is_empty() {
                    return subjects;
                }
                for message in sending {
                    db.message_sent(&message, None, at(1)).await.unwrap();
                    subjects.push(message.key.subject);
                }
            }
        }));
    }
    let mut all = Vec::new();
    for courier in couriers {
        all.extend(courier.await.unwrap());
    }
    all.sort();
    let sent = all.len();
    all.dedup();
    assert_eq!(all.len(), sent, "one was sent twice");
    // PostgreSQL's couriers pass over what the other one is looking at; nothing is lost by it.
    all.extend(due(store, 2).await.into_iter().map(|message| message.key.subject));
    assert_eq!(all.len(), 100);
}

async fn a_lease_is_renewed_or_given_back_by_whoever_has_it(store: &Store) {
    put(store, "commit-a", "x", 1, 0).await;
    put(store, "commit-b", "x", 1, 0).await;
    let ours = due(store, 0).await;
    store.db.message_sent(&ours[0], None, at(1)).await.unwrap();
    // Only what is still on its way is lent anew.
    let renewed = store.db.lend_messages(&ours, at(30), Some(at(40))).await.unwrap();
    assert_eq!(renewed, 1);
    assert!(due(store, 39).await.is_empty());
    let theirs = due(store, 40).await;
    assert_eq!(theirs.len(), 1);
    // Whoever was thought dead neither keeps nor gives away what is another's.
    for until in [Some(at(90)), None] {
        assert_eq!(store.db.lend_messages(&ours, at(40), until).await.unwrap(), 0);
    }
    assert!(due(store, 41).await.is_empty());
    assert_eq!(store.db.lend_messages(&theirs, at(70), None).await.unwrap(), 1);
    assert_eq!(due(store, 41).await, theirs);
}

async fn a_process_that_begins_frees_what_the_last_one_was_sending(store: &Store) {
    put(store, "commit-a", "x", 1, 0).await;
    put(store, "commit-b", "x", 1, 0).await;
    let sending = due(store, 0).await;
    store.db.message_sent(&sending[0], None, at(0)).await.unwrap();
    // Killed in the middle of the second one.
    assert_eq!(store.db.free_messages().await.unwrap(), 1);
    assert_eq!(due(store, 1).await, sending[1..]);
}

async fn sent_messages_are_forgotten_after_a_while(store: &Store) {
    put(store, "commit-a", "x", 1, 0).await;
    put(store, "commit-b", "x", 1, 0).await;
    let sending = due(store, 0).await;
    store.db.message_sent(&sending[0], None, at(1)).await.unwrap();
    assert_eq!(store.db.prune_messages(at(1)).await.unwrap(), 0);
    assert_eq!(store.db.prune_messages(at(2)).await.unwrap(), 1);
    assert_eq!(store.db.messages_unsent(9).await.unwrap().len(), 1);
}
