//! Manners: how many questions a host gets at once, and how many in a second.
//!
//! Each host has lanes of its own, so that one that hangs keeps nobody else waiting. All run in the task that asks:
//! dropping it stops them.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::operator::PerHost;

/// How many questions are asked at once over all hosts: each is a process.
const ALTOGETHER: usize = 16;

/// The questions to one host that wait, and when the next may begin.
struct Queue<T> {
    items: VecDeque<T>,
    next: Instant,
}

/// Asks every question of its host (`None`: this machine), and returns the answers as they came.
pub(super) async fn each<T, A, F: Future<Output = A>>(
    per_host: PerHost,
    questions: impl IntoIterator<Item = (Option<String>, T)>,
    ask: impl Fn(T) -> F,
) -> Vec<A> {
    let mut by_host: BTreeMap<Option<String>, VecDeque<T>> = BTreeMap::new();
    for (host, question) in questions {
        by_host.entry(host).or_default().push_back(question);
    }
    let now = Instant::now();
    let queues: Vec<(bool, Mutex<Queue<T>>)> = by_host
        .into_iter()
        .map(|(host, items)| (host.is_some(), Mutex::new(Queue { items, next: now })))
        .collect();
    let (answers, altogether) = (Mutex::new(Vec::new()), Semaphore::new(ALTOGETHER));
    let (answers_of, altogether, ask) = (&answers, &altogether, &ask);
    let lanes = queues.iter().flat_map(|(is_remote, queue)| {
        let waiting = lock(queue).items.len();
        let lanes = if *is_remote { per_host.connections } else { ALTOGETHER };
        let pause = if *is_remote {
            Duration::from_secs(1) / per_host.per_second.max(1)
        } else {
            Duration::ZERO
        };
        (0..lanes.min(waiting)).map(move |_| async move {
            while let Some((question, begin)) = next(queue, pause) {
                tokio::time::sleep_until(begin).await;
                let _turn = altogether.acquire().await;
                let answer = ask(question).await;
                lock(answers_of).push(answer);
            }
        })
    });
    all(lanes.collect()).await;
    answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Takes the next question, and says when it may be asked.
fn next<T>(queue: &Mutex<Queue<T>>, pause: Duration) -> Option<(T, Instant)> {
    let mut queue = lock(queue);
    let question = queue.items.pop_front()?;
    let begin = queue.next.max(Instant::now());
    queue.next = begin + pause;
    Some((question, begin))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Runs futures side by side until all have ended.
async fn all<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    poll_fn(|context| {
        running.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn questions(host: Option<&str>, count: usize) -> Vec<(Option<String>, usize)> {
        (0..count).map(|number| (host.map(str::to_owned), number)).collect()
    }

    #[tokio::test]
    async fn a_host_gets_few_questions_at_once_and_in_a_second() {
        let per_host = PerHost { connections: 3, per_second: 100 };
        let (now, most) = (Cell::new(0), Cell::new(0));
        let begin = Instant::now();
        let answers = each(per_host, questions(Some("forge.example"), 20), async |number| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            tokio::time::sleep(Duration::from_millis(40)).await;
            now.set(now.get() - 1);
            number
        });
        assert_eq!(answers.await.len(), 20);
        assert_eq!(most.get(), 3);
        assert!(begin.elapsed() >= Duration::from_millis(190));
    }

    /// The number of a question that takes long.
    const SLOW: usize = 1000;

    #[tokio::test]
    async fn a_host_that_hangs_keeps_nobody_waiting() {
        let per_host = PerHost { connections: 1, per_second: 1000 };
        let mut all = vec![(Some("slow.example".to_owned()), SLOW); 3];
        all.extend(questions(Some("quick.example"), 20));
        let quick_done = Cell::new(0);
        each(per_host, all, async |number| match number {
            SLOW => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                assert_eq!(quick_done.get(), 20, "the quick host was kept waiting");
            }
            _ => quick_done.set(quick_done.get() + 1),
        })
        .await;
    }

    #[tokio::test]
    async fn nothing_to_ask_ends_at_once() {
        let per_host = PerHost { connections: 1, per_second: 1 };
        assert!(each(per_host, questions(None, 0), async |number| number).await.is_empty());
    }
}
