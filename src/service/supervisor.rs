//! The supervisor above us: systemd is told when the service is ready, that it lives, and that it stops.
//!
//! A datagram to the socket that `$NOTIFY_SOCKET` names; where there is none, nobody is told and nothing is wrong.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where the supervisor listens, and how often it wants to hear that we live.
#[derive(Debug, Clone, Default)]
pub struct Supervisor {
    socket: Option<OsString>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// Understands `$NOTIFY_SOCKET` and `$WATCHDOG_USEC`.
    pub fn new(socket: Option<OsString>, watchdog_microseconds: Option<&str>) -> Supervisor {
        let watchdog = watchdog_microseconds.and_then(|text| text.parse().ok());
        Supervisor {
            socket: socket.filter(|name| !name.is_empty()),
            watchdog: watchdog.map(Duration::from_micros),
        }
    }

    /// Returns how often to say that we live: twice in each interval.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.watchdog.map(|interval| interval / 2).filter(|half| !half.is_zero())
    }

    /// Says that requests are answered from now on.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// Says that we live.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// Says that we are on our way out.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=finishing what runs");
    }

    fn say(&self, words: &str) {
        let Some(socket) = &self.socket else { return };
        let sent = address(socket)
            .and_then(|address| UnixDatagram::unbound()?.send_to_addr(words.as_bytes(), &address));
        if let Err(error) = sent {
            tracing::debug!(%error, "the supervisor could not be told");
        }
    }
}

/// Returns the address of a path, or of an abstract name that begins with `@`.
fn address(socket: &OsString) -> std::io::Result<SocketAddr> {
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supervisor_hears_of_start_life_and_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let supervisor = Supervisor::new(Some(path.into_os_string()), Some("4000000"));
        assert_eq!(supervisor.heartbeat(), Some(Duration::from_secs(2)));
        supervisor.ready("listening at 127.0.0.1:8080");
        supervisor.alive();
        supervisor.stopping();
        let mut heard = Vec::new();
        for _ in 0..3 {
            let mut buffer = [0; 200];
            let length = socket.recv(&mut buffer).unwrap();
            heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        assert_eq!(heard[0], "READY=1\nSTATUS=listening at 127.0.0.1:8080");
        assert_eq!(heard[1], "WATCHDOG=1");
        assert!(heard[2].starts_with("STOPPING=1"));
    }

    #[test]
    fn without_a_supervisor_nobody_is_told() {
        let supervisor = Supervisor::new(None, None);
        assert_eq!(supervisor.heartbeat(), None);
        supervisor.ready("x");
    }
}
