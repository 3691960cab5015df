//! The workers and what they share: one walker, any number of workers, one writer.
//!
//! The walker hands out runs of entries; workers render runs to pieces of tar; the writer (the caller's
//! own thread) lines the pieces up, cuts them into blocks, gives those to the workers to deflate, and writes
//! what comes back, in order.
//!
//! Memory stays flat: each of the three queues has a bound. Nothing can wait for ever: a run or piece
//! that the writer needs next is exempt from the bounds, and whoever ends early, by an error or a panic,
//! tells all the others ([`Guard`]).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::gzip::{Block, Deflated};
use super::render::Notes;
use super::walk::Entry;
use crate::outcome::Fault;

/// Entries in a run.
pub(super) const RUN: usize = 64;
/// Runs that may wait to be rendered.
const RUNS_WAITING: usize = 64;
/// Length at which a worker hands in what it has rendered, and gives back the rest of the run.
pub(super) const PIECE: usize = 512 * 1024;
/// Bytes that may be rendered before the writer needs them.
const RENDERED_AHEAD: usize = 8 * 1024 * 1024;

/// Entries to be rendered; a run is known by the number of its first entry.
pub(super) type Run = VecDeque<Entry>;

/// Rendered entries: all from one number up to, and without, `end`.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) end: u64,
    pub(super) tar: Vec<u8>,
    pub(super) notes: Notes,
}

/// What a worker is to do next.
pub(super) enum Task {
    Deflate { number: u64, block: Block },
    Render { start: u64, run: Run },
}

/// What the writer is to do next.
pub(super) enum Arrival {
    /// The next block is deflated.
    Deflated(Deflated),
    /// The next piece is rendered.
    Piece(Piece),
    /// The walk is over and every piece was taken.
    NoMorePieces,
    /// Every block was taken.
    NoMoreBlocks,
}

#[derive(Default)]
struct State {
    stopped: bool,
    /// The number of entries, once the walk is over.
    walked: Option<u64>,
    runs: BTreeMap<u64, Run>,
    /// Workers that render just now.
    rendering: usize,
    pieces: BTreeMap<u64, Result<Piece, Fault>>,
    rendered_bytes: usize,
    /// The number of the entry that the writer needs next.
    next_entry: u64,
    blocks: VecDeque<(u64, Block)>,
    blocks_made: u64,
    /// No block will be added.
    blocks_closed: bool,
    deflated: BTreeMap<u64, Deflated>,
    /// The number of the block that the writer needs next.
    next_block: u64,
}

/// What walker, workers and writer share.
pub(super) struct Crew {
    state: Mutex<State>,
    changed: Condvar,
    blocks_ahead: u64,
}

impl Crew {
    /// Returns the shared state for so many workers.
    pub(super) fn new(workers: usize) -> Crew {
        let blocks_ahead = workers as u64 * 4 + 2;
        Crew { state: Mutex::default(), changed: Condvar::new(), blocks_ahead }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the shared state and wakes whoever waits for that.
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Sends everybody home.
    pub(super) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Walker: hands out a run; returns whether there is any use in walking on.
    pub(super) fn add_run(&self, start: u64, run: Run) -> bool {
        let mut state = self.lock();
        while !state.stopped && state.runs.len() >= RUNS_WAITING {
            state = self.wait(state);
        }
        state.runs.insert(start, run);
        self.changed.notify_all();
        !state.stopped
    }

    /// Walker: says how the walk ended after so many entries. An error takes its place in the order.
    pub(super) fn end_walk(&self, entries: u64, outcome: Result<(), Fault>) {
        self.change(|state| {
            state.walked = Some(entries);
            if let Err(fault) = outcome {
                state.pieces.insert(entries, Err(fault));
            }
        });
    }

    /// Worker: waits for something to do; `None` when all is done.
    pub(super) fn next_task(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some((number, block)) = state.blocks.pop_front() {
                return Some(Task::Deflate { number, block });
            }
            if let Some((start, run)) = state.take_run() {
                self.changed.notify_all();
                return Some(Task::Render { start, run });
            }
            if state.blocks_closed {
                return None;
            }
            state = self.wait(state);
        }
    }

    /// Worker: hands in what was rendered from entry `start` on, and gives back what is left of the run.
    pub(super) fn add_piece(&self, start: u64, piece: Result<Piece, Fault>, rest: Run) {
        self.change(|state| {
            state.rendering -= 1;
            if let Ok(piece) = &piece {
                state.rendered_bytes += piece.tar.len();
                if !rest.is_empty() {
                    state.runs.insert(piece.end, rest);
                }
            }
            state.pieces.insert(start, piece);
        });
    }

    /// Worker: hands in a deflated block.
    pub(super) fn add_deflated(&self, number: u64, deflated: Deflated) {
        self.change(|state| {
            state.deflated.insert(number, deflated);
        });
    }

    /// Writer: gives a block to the workers.
    pub(super) fn add_block(&self, block: Block) {
        self.change(|state| {
            state.blocks.push_back((state.blocks_made, block));
            state.blocks_made += 1;
        });
    }

    /// Writer: says that the last block was given.
    pub(super) fn close_blocks(&self) {
        self.change(|state| state.blocks_closed = true);
    }

    /// Writer: tells whether another block may be given before some have come back.
    pub(super) fn has_room_for_block(&self) -> bool {
        let state = self.lock();
        state.blocks_made - state.next_block < self.blocks_ahead
    }

    /// Writer: waits for the next deflated block, or, if `wants_piece`, for the next piece.
    ///
    /// `None` where a worker gave up without a word, which only a panic makes it do.
    pub(super) fn next_arrival(&self, wants_piece: bool) -> Option<Result<Arrival, Fault>> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(arrival) = state.take_arrival(wants_piece) {
                self.changed.notify_all();
                return Some(arrival);
            }
            state = self.wait(state);
        }
    }
}

impl State {
    fn take_run(&mut self) -> Option<(u64, Run)> {
        let start = *self.runs.first_key_value()?.0;
        let ahead = self.rendered_bytes + self.rendering * PIECE;
        if start != self.next_entry && ahead >= RENDERED_AHEAD {
            return None;
        }
        self.rendering += 1;
        self.runs.pop_first()
    }

    fn take_arrival(&mut self, wants_piece: bool) -> Option<Result<Arrival, Fault>> {
        if let Some(deflated) = self.deflated.remove(&self.next_block) {
            self.next_block += 1;
            return Some(Ok(Arrival::Deflated(deflated)));
        }
        if self.blocks_closed && self.next_block == self.blocks_made {
            return Some(Ok(Arrival::NoMoreBlocks));
        }
        if wants_piece { self.take_piece() } else { None }
    }

    fn take_piece(&mut self) -> Option<Result<Arrival, Fault>> {
        match self.pieces.remove(&self.next_entry) {
            Some(Ok(piece)) => {
                self.rendered_bytes -= piece.tar.len();
                self.next_entry = piece.end;
                Some(Ok(Arrival::Piece(piece)))
            }
            Some(Err(fault)) => Some(Err(fault)),
            None => (self.walked == Some(self.next_entry)).then_some(Ok(Arrival::NoMorePieces)),
        }
    }
}

/// Sends the others home when its thread ends early: `Always` for the writer, without whom nothing
/// gets done, else only on a panic.
pub(super) struct Guard<'a> {
    crew: &'a Crew,
    when: When,
}

/// When a [`Guard`] acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Whenever it is dropped.
    Always,
    /// When it is dropped by a panic.
    Panicking,
}

impl<'a> Guard<'a> {
    /// Returns a guard for this thread.
    pub(super) fn new(crew: &'a Crew, when: When) -> Guard<'a> {
        Guard { crew, when }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.when == When::Always || std::thread::panicking() {
            self.crew.stop();
        }
    }
}
