//! A real PostgreSQL on loopback, in a folder of its own; it stops when the test that began it ends, however it ends.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The server. A shell keeps it, and stops it when its own input ends.
pub struct Postgres {
    folder: tempfile::TempDir,
    port: u16,
    keeper: Option<Keeper>,
    databases: AtomicU32,
}

struct Keeper {
    shell: Child,
    input: ChildStdin,
}

/// Starts the server, says so, waits for the end of its input, stops the server and leaves nothing behind.
const KEEP: &str = r#"
"$@" pg_ctl -D "$DATA" -l "$DATA/log" -w -t 120 -o "$OPTIONS" start >&2 || exit 1
echo started
cat >/dev/null
"$@" pg_ctl -D "$DATA" -m immediate stop >&2
rm -rf "$ROOT"
"#;

impl Postgres {
    /// Returns the server that all tests of this program share; each makes databases of its own in it.
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Postgres::start)
    }

    /// Starts a server.
    pub fn start() -> Postgres {
        let folder = tempfile::Builder::new().prefix("lk-postgres-").tempdir().expect("a folder");
        if is_root() {
            let mut chown = Command::new("chown");
            run(chown.arg("postgres").arg(folder.path()));
        }
        let data = folder.path().join("data");
        let mut initdb = command(&as_owner(&["initdb"]));
        initdb.args(["-A", "trust", "-U", "lockkeeper", "-E", "UTF8", "--locale=C", "-N", "-D"]);
        run(initdb.arg(&data).current_dir(folder.path()));
        let port = free_port();
        let mut postgres = Postgres { folder, port, keeper: None, databases: AtomicU32::new(0) };
        postgres.go_on();
        postgres
    }

    /// Starts the server again after [`Postgres::stop`].
    pub fn go_on(&mut self) {
        let data = self.folder.path().join("data");
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 -c fsync={}",
            self.port,
            std::env::var("LOCKKEEPER_TEST_FSYNC").unwrap_or("off".to_owned())
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", KEEP, "keep"]).args(as_owner(&[])).current_dir(self.folder.path());
        shell.env("PATH", path()).env("DATA", data).env("OPTIONS", options);
        shell.env("ROOT", self.folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let log = std::fs::File::create(self.folder.path().join("keeper.log")).expect("a file");
        let mut shell = shell.stderr(log).spawn().expect("there is a shell");
        let mut said = String::new();
        let output = shell.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut said).expect("it says something");
        assert_eq!(said, "started\n", "postgres does not start: {}", self.log());
        let input = shell.stdin.take().expect("it is piped");
        self.keeper = Some(Keeper { shell, input });
    }

    /// Stops the server at once, as a crash would; what it has confirmed stays.
    pub fn stop(&mut self) {
        let mut stop = command(&as_owner(&["pg_ctl"]));
        stop.arg("-D").arg(self.folder.path().join("data")).args(["-m", "immediate", "stop"]);
        run(stop.current_dir(self.folder.path()));
        self.forget_keeper();
    }

    /// Lets the shell end without removing the folder that goes on being used.
    fn forget_keeper(&mut self) {
        if let Some(Keeper { mut shell, input }) = self.keeper.take() {
            let _ = shell.kill();
            drop(input);
            let _ = shell.wait();
        }
    }

    /// Makes an empty database and returns its address.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("lk{number}");
        let mut psql = self.psql("postgres");
        run(psql.arg("-c").arg(format!("CREATE DATABASE {name}")));
        format!("postgres://lockkeeper@127.0.0.1:{}/{name}", self.port)
    }

    /// Returns psql for one of the databases.
    pub fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new("psql");
        psql.env("PATH", path()).args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        psql.args(["-h", "127.0.0.1", "-U", "lockkeeper", "-p", &self.port.to_string()]);
        psql.args(["-d", database]);
        psql
    }

    fn log(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name));
        format!(
            "{}{}",
            read("keeper.log").unwrap_or_default(),
            read("data/log").unwrap_or_default()
        )
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(Keeper { mut shell, mut input }) = self.keeper.take() {
            let _ = input.flush();
            drop(input);
            let _ = shell.wait();
        }
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("there is id");
    id.stdout.starts_with(b"0\n")
}

/// Returns a command line for the user who owns the server, which refuses to run as root.
fn as_owner(line: &[&str]) -> Vec<String> {
    let user: &[&str] = match is_root() {
        true => &["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"],
        false => &["env"],
    };
    user.iter().chain(line).map(|word| (*word).to_owned()).collect()
}

fn command(line: &[String]) -> Command {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).env("PATH", path());
    command
}

/// Returns the search path with Debian's folder of each version's programs.
fn path() -> std::ffi::OsString {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    let rest = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&rest));
    let here = folders.iter().any(|folder: &PathBuf| Path::new(folder).join("initdb").exists());
    assert!(here, "PostgreSQL is not installed; tests/run does it");
    std::env::join_paths(folders).expect("folders without colons")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
    listener.local_addr().expect("it is bound").port()
}
