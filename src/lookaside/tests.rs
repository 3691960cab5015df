//! The same stories told to a folder and to a server on loopback.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::digest::HashType;
use crate::http::{Backoff, LowSpeed, Timeouts};
use crate::outcome::{Fault, Lasting};
use server::LookasideServer;

#[path = "../../tests/world/lookaside.rs"]
mod server;

const MTIME: i64 = 1_700_000_000;

struct World {
    folder: tempfile::TempDir,
    server: LookasideServer,
    package: PackageName,
    file: FileName,
    sha512: Sha512,
    size: u64,
}

impl World {
    fn new() -> World {
        World::with_content(b"an archive of 24 bytes..")
    }

    fn with_content(content: &[u8]) -> World {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        std::fs::create_dir_all(cache.join("rpms")).unwrap();
        std::fs::write(folder.path().join("work.tar.gz"), content).unwrap();
        let server = LookasideServer::start(&cache, &["hello"]);
        let file = "hello-1.0.tar.gz".parse().unwrap();
        let (package, sha512) = ("hello".parse().unwrap(), Sha512::of(content));
        World { folder, server, package, file, sha512, size: content.len() as u64 }
    }

    fn archive<'a>(&'a self, path: &'a Path) -> Archive<'a> {
        Archive { name: &self.file, sha512: &self.sha512, size: self.size, path, mtime: MTIME }
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("work.tar.gz")
    }

    fn stored_path(&self) -> PathBuf {
        let cache = self.folder.path().join("cache/rpms/hello/hello-1.0.tar.gz/sha512");
        cache.join(self.sha512.as_str()).join("hello-1.0.tar.gz")
    }

    fn remote(&self) -> Lookaside {
        Lookaside::from_argument(&self.server.url(), patient()).unwrap()
    }

    /// For a server that hangs its client must be in a hurry; for all others a busy machine must do.
    fn remote_that(&self, behaviour: &str) -> Lookaside {
        let options = if behaviour.starts_with("hang") { hurried() } else { patient() };
        Lookaside::from_argument(&self.server.url(), options).unwrap()
    }

    fn local(&self) -> Lookaside {
        let url = url::Url::from_file_path(self.folder.path().join("cache/rpms")).unwrap();
        Lookaside::from_argument(url.as_str(), HttpOptions::default()).unwrap()
    }

    async fn store(&self, lookaside: &Lookaside) -> Result<Stored> {
        lookaside.store(&self.package, &self.archive(&self.source())).await
    }

    async fn download(&self, lookaside: &Lookaside) -> Result<u64> {
        let to = self.folder.path().join("out/got.tar.gz");
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        lookaside.download(&self.package, &self.file, &(&self.sha512).into(), &to).await
    }

    fn downloaded_names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("out")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Options with which nothing is given up early, and what fails is tried again at once.
fn patient() -> HttpOptions {
    let (first, longest) = (Duration::from_millis(5), Duration::from_millis(5));
    let backoff = Backoff { attempts: 2, first, longest };
    HttpOptions { backoff, ..HttpOptions::default() }
}

/// Options under which a hanging server is given up within a second.
fn hurried() -> HttpOptions {
    let low_speed = LowSpeed { bytes: 100, window: Duration::from_millis(300) };
    let answer = Duration::from_millis(900);
    HttpOptions { timeouts: Timeouts { answer, low_speed, ..Timeouts::default() }, ..patient() }
}

fn told<T: std::fmt::Debug>(answer: Result<T>) -> (&'static str, &'static str, String) {
    match answer.unwrap_err() {
        Fault::Refused(refusal) => ("refused", refusal.code.0, refusal.message),
        Fault::Failed(problem) => {
            let kind = match problem.lasting {
                Lasting::Temporary => "temporary",
                Lasting::Permanent => "permanent",
            };
            (kind, problem.code.0, problem.message)
        }
    }
}

#[tokio::test]
async fn a_new_archive_is_checked_for_uploaded_and_looked_at() {
    let world = World::new();
    assert_eq!(world.store(&world.remote()).await.unwrap(), Stored::New);
    let path = format!("/repo/pkgs/rpms/hello/{0}/sha512/{1}/{0}", world.file, world.sha512);
    let wanted = [
        "check name,sha512sum,filename".to_owned(),
        "upload name,sha512sum,file,mtime".to_owned(),
        format!("HEAD {path} identity"),
    ];
    assert_eq!(world.server.take_requests(), wanted);
    assert_eq!(std::fs::read(world.stored_path()).unwrap(), b"an archive of 24 bytes..");
}

#[tokio::test]
async fn an_archive_that_is_there_is_not_sent_again() {
    let world = World::new();
    for lookaside in [world.remote(), world.local()] {
        world.store(&lookaside).await.unwrap();
        assert_eq!(world.store(&lookaside).await.unwrap(), Stored::AlreadyThere, "{lookaside}");
        let upload = lookaside.upload(&world.package, &world.archive(&world.source())).await;
        assert_eq!(upload.unwrap(), Stored::AlreadyThere, "{lookaside}");
    }
}

#[tokio::test]
async fn folder_and_server_read_what_the_other_wrote() {
    let world = World::new();
    world.store(&world.remote()).await.unwrap();
    assert_eq!(world.store(&world.local()).await.unwrap(), Stored::AlreadyThere);
    std::fs::remove_dir_all(world.folder.path().join("cache/rpms/hello")).unwrap();
    assert_eq!(world.store(&world.local()).await.unwrap(), Stored::New);
    assert_eq!(world.store(&world.remote()).await.unwrap(), Stored::AlreadyThere);
    for lookaside in [world.remote(), world.local()] {
        assert_eq!(world.download(&lookaside).await.unwrap(), world.size);
        assert_eq!(world.downloaded_names(), ["got.tar.gz"]);
    }
}

#[tokio::test]
async fn both_keep_the_modification_time_and_let_the_web_server_read() {
    use std::os::unix::fs::MetadataExt;
    for remote in [true, false] {
        let world = World::new();
        let lookaside = if remote { world.remote() } else { world.local() };
        world.store(&lookaside).await.unwrap();
        let metadata = world.stored_path().metadata().unwrap();
        assert_eq!(metadata.mtime(), MTIME);
        assert_eq!(metadata.mode() & 0o444, 0o444);
    }
}

#[tokio::test]
async fn what_a_server_may_do_to_a_store_is_told_by_whose_move_it_is() {
    let table = [
        ("not-in-group", "refused lookaside-forbidden"),
        ("not-in-group-said-with-200", "refused lookaside-forbidden"),
        ("page-401", "refused lookaside-unauthorized"),
        ("page-403", "refused lookaside-forbidden"),
        ("page-404", "refused lookaside-address-wrong"),
        ("page-406", "permanent lookaside-request-refused"),
        ("page-413", "refused lookaside-file-too-large"),
        ("page-429", "temporary lookaside-unavailable"),
        ("page-500", "temporary lookaside-unavailable"),
        ("page-503", "temporary lookaside-unavailable"),
        ("page-302", "permanent lookaside-redirects"),
        ("redirect", "permanent lookaside-redirects"),
        ("page-204", "permanent lookaside-answer-unknown"),
        ("greeting", "permanent lookaside-answer-unknown"),
        ("talkative", "permanent lookaside-answer-unknown"),
        ("escapes", "permanent lookaside-request-refused"),
        ("hang-on-check", "temporary lookaside-too-slow"),
        ("hang-on-upload", "temporary lookaside-too-slow"),
        ("drop-upload", "temporary lookaside-unreachable"),
        ("store-nothing", "temporary lookaside-not-downloadable"),
        ("other-digest", "permanent lookaside-digest-differs"),
        ("stored-other", "permanent lookaside-digest-differs"),
        ("half-files", "permanent lookaside-size-differs"),
        ("circular-download", "permanent lookaside-redirects"),
    ];
    let world = World::new();
    for (behaviour, wanted) in table {
        world.server.behave(behaviour);
        let remote = world.remote_that(behaviour);
        let (kind, code, message) = told(world.store(&remote).await);
        assert_eq!(format!("{kind} {code}"), wanted, "{behaviour}: {message}");
        assert!(!message.contains('\u{1b}'), "{behaviour}: {message:?}");
        assert!(message.contains("127.0.0.1"), "{behaviour} names the server: {message}");
    }
    world.server.behave("honest");
    assert_eq!(world.store(&world.remote()).await.unwrap(), Stored::AlreadyThere);
}

#[tokio::test]
async fn what_mends_itself_is_tried_again_and_what_does_not_is_not() {
    for behaviour in ["fail-once", "drop-upload-once", "broken-bus"] {
        let world = World::with_content(&vec![7; 3_000_000]);
        world.server.behave(behaviour);
        assert_eq!(world.store(&world.remote()).await.unwrap(), Stored::New, "{behaviour}");
    }
    let world = World::new();
    world.server.behave("not-in-group");
    told(world.store(&world.remote()).await);
    assert_eq!(world.server.take_requests().len(), 1);
    world.server.behave("page-500");
    told(world.store(&world.remote()).await);
    assert_eq!(world.server.take_requests().len(), 2);
}

#[tokio::test]
async fn every_legal_name_arrives_as_it_is() {
    let names =
        ["a+b~c^1.tar.gz", "é-ü.tar.xz", "100%25.zip", "a;b,c='d'&e=f.tgz", "q\"uote.gz", "$x#y?z"];
    for name in names {
        let file = name.parse().unwrap();
        let world = World { file, ..World::new() };
        assert_eq!(world.store(&world.remote()).await.unwrap(), Stored::New, "{name}");
        assert_eq!(world.store(&world.local()).await.unwrap(), Stored::AlreadyThere, "{name}");
        assert_eq!(world.download(&world.remote()).await.unwrap(), world.size, "{name}");
    }
}

#[tokio::test]
async fn an_upload_that_nobody_reads_is_given_up() {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let world = World::new();
    std::fs::File::create(world.source()).unwrap().set_len(64 * 1024 * 1024).unwrap();
    let archive = world.source();
    let archive = Archive { size: 64 * 1024 * 1024, ..world.archive(&archive) };
    let options =
        HttpOptions { backoff: Backoff { attempts: 1, ..Backoff::default() }, ..hurried() };
    let lookaside = Lookaside::from_argument(&url, options).unwrap();
    let (kind, code, message) = told(lookaside.upload(&world.package, &archive).await);
    assert_eq!((kind, code), ("temporary", "lookaside-too-slow"), "{message}");
    assert!(message.contains("fewer than 100 bytes moved"), "{message}");
}

#[tokio::test]
async fn an_old_server_says_errors_with_status_200() {
    let mut world = World::new();
    world.server.behave("old-server");
    world.store(&world.remote()).await.unwrap();
    world.package = "goodbye".parse().unwrap();
    let (kind, code, message) = told(world.store(&world.remote()).await);
    assert_eq!((kind, code), ("refused", "lookaside-no-such-package"));
    assert!(message.contains("status 404: Status: 404"), "{message}");
    world.server.behave("honest");
    let (kind, code, _) = told(world.store(&world.remote()).await);
    assert_eq!((kind, code), ("refused", "lookaside-no-such-package"));
}

#[tokio::test]
async fn a_dead_server_is_a_temporary_problem() {
    let world = World::new();
    // Nobody listens on the first port; one that a server has left may be another's by now.
    let remote = Lookaside::from_argument("http://127.0.0.1:1/", patient()).unwrap();
    let answer = remote.check(&world.package, &world.file, &world.sha512).await;
    let (kind, code, message) = told(answer);
    assert_eq!((kind, code), ("temporary", "lookaside-unreachable"));
    assert!(message.contains("refused"), "{message}");
}

#[tokio::test]
async fn a_download_is_there_whole_or_not_at_all() {
    let table = [
        ("wrong-files", "permanent lookaside-file-differs"),
        ("half-files", "permanent lookaside-file-differs"),
        ("hang-on-download", "temporary lookaside-too-slow"),
    ];
    let world = World::new();
    world.store(&world.remote()).await.unwrap();
    for (behaviour, wanted) in table {
        world.server.behave(behaviour);
        let remote = world.remote_that(behaviour);
        let (kind, code, message) = told(world.download(&remote).await);
        assert_eq!(format!("{kind} {code}"), wanted, "{behaviour}: {message}");
        assert!(world.downloaded_names().is_empty(), "{behaviour}");
    }
    world.server.behave("says-gzip");
    assert_eq!(world.download(&world.remote()).await.unwrap(), world.size);
    world.store(&world.remote()).await.unwrap();
}

#[tokio::test]
async fn a_file_that_the_cache_does_not_have_is_refused() {
    let world = World::new();
    for lookaside in [world.remote(), world.local()] {
        let (kind, code, message) = told(world.download(&lookaside).await);
        assert_eq!((kind, code), ("refused", "lookaside-file-missing"), "{message}");
        let (package, file, sha512) = (&world.package, &world.file, &world.sha512);
        let seen = lookaside.verify_download(package, file, sha512, None).await;
        let (kind, code, message) = told(seen);
        assert_eq!((kind, code), ("temporary", "lookaside-not-downloadable"), "{message}");
    }
}

#[tokio::test]
async fn a_download_that_is_larger_than_the_cap_ends_there() {
    let world = World::new();
    world.store(&world.remote()).await.unwrap();
    let options = HttpOptions { download_cap: 10, ..patient() };
    let capped = Lookaside::from_argument(&world.server.url(), options).unwrap();
    let (kind, code, _) = told(world.download(&capped).await);
    assert_eq!((kind, code), ("permanent", "lookaside-file-too-large"));
}

#[tokio::test]
async fn every_hash_type_can_be_downloaded_and_is_checked() {
    let content = b"an archive of 24 bytes..";
    let world = World::new();
    for hash_type in HashType::ALL {
        let mut hasher = crate::digest::Hasher::new(hash_type);
        hasher.update(content);
        let digest = hasher.finish();
        let local = Directory::new(world.folder.path().join("cache/rpms"));
        let path = local.path_of(&world.package, &world.file, &digest);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        let to = world.folder.path().join(hash_type.as_str());
        for lookaside in [world.remote(), Lookaside::Directory(local)] {
            let got = lookaside.download(&world.package, &world.file, &digest, &to).await;
            assert_eq!(got.unwrap(), world.size, "{lookaside} {hash_type}");
        }
    }
}

#[tokio::test]
async fn a_wrong_file_in_the_folder_is_reported_and_never_replaced() {
    for wrong in ["", "an archive of 24 bytes.!", "longer than the archive that was wanted"] {
        let world = World::new();
        std::fs::create_dir_all(world.stored_path().parent().unwrap()).unwrap();
        std::fs::write(world.stored_path(), wrong).unwrap();
        let (kind, code, _) = told(world.store(&world.local()).await);
        assert_eq!((kind, code), ("permanent", "lookaside-file-differs"));
        let upload = world.local().upload(&world.package, &world.archive(&world.source())).await;
        assert_eq!(told(upload).1, "lookaside-file-differs");
        assert_eq!(std::fs::read(world.stored_path()).unwrap(), wrong.as_bytes());
    }
}

#[tokio::test]
async fn an_archive_that_is_not_what_its_digest_says_leaves_nothing_in_the_folder() {
    let world = World::new();
    std::fs::write(world.source(), "an archive of 24 bytes.?").unwrap();
    assert_eq!(told(world.store(&world.local()).await).1, "archive-changed");
    let names = std::fs::read_dir(world.folder.path().join("cache/rpms/hello")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["hello-1.0.tar.gz"]);
    assert!(!world.stored_path().exists());
    std::fs::write(world.source(), "shorter").unwrap();
    assert_eq!(told(world.store(&world.remote()).await).1, "archive-changed");
}

#[tokio::test]
async fn what_a_killed_process_left_behind_is_in_nobodys_way() {
    let world = World::new();
    let package = world.folder.path().join("cache/rpms/hello");
    std::fs::create_dir_all(world.stored_path().parent().unwrap()).unwrap();
    std::fs::write(package.join(".upload-abc123"), "half").unwrap();
    assert_eq!(world.store(&world.local()).await.unwrap(), Stored::New);
    assert_eq!(std::fs::read(package.join(".upload-abc123")).unwrap(), b"half");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn storing_the_same_archive_at_once_stores_it_once() {
    let world = std::sync::Arc::new(World::with_content(&vec![3; 1_000_000]));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.store(&world.local()).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let package = world.folder.path().join("cache/rpms/hello");
    assert_eq!(std::fs::read_dir(package).unwrap().count(), 1, "no temporary file is left");
    assert_eq!(std::fs::metadata(world.stored_path()).unwrap().len(), 1_000_000);
}

#[tokio::test]
async fn a_new_cache_is_made_but_not_the_folder_around_it() {
    let world = World::new();
    let new = world.folder.path().join("new");
    let lookaside =
        Lookaside::from_argument(new.to_str().unwrap(), HttpOptions::default()).unwrap();
    world.store(&lookaside).await.unwrap();
    let gone = world.folder.path().join("typing-eror/cache");
    let lookaside =
        Lookaside::from_argument(gone.to_str().unwrap(), HttpOptions::default()).unwrap();
    assert_eq!(told(world.store(&lookaside).await).1, "lookaside-folder-missing");
    assert!(!gone.exists());
}

#[test]
fn addresses_are_understood_or_refused() {
    let table = [
        ("/srv/cache", Ok("the lookaside at /srv/cache")),
        ("file:///srv/cache", Ok("the lookaside at /srv/cache")),
        (
            "https://src.example/repo/pkgs",
            Ok("the lookaside at https://src.example/repo/pkgs/upload.cgi"),
        ),
        (
            "https://src.example/repo/pkgs/",
            Ok("the lookaside at https://src.example/repo/pkgs/upload.cgi"),
        ),
        (
            "https://src.example/repo/pkgs/upload.cgi",
            Ok("the lookaside at https://src.example/repo/pkgs/upload.cgi"),
        ),
        ("http://127.0.0.1:8080", Ok("the lookaside at http://127.0.0.1:8080/upload.cgi")),
        ("https://bot:secret@src.example/", Err("credentials")),
        ("https://src.example/?name=x", Err("query")),
        ("ftp://src.example/", Err("ftp")),
        ("file://host/srv", Err("host")),
        ("srv/cache", Err("relative")),
        ("", Err("relative")),
    ];
    for (text, wanted) in table {
        match (Lookaside::from_argument(text, HttpOptions::default()), wanted) {
            (Ok(lookaside), Ok(words)) => assert_eq!(lookaside.to_string(), words),
            (Err(refusal), Err(words)) => {
                assert!(refusal.message.contains(words), "{text}: {}", refusal.message);
                assert!(!refusal.message.contains("secret"), "{}", refusal.message);
            }
            (found, wanted) => panic!("{text}: {found:?}, not {wanted:?}"),
        }
    }
}

#[test]
fn download_addresses_have_their_own_base_and_escape_what_needs_it() {
    let options = HttpOptions {
        download: Some("https://sources.example/sources/".to_owned()),
        ..HttpOptions::default()
    };
    let url = url::Url::parse("https://upload.example/lookaside/upload.cgi").unwrap();
    let http = Http::new(&url, options).unwrap();
    assert_eq!(http.to_string(), "the lookaside at https://upload.example/lookaside/upload.cgi");
    let digest = Digest::new(HashType::Md5, &"A".repeat(32)).unwrap();
    let found = http.download_url(&"gtk+".parse().unwrap(), &"a#b?c%.gz".parse().unwrap(), &digest);
    let hash = "a".repeat(32);
    let wanted = format!(
        "https://sources.example/sources/rpms/gtk+/a%23b%3Fc%25.gz/md5/{hash}/a%23b%3Fc%25.gz"
    );
    assert_eq!(found.as_str(), wanted);
}
