//! A real sshd on loopback, with keys and configuration of its own, gone with the world.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::succeed;

/// The server; dropping it stops it.
pub struct Sshd {
    folder: PathBuf,
    port: u16,
    child: Child,
}

impl Sshd {
    /// Starts a server that lets in whoever runs the test, with a key made for it.
    pub fn start(folder: &Path) -> Sshd {
        std::fs::create_dir(folder).expect("a folder can be made");
        for name in ["host", "client"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(name));
            succeed(&mut keygen);
        }
        std::fs::copy(folder.join("client.pub"), folder.join("authorized")).expect("is copied");
        let port = free_port();
        std::fs::write(folder.join("sshd_config"), config(folder, port)).expect("is written");
        make_privilege_folder();
        let log = std::fs::File::create(folder.join("log")).expect("a file can be made");
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.arg("-D").arg("-e").arg("-f").arg(folder.join("sshd_config")).stderr(log);
        let child = sshd.stdin(Stdio::null()).spawn().expect("sshd is installed (tests/run)");
        let server = Sshd { folder: folder.to_owned(), port, child };
        server.wait();
        server.write_client();
        server
    }

    fn wait(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(Instant::now() < until, "sshd does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Writes an `ssh` that knows the key and the host, since the real one reads the real user's files.
    fn write_client(&self) {
        let shown = self.folder.display();
        let host = std::fs::read_to_string(self.folder.join("host.pub")).expect("it was made");
        let known = format!("[127.0.0.1]:{} {host}", self.port);
        std::fs::write(self.folder.join("known_hosts"), known).expect("is written");
        let config = format!(
            "IdentityFile {shown}/client\nIdentitiesOnly yes\nUserKnownHostsFile {shown}/known_hosts\n\
             GlobalKnownHostsFile /dev/null\n"
        );
        std::fs::write(self.folder.join("ssh_config"), config).expect("is written");
        std::fs::create_dir(self.bin()).expect("a folder can be made");
        let ssh = succeed(Command::new("sh").args(["-c", "command -v ssh"]));
        let ssh = String::from_utf8(ssh).expect("a path");
        let script = format!("#!/bin/sh\nexec {} -F {shown}/ssh_config \"$@\"\n", ssh.trim());
        std::fs::write(self.bin().join("ssh"), script).expect("is written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.bin().join("ssh"), executable).expect("it is ours");
    }

    /// Returns the folder of the `ssh` that reaches this server; it is to stand first on the `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// Returns the address of a path on this machine.
    pub fn url(&self, path: &Path) -> String {
        format!("ssh://127.0.0.1:{}{}", self.port, path.display())
    }

    /// Returns how many times somebody logged in so far.
    pub fn logins(&self) -> usize {
        self.log().matches("Accepted publickey").count()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(folder: &Path, port: u16) -> String {
    let shown = folder.display();
    format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/host\nPidFile none\n\
         AuthorizedKeysFile {shown}/authorized\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n\
         PasswordAuthentication no\nLogLevel INFO\nMaxStartups 100\n"
    )
}

/// Returns a port that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
    listener.local_addr().expect("it is bound").port()
}

/// Makes the empty folder that an sshd run by root wants; others need none.
fn make_privilege_folder() {
    let _ = std::fs::create_dir_all("/run/sshd");
}
