//! Waiting, and futures side by side; what is delivered is told in `tests/stories/forges.rs`.

use super::*;

#[test]
fn waits_grow_to_an_hour() {
    let waits: Vec<u64> = [0, 1, 2, 6, 7, 1000].map(|attempts| after(attempts).as_secs()).to_vec();
    assert_eq!(waits, [30, 60, 120, 1920, 3600, 3600]);
    assert_eq!(later(Timestamp::MAX, LONGEST_WAIT), Timestamp::MAX);
}

#[tokio::test]
async fn futures_run_side_by_side() {
    let (first, second) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    // Each waits for the other: one after the other would never end.
    let meet = async |mine: &tokio::sync::Notify, other: &tokio::sync::Notify, word: u8| {
        other.notify_one();
        mine.notified().await;
        word
    };
    let both = together(vec![meet(&first, &second, 1), meet(&second, &first, 2)]).await;
    assert_eq!(both, [1, 2]);
    assert!(together(Vec::<std::future::Ready<u8>>::new()).await.is_empty());
}
