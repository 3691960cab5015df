//! Manners: how many questions a host gets at once, and how many in a second.
//!
//! Each host has lanes of its own, so that one that hangs keeps nobody else waiting. A host that has not answered yet
//! gets one question at a time, and after [`GIVE_UP`] without an answer no more: what hangs takes little room among
//! what is asked at once, and an end is found soon. All run in the task that asks: dropping it stops them.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::operator::PerHost;
use crate::outcome::{Fault, Problem, Result};

/// How many questions are asked at once over all hosts: each is a process.
const ALTOGETHER: usize = 16;

/// After how many questions in a row without an answer a host is asked nothing more. One may lie in the repository.
const GIVE_UP: u32 = 2;

/// Whether a host answered at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It did; "no" is an answer too.
    Answer,
    /// It let the time pass.
    Silence,
}

impl Heard {
    /// Tells by what a question to a host came to.
    pub fn of<T>(answer: &Result<T>) -> Heard {
        match answer {
            Err(Fault::Failed(problem)) if problem.code.0 == "git-timeout" => Heard::Silence,
            _ => Heard::Answer,
        }
    }
}

/// Says that a host was not asked, since it had answered nothing before.
pub(super) fn silent(host: &str) -> Fault {
    let words = format!("{host} answered none of the questions before this one: it was not asked");
    Problem::temporary("unreachable", words).into()
}

/// The questions to one host.
struct Host<T> {
    /// `None`: this machine.
    name: Option<String>,
    queue: Mutex<Queue<T>>,
    /// How many may be asked at once now.
    lanes: Semaphore,
}

/// The questions that wait, and when the next may begin.
struct Queue<T> {
    items: VecDeque<T>,
    next: Instant,
    /// How many were not answered since the last that was.
    silences: u32,
    has_answered: bool,
}

/// What is to be done next at a host.
enum Turn<T> {
    Ask(T, Instant),
    PassOver(T),
    End,
}

/// Asks every question of its host (`None`: this machine), and returns the answers as they came. `pass_over` answers
/// in the place of a host that is asked nothing more.
pub(super) async fn each<T, A, F: Future<Output = (A, Heard)>>(
    per_host: PerHost,
    questions: impl IntoIterator<Item = (Option<String>, T)>,
    ask: impl Fn(T) -> F,
    pass_over: impl Fn(T, &str) -> A,
) -> Vec<A> {
    let hosts = by_host(questions);
    let (answers, altogether) = (Mutex::new(Vec::new()), Semaphore::new(ALTOGETHER));
    let (answers_of, altogether, ask, pass_over) = (&answers, &altogether, &ask, &pass_over);
    let lanes = hosts.iter().flat_map(|host| {
        let most = lanes_of(host, per_host).min(lock(&host.queue).items.len());
        (0..most).map(move |_| async move {
            loop {
                let _lane = host.lanes.acquire().await;
                match host.turn(per_host) {
                    Turn::End => return,
                    Turn::PassOver(question) => {
                        let name = host.name.as_deref().unwrap_or("this machine");
                        lock(answers_of).push(pass_over(question, name));
                    }
                    Turn::Ask(question, begin) => {
                        tokio::time::sleep_until(begin).await;
                        let _turn = altogether.acquire().await;
                        let (answer, heard) = ask(question).await;
                        lock(answers_of).push(answer);
                        host.heard(heard, per_host);
                    }
                }
            }
        })
    });
    all(lanes.collect()).await;
    answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn by_host<T>(questions: impl IntoIterator<Item = (Option<String>, T)>) -> Vec<Host<T>> {
    let mut by_host: BTreeMap<Option<String>, VecDeque<T>> = BTreeMap::new();
    for (host, question) in questions {
        by_host.entry(host).or_default().push_back(question);
    }
    let next = Instant::now();
    let hosts = by_host.into_iter().map(|(name, items)| {
        let queue = Queue { items, next, silences: 0, has_answered: false };
        Host { name, queue: Mutex::new(queue), lanes: Semaphore::new(1) }
    });
    hosts.collect()
}

/// Returns how many questions a host that answers gets at once.
fn lanes_of<T>(host: &Host<T>, per_host: PerHost) -> usize {
    if host.name.is_some() { per_host.connections } else { ALTOGETHER }
}

impl<T> Host<T> {
    /// Takes the next question, and says when it may be asked.
    fn turn(&self, per_host: PerHost) -> Turn<T> {
        let mut queue = lock(&self.queue);
        let Some(question) = queue.items.pop_front() else { return Turn::End };
        if queue.silences >= GIVE_UP {
            return Turn::PassOver(question);
        }
        let begin = queue.next.max(Instant::now());
        if self.name.is_some() {
            queue.next = begin + Duration::from_secs(1) / per_host.per_second.max(1);
        }
        Turn::Ask(question, begin)
    }

    /// Opens the other lanes after the first answer, and counts what was not answered.
    fn heard(&self, heard: Heard, per_host: PerHost) {
        let mut queue = lock(&self.queue);
        match heard {
            Heard::Silence => queue.silences += 1,
            Heard::Answer => {
                queue.silences = 0;
                if !std::mem::replace(&mut queue.has_answered, true) {
                    self.lanes.add_permits(lanes_of(self, per_host).saturating_sub(1));
                }
            }
        }
    }
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

    fn per_host(connections: usize, per_second: u32) -> PerHost {
        PerHost { connections, per_second, answer: Duration::from_secs(1) }
    }

    fn answered(number: usize) -> (usize, Heard) {
        (number, Heard::Answer)
    }

    fn never(_: usize, host: &str) -> usize {
        panic!("{host} was given up")
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_gets_few_questions_at_once_and_in_a_second() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let begin = Instant::now();
        let ask = async |number| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            tokio::time::sleep(Duration::from_millis(40)).await;
            now.set(now.get() - 1);
            answered(number)
        };
        let answers = each(per_host(3, 100), questions(Some("forge.example"), 20), ask, never);
        assert_eq!(answers.await.len(), 20);
        assert_eq!(most.get(), 3);
        assert!(begin.elapsed() >= Duration::from_millis(190));
    }

    /// The number of a question that takes long.
    const SLOW: usize = 1000;

    #[tokio::test(start_paused = true)]
    async fn hosts_that_hang_keep_nobody_waiting() {
        let hosts = (0..ALTOGETHER - 1)
            .flat_map(|host| vec![(Some(format!("slow{host}.example")), SLOW); 3]);
        let mut all: Vec<_> = hosts.collect();
        all.extend(questions(Some("quick.example"), 20));
        let quick_done = Cell::new(0);
        let ask = async |number| {
            match number {
                SLOW => {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    assert_eq!(quick_done.get(), 20, "the quick host was kept waiting");
                }
                _ => quick_done.set(quick_done.get() + 1),
            }
            answered(number)
        };
        each(per_host(4, 1000), all, ask, never).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_answers_nothing_is_given_up_and_one_that_does_is_not() {
        let begin = Instant::now();
        let mut all = questions(Some("dead.example"), 1000);
        all.extend(questions(Some("odd.example"), 20));
        let asked = Cell::new(0);
        let answers = each(
            per_host(4, 100),
            all.into_iter().map(|(host, number)| (host.clone(), (host, number))),
            async |(host, number): (Option<String>, usize)| {
                // Every other repository of the odd host hangs.
                let hangs = host.as_deref() == Some("dead.example") || number % 2 == 1;
                asked.set(asked.get() + 1);
                match hangs {
                    true => {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                        (true, Heard::Silence)
                    }
                    false => {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        (true, Heard::Answer)
                    }
                }
            },
            |_, host| {
                assert!(["dead.example", "odd.example"].contains(&host));
                false
            },
        );
        let answers = answers.await;
        assert_eq!(answers.len(), 1020);
        assert!(answers.iter().filter(|was_asked| !**was_asked).count() >= 998);
        assert!(asked.get() > 2 && asked.get() <= 22);
        assert!(begin.elapsed() < Duration::from_secs(10 * 61));
    }

    #[tokio::test]
    async fn nothing_to_ask_ends_at_once() {
        let ask = async |number| answered(number);
        assert!(each(per_host(1, 1), questions(None, 0), ask, never).await.is_empty());
    }
}
