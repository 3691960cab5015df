//! Stories of bot keys; git itself says whether it believes what they sign.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::*;

const BARE_COMMIT: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
    author Bot <bot@example.org> 1700000000 +0000\n\
    committer Bot <bot@example.org> 1700000000 +0000\n\
    \n\
    Update to 1.2-1 from main\n";

fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000)
}

fn yesterday() -> SystemTime {
    SystemTime::now() - Duration::from_secs(86_400)
}

fn hermetic(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(home)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("a PATH"));
    command.env("HOME", home).env("GNUPGHOME", home.join("gnupg"));
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

fn run(command: &mut Command, input: &[u8]) -> (bool, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the tool is installed");
    child.stdin.take().expect("a pipe").write_all(input).expect("the tool reads its input");
    let output = child.wait_with_output().expect("the tool ends");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn with_signature(armour: &str) -> String {
    let header = format!("gpgsig {}\n", armour.trim_end().replace('\n', "\n "));
    BARE_COMMIT.replacen("\n\n", &format!("\n{header}\n"), 1)
}

/// Signs a commit, writes it into a bare repository and asks git.
fn git_believes(key: &BotKey, home: &Path) -> (bool, String) {
    let git = |arguments: &[&str], input: &[u8]| {
        run(hermetic("git", home).args(["-C", "repository.git"]).args(arguments), input)
    };
    assert!(run(hermetic("git", home).args(["init", "-q", "--bare", "repository.git"]), b"").0);
    let armour = key.sign(BARE_COMMIT.as_bytes(), SystemTime::now()).expect("signs");
    let commit = with_signature(&armour);
    let (written, id) = git(&["hash-object", "-t", "commit", "-w", "--stdin"], commit.as_bytes());
    assert!(written, "{id}");
    let allowed = home.join("allowed").display().to_string();
    let option = format!("gpg.ssh.allowedSignersFile={allowed}");
    git(&["-c", &option, "verify-commit", id.trim()], b"")
}

#[test]
fn git_believes_commits_signed_with_a_generated_openpgp_key() {
    let home = tempfile::tempdir().expect("a folder");
    let key = BotKey::generate_openpgp("Bot <bot@example.org>", yesterday()).expect("a key");
    fs::create_dir(home.path().join("gnupg")).expect("a folder");
    let import = run(
        hermetic("gpg", home.path()).args(["--batch", "--quiet", "--import"]),
        key.public().as_bytes(),
    );
    assert!(import.0, "{}", import.1);
    let (good, words) = git_believes(&key, home.path());
    assert!(good && words.contains("Good signature"), "{words}");
}

#[test]
fn git_believes_commits_signed_with_a_generated_ssh_key() {
    let home = tempfile::tempdir().expect("a folder");
    let key = BotKey::generate_ssh("bot").expect("a key");
    let line = format!("bot@example.org {}\n", key.public());
    fs::write(home.path().join("allowed"), line).expect("writable");
    let (good, words) = git_believes(&key, home.path());
    assert!(good && words.contains("Good \"git\" signature"), "{words}");
}

#[test]
fn a_locked_key_opens_with_its_passphrase_only() {
    let openpgp = BotKey::generate_openpgp("Bot <bot@example.org>", long_ago()).expect("a key");
    for key in [openpgp, BotKey::generate_ssh("bot").expect("a key")] {
        let file = key.export(Some("sesame")).expect("exports");
        let opened = BotKey::load(file.expose().as_bytes(), Some("sesame")).expect("opens");
        assert_eq!(opened.signer_id(), key.signer_id());
        assert!(opened.sign(b"payload", SystemTime::now()).is_ok());
        for passphrase in [None, Some("wrong")] {
            let refusal = BotKey::load(file.expose().as_bytes(), passphrase).expect_err("locked");
            assert_eq!(refusal.code.0, "bot-key-locked", "{refusal}");
        }
    }
}

#[test]
fn a_secret_key_that_openssh_wrote_loads_and_others_are_refused_by_name() {
    let home = tempfile::tempdir().expect("a folder");
    let make = |kind: &str, bits: &str| {
        let file = home.path().join(kind);
        let arguments = ["-q", "-t", kind, "-b", bits, "-N", "", "-C", "bot", "-f"];
        let made = run(hermetic("ssh-keygen", home.path()).args(arguments).arg(&file), b"");
        assert!(made.0, "{}", made.1);
        fs::read(file).expect("the key is there")
    };
    assert!(BotKey::load(&make("ed25519", "256"), None).is_ok());
    assert!(BotKey::load(&make("ecdsa", "384"), None).is_ok());
    let refusal = BotKey::load(&make("rsa", "2048"), None).expect_err("RSA");
    assert_eq!(refusal.code.0, "bot-key-unsupported");
}

#[test]
fn a_public_key_is_not_a_secret_key() {
    let key = BotKey::generate_openpgp("Bot <bot@example.org>", long_ago()).expect("a key");
    for bytes in [key.public().as_bytes(), b"".as_slice(), b"-----BEGIN OPENSSH PRIVATE KEY-----"] {
        let refusal = BotKey::load(bytes, None).expect_err("no secret key");
        assert_eq!(refusal.code.0, "bot-key-unreadable", "{refusal}");
    }
}

#[test]
fn the_identity_is_the_primary_user_id_and_secrets_stay_out_of_debug() {
    let key = BotKey::generate_openpgp("Lock Keeper <bot@example.org>", long_ago()).expect("a key");
    let identity = key.identity().expect("an OpenPGP key has one");
    assert_eq!(identity, ("Lock Keeper".to_owned(), "bot@example.org".to_owned()));
    assert!(key.signer_id().to_string().starts_with("openpgp:"));
    let shown = format!("{key:?} {:?}", key.export(None).expect("exports"));
    assert!(!shown.contains("PRIVATE") && shown.len() < 200, "{shown}");
}
