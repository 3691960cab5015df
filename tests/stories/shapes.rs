//! The shapes of our requests, against servers that know the published schemas: `tests/forge-schemas.sh` starts them
//! and runs these. A request that does not fit is answered 400 or 422, and so is a setback here.

use std::time::Duration;

use lockkeeper::forge::{
    Account, Comment, Credential, Forge, Issue, Kind, Manners, RemoteId, State, Status, Thread,
};
use lockkeeper::secret::Secret;

use crate::world::forges::github::App;

const COMMIT: &str = "1111111111111111111111111111111111111111";
const STATES: [State; 6] = [
    State::Queued,
    State::Running,
    State::Passed,
    State::NothingToDo,
    State::MustAct,
    State::Broken,
];

fn forge(kind: Kind, variable: &str, credential: Credential) -> Forge {
    let url = std::env::var(variable).expect("tests/forge-schemas.sh says where the server is");
    let account = Account::new("f".parse().unwrap(), kind, Some(&url), credential, None).unwrap();
    Forge::with_manners(
        account,
        Manners { between_writes: Duration::ZERO, ..Manners::towards(kind) },
    )
}

fn token() -> Credential {
    Credential::Token(Secret::from_file(b"t0ken").unwrap())
}

fn status(state: State, link: Option<&str>) -> Status {
    Status {
        project: "ada/hello".parse().unwrap(),
        commit: COMMIT.parse().unwrap(),
        branch: "main".parse().unwrap(),
        context: "lockkeeper/fedora/hello/f44".to_owned(),
        state,
        description: "Published".to_owned(),
        summary: "**Published**".to_owned(),
        link: link.map(|link| link.parse().unwrap()),
    }
}

/// Sets every status, writes and edits comments in these threads, opens, edits, closes and opens an issue again.
async fn says_everything(forge: &Forge, threads: &[Thread]) {
    for state in STATES {
        for link in [None, Some("https://bot.example/job/7")] {
            forge.set_status(&status(state, link), None).await.unwrap();
            forge.set_status(&status(state, link), Some(&RemoteId("4".to_owned()))).await.unwrap();
        }
    }
    let project: lockkeeper::forge::Project = "ada/hello".parse().unwrap();
    for thread in threads {
        let (project, thread) = (project.clone(), thread.clone());
        let (marker, body) = ("<!-- x -->".to_owned(), "<!-- x -->\n\ntext\n".to_owned());
        let comment = Comment { project, thread, marker, body };
        let written = forge.put_comment(&comment, None).await.unwrap();
        assert!(written.is_some(), "{comment:?}");
        forge.put_comment(&comment, written.as_ref()).await.unwrap();
    }
    for (open, known) in [(true, None), (true, Some("7")), (false, Some("7"))] {
        let (marker, body) = ("<!-- x -->".to_owned(), "<!-- x -->\n\ntext\n".to_owned());
        let issue =
            Issue { project: project.clone(), marker, title: "title".to_owned(), body, open };
        let known = known.map(|known| RemoteId(known.to_owned()));
        forge.put_issue(&issue, known.as_ref()).await.unwrap();
    }
    forge.may_write(&project, "ada").await.unwrap();
}

#[tokio::test]
#[ignore = "tests/forge-schemas.sh starts the server"]
async fn githubs_schema_takes_what_a_token_says() {
    let threads =
        [Thread::Commit(COMMIT.parse().unwrap()), Thread::PullRequest(3), Thread::Issue(3)];
    says_everything(&forge(Kind::GitHub, "LOCKKEEPER_SCHEMA_GITHUB", token()), &threads).await;
}

#[tokio::test]
#[ignore = "tests/forge-schemas.sh starts the server"]
async fn githubs_schema_takes_what_an_app_says() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::new(folder.path(), "ada/hello");
    let key = Secret::from_file(&std::fs::read(folder.path().join("key.pem")).unwrap()).unwrap();
    for installation in [None, Some(815)] {
        let credential = Credential::App { id: app.id, installation, key: key.clone() };
        let forge = forge(Kind::GitHub, "LOCKKEEPER_SCHEMA_GITHUB", credential);
        says_everything(&forge, &[Thread::PullRequest(3)]).await;
    }
}

#[tokio::test]
#[ignore = "tests/forge-schemas.sh starts the server"]
async fn forgejos_schema_takes_what_we_say() {
    let threads = [Thread::PullRequest(3), Thread::Issue(3)];
    for kind in [Kind::Forgejo, Kind::Gitea] {
        says_everything(&forge(kind, "LOCKKEEPER_SCHEMA_FORGEJO", token()), &threads).await;
    }
}
