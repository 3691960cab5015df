//! As little as can be between a delivery and the disk: SQLite's own C interface, one prepared statement, one thread
//! that commits what has gathered.

use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::mpsc::{Receiver, Sender, channel};

use axum::body::Bytes;
use libsqlite3_sys as ffi;
use tokio::sync::oneshot;

/// The most deliveries in one transaction, as in the real writer.
const GROUP: usize = 256;

const TABLE: &CStr = c"
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE deliveries (id INTEGER PRIMARY KEY, hook TEXT NOT NULL, delivery TEXT NOT NULL,
        event TEXT NOT NULL, body BLOB, received_at INTEGER NOT NULL, UNIQUE (hook, delivery));
";
const INSERT: &CStr = c"INSERT INTO deliveries (hook, delivery, event, body, received_at)
    VALUES ('src', ?, 'push', ?, 0) ON CONFLICT DO NOTHING";

struct Wanted {
    id: String,
    body: Bytes,
    reply: oneshot::Sender<bool>,
}

/// The sending end.
pub struct Writer {
    sender: Sender<Wanted>,
}

impl Writer {
    /// Opens the database and starts its thread.
    pub fn start(path: &Path) -> Writer {
        let (sender, receiver) = channel();
        let path = CString::new(path.to_str().expect("UTF-8")).expect("no NUL");
        std::thread::spawn(move || write(&Connection::open(&path), &receiver));
        Writer { sender }
    }

    /// Stores a delivery; returns once it is durable.
    pub async fn store(&self, id: String, body: Bytes) -> bool {
        let (reply, answer) = oneshot::channel();
        self.sender.send(Wanted { id, body, reply }).is_ok() && answer.await.unwrap_or(false)
    }
}

fn write(connection: &Connection, receiver: &Receiver<Wanted>) {
    while let Ok(first) = receiver.recv() {
        let mut group = vec![first];
        group.extend(receiver.try_iter().take(GROUP - 1));
        connection.run(c"BEGIN IMMEDIATE");
        for wanted in &group {
            connection.insert(&wanted.id, &wanted.body);
        }
        connection.run(c"COMMIT");
        for wanted in group {
            let _ = wanted.reply.send(true);
        }
    }
}

struct Connection {
    handle: *mut ffi::sqlite3,
    insert: *mut ffi::sqlite3_stmt,
}

// The benchmark alone speaks C; the program itself forbids it. Every result is checked, and what is bound outlives
// the step that reads it.
#[allow(unsafe_code)]
impl Connection {
    fn open(path: &CStr) -> Connection {
        let (mut handle, mut insert) = (null_mut(), null_mut());
        unsafe {
            assert_eq!(ffi::sqlite3_open(path.as_ptr(), &mut handle), ffi::SQLITE_OK);
            let connection = Connection { handle, insert };
            connection.run(TABLE);
            let prepared =
                ffi::sqlite3_prepare_v2(handle, INSERT.as_ptr(), -1, &mut insert, null_mut());
            assert_eq!(prepared, ffi::SQLITE_OK);
        }
        Connection { handle, insert }
    }

    fn run(&self, sql: &CStr) {
        let done =
            unsafe { ffi::sqlite3_exec(self.handle, sql.as_ptr(), None, null_mut(), null_mut()) };
        assert_eq!(done, ffi::SQLITE_OK, "{sql:?}");
    }

    fn insert(&self, id: &str, body: &[u8]) {
        let text = id.as_ptr().cast();
        unsafe {
            ffi::sqlite3_bind_text(self.insert, 1, text, id.len() as i32, None);
            ffi::sqlite3_bind_blob(self.insert, 2, body.as_ptr().cast(), body.len() as i32, None);
            assert_eq!(ffi::sqlite3_step(self.insert), ffi::SQLITE_DONE);
            assert_eq!(ffi::sqlite3_reset(self.insert), ffi::SQLITE_OK);
            ffi::sqlite3_bind_blob(self.insert, 2, null(), 0, None);
        }
    }
}
