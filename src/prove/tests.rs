//! What rpm's own proof sees that a proof in git terms cannot.

use super::*;

#[test]
fn distributions_number_follows_from_the_dist_tag() {
    let cases = [
        (".fc44", Some(("fedora", "44"))),
        (".el9_4", Some(("rhel", "9"))),
        (".el10", Some(("rhel", "10"))),
        (".amzn2", None),
        (".fc", None),
    ];
    for (tag, wanted) in cases {
        let wanted = wanted.map(|(name, number)| (name, number.to_owned()));
        assert_eq!(distribution(tag), wanted, "{tag}");
    }
}

/// Runs a shell command in the sandbox and returns whether it succeeded, and what it said.
async fn inside(folder: &Path, command: &str) -> (bool, String) {
    let sandbox = Sandbox::find().await.expect("a sandbox is needed for this test");
    let command = ["sh", "-c", command].map(str::to_owned);
    let output = sandbox.invocation(folder, &command).run().await.expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn sandbox_shows_programs_and_one_folder_and_nothing_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(folder.path().join("given"), "given").unwrap();
    let hidden = format!("! cat {}", secret.path().display());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let no_network = format!("! timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'");
    let own = std::env::current_dir().unwrap();
    let cases = [
        "test \"$(cat given)\" = given && echo left >left",
        "echo x >/tmp/x && echo x >/dev/null",
        "! touch /usr/x && ! touch /etc/passwd && ! touch /x/y",
        "! ls /home /root /var /srv /mnt /opt",
        "test \"$HOME\" = /build/home && test -z \"${SSH_AUTH_SOCK:-}${USER:-}\"",
        "test \"$(ls -d /proc/[0-9]* | wc -l)\" -lt 8",
        "! mount -t tmpfs none /tmp && ! chroot / true",
        "grep -q 'NoNewPrivs:.*1' /proc/self/status && grep -q 'CapEff:.*0000000000000000' /proc/self/status",
        &hidden,
        &no_network,
        &format!("! ls {}", own.display()),
    ];
    for command in cases {
        let (succeeded, said) = inside(folder.path(), command).await;
        assert!(succeeded, "{command}: {said}");
    }
    assert_eq!(std::fs::read(folder.path().join("left")).unwrap(), b"left\n");
}
