//! What is said at forges: by the courier, to forges that have rules of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockkeeper::forge::{
    Account as ForgeAccount, Comment, Credential, Forge as Client, Issue, Kind, Manners, State,
    Status, Thread,
};
use lockkeeper::outbox::{Account, Addresses, Body, Courier, Message, Round};
use lockkeeper::secret::Secret;

use crate::world::forges::{BOT, Forge, Plays, TOKEN, Trouble, github};
use crate::world::memory::Memory;

const COMMIT: &str = "1111111111111111111111111111111111111111";
const CONTEXT: &str = "lockkeeper/fedora/hello/f44";
const MARKER: &str = "<!-- lockkeeper:fedora/hello/f44:unsigned-tip -->";

const ALL: [(Plays, Kind); 5] = [
    (Plays::GitHub, Kind::GitHub),
    (Plays::GitLab, Kind::GitLab),
    (Plays::Pagure, Kind::Pagure),
    (Plays::Forgejo, Kind::Forgejo),
    (Plays::Forgejo, Kind::Gitea),
];

/// One forge, one courier, one outbox.
struct Post {
    forge: Forge,
    kind: Kind,
    memory: &'static Memory,
    courier: Courier<&'static Memory>,
    now: Timestamp,
}

fn start() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

impl Post {
    fn new(plays: Plays, kind: Kind) -> Post {
        let token = Credential::Token(Secret::from_file(TOKEN.as_bytes()).unwrap());
        Post::with(Forge::start(plays), kind, token)
    }

    fn with(forge: Forge, kind: Kind, credential: Credential) -> Post {
        // A story's outbox may live as long as the tests do.
        let memory: &'static Memory = Box::leak(Box::default());
        let courier = courier(&forge, kind, credential, memory);
        forge.has_commit(project(kind), COMMIT);
        Post { forge, kind, memory, courier, now: start() }
    }

    fn put(&self, context: &str, body: Body) {
        let account = Account::Forge("forge".parse().unwrap());
        let (subject, context) = ("fedora/hello/f44".to_owned(), context.to_owned());
        self.memory.put([Message { account, subject, context, body }], self.now);
    }

    fn put_status(&self, state: State) {
        self.put(CONTEXT, Body::Status(self.status(state)));
    }

    fn put_comment(&self, words: &str) {
        self.put("comment about unsigned-tip", Body::Comment(self.comment(words)));
    }

    fn put_issue(&self, words: &str, open: bool) {
        let body = format!("{MARKER}\n\n{words}\n");
        let (project, marker) = (project(self.kind).parse().unwrap(), MARKER.to_owned());
        let issue =
            Issue { project, marker, title: "hello is not published".to_owned(), body, open };
        self.put("issue about unsigned-tip", Body::Issue(issue));
    }

    fn status(&self, state: State) -> Status {
        Status {
            project: project(self.kind).parse().unwrap(),
            commit: COMMIT.parse().unwrap(),
            branch: "main".parse().unwrap(),
            context: CONTEXT.to_owned(),
            state,
            description: "long ".repeat(100),
            summary: "**at length**".to_owned(),
            link: Some("http://127.0.0.1/job/1".parse().unwrap()),
        }
    }

    fn comment(&self, words: &str) -> Comment {
        Comment {
            project: project(self.kind).parse().unwrap(),
            thread: Thread::Commit(COMMIT.parse().unwrap()),
            marker: MARKER.to_owned(),
            body: format!("{MARKER}\n\n{words}\n"),
        }
    }

    async fn round(&self) -> Round {
        self.courier.round(self.now).await.expect("the outbox works")
    }

    async fn sends(&self, count: usize) {
        let round = self.round().await;
        let expected = Round { sent: count, later: 0, dropped: 0 };
        assert_eq!(round, expected, "{:?} {:?}", self.kind, self.memory.dropped());
    }

    fn passes(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }
}

fn project(kind: Kind) -> &'static str {
    if kind == Kind::Pagure { "rpms/hello" } else { "ada/hello" }
}

fn courier(
    forge: &Forge,
    kind: Kind,
    credential: Credential,
    memory: &'static Memory,
) -> Courier<&'static Memory> {
    let name = "forge".parse().unwrap();
    let account = ForgeAccount::new(name, kind, Some(&forge.url()), credential, None).unwrap();
    let manners = Manners { between_writes: Duration::ZERO, ..Manners::towards(kind) };
    let client = Client::with_manners(account.clone(), manners);
    let forges = BTreeMap::from([(account.name, client)]);
    Courier::new(memory, Addresses { forges, ..Addresses::default() })
}

#[tokio::test]
async fn every_state_is_told_in_the_words_of_each_forge() {
    let table = [
        (State::Queued, ["pending", "pending", "pending", "pending"]),
        (State::Running, ["pending", "running", "pending", "pending"]),
        (State::Passed, ["success", "success", "success", "success"]),
        (State::NothingToDo, ["success", "success", "success", "success"]),
        (State::MustAct, ["failure", "failed", "failure", "failure"]),
        (State::Broken, ["error", "failed", "error", "error"]),
    ];
    for (state, words) in table {
        for (at, (plays, kind)) in ALL.into_iter().enumerate() {
            let post = Post::new(plays, kind);
            post.put_status(state);
            post.sends(1).await;
            assert_eq!(post.forge.state_of(CONTEXT), words[at.min(3)], "{kind:?} {state:?}");
        }
    }
}

#[tokio::test]
async fn the_last_state_wins_and_what_waits_is_not_told_twice() {
    for (plays, kind) in ALL {
        let post = Post::new(plays, kind);
        post.put_status(State::Running);
        post.put_status(State::MustAct);
        post.sends(1).await;
        assert_eq!(post.forge.keep().statuses.len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn gitlab_has_the_state_already_and_that_is_done() {
    let post = Post::new(Plays::GitLab, Kind::GitLab);
    for state in [State::Running, State::Running, State::Passed, State::Passed, State::Queued] {
        post.put_status(state);
        post.sends(1).await;
    }
    assert_eq!(post.forge.state_of(CONTEXT), "success");
    let newest = post.forge.writes().len();
    post.put_status(State::Running);
    post.sends(1).await;
    assert_eq!(post.forge.writes().len(), newest, "an end is not written over, nor is it tried");
}

#[tokio::test]
async fn gitlabs_end_is_followed_by_another_end_and_by_nothing_else() {
    let post = Post::new(Plays::GitLab, Kind::GitLab);
    let steps = [
        (State::MustAct, "failed", 1),
        // As after a killed courier: it stands there already.
        (State::MustAct, "failed", 1),
        // GitLab would take it, and the commit would seem to be worked on for ever.
        (State::Running, "failed", 1),
        (State::Queued, "failed", 1),
        (State::Passed, "success", 2),
        (State::NothingToDo, "success", 2),
        (State::Broken, "failed", 3),
    ];
    for (state, shown, written) in steps {
        post.put_status(state);
        post.sends(1).await;
        let count = post.forge.keep().statuses.len();
        assert_eq!((post.forge.state_of(CONTEXT).as_str(), count), (shown, written), "{state:?}");
    }
    // The same end in other words is told.
    let description = "another cause".to_owned();
    post.put(CONTEXT, Body::Status(Status { description, ..post.status(State::Broken) }));
    post.sends(1).await;
    assert_eq!(post.forge.keep().statuses.len(), 4);
}

#[tokio::test]
async fn pagure_takes_flags_for_anything_so_the_commit_is_asked_for() {
    let post = Post::new(Plays::Pagure, Kind::Pagure);
    post.forge.keep().commits.clear();
    post.put_status(State::Passed);
    assert_eq!(post.round().await.dropped, 1);
    assert!(
        post.forge.keep().statuses.is_empty()
            && post.memory.dropped()[0].1.contains("forge-not-found")
    );
}

#[tokio::test]
async fn pagure_keeps_one_flag_for_each_context() {
    let post = Post::new(Plays::Pagure, Kind::Pagure);
    for state in [State::Running, State::MustAct, State::Passed] {
        post.put_status(state);
        post.sends(1).await;
    }
    let kept = post.forge.keep();
    let uid = kept.statuses[0]["uid"].as_str().unwrap();
    assert_eq!((kept.statuses.len(), uid.len()), (1, 32));
    assert!(uid.bytes().all(|b| b.is_ascii_hexdigit()));
}

#[tokio::test]
async fn a_comment_is_written_once_and_then_edited() {
    for (plays, kind) in ALL {
        let post = Post::new(plays, kind);
        post.forge.has_pull_request(project(kind), 7, COMMIT);
        for words in ["first", "first", "second"] {
            post.put_comment(words);
            post.sends(1).await;
        }
        let notes = post.forge.keep().notes.clone();
        match kind {
            // Its API finds no pull request by a commit, and commits have no comments there.
            Kind::Pagure => assert!(notes.is_empty()),
            _ => {
                assert_eq!(notes.len(), 1, "{kind:?}");
                assert!(
                    notes[0].body.contains("second") && notes[0].place.ends_with(":7"),
                    "{kind:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn without_a_pull_request_the_commit_is_commented_where_commits_can_be() {
    for (plays, kind) in ALL {
        let post = Post::new(plays, kind);
        post.put_comment("first");
        post.sends(1).await;
        post.put_comment("second");
        post.sends(1).await;
        let notes = post.forge.keep().notes.clone();
        let places: Vec<&str> = notes.iter().map(|note| note.place.as_str()).collect();
        let commit = format!("commit:{COMMIT}");
        let expected = match kind {
            Kind::GitHub | Kind::GitLab => vec![commit.as_str()],
            _ => vec![],
        };
        assert_eq!(places, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn pagures_comments_are_for_ever_so_only_the_end_is_said_anew() {
    let post = Post::new(Plays::Pagure, Kind::Pagure);
    let comment = |words: &str| Comment { thread: Thread::PullRequest(3), ..post.comment(words) };
    for words in ["first", "second"] {
        post.put("comment", Body::Comment(comment(words)));
        post.sends(1).await;
    }
    for _ in 0..2 {
        post.put("comment", Body::Mend(comment("mended")));
        post.sends(1).await;
    }
    let kept = post.forge.keep();
    let said: Vec<bool> = kept.notes.iter().map(|note| note.body.contains("mended")).collect();
    assert_eq!(said, [false, true]);
}

#[tokio::test]
async fn nothing_is_written_to_say_that_nothing_is_wrong() {
    for (plays, kind) in ALL {
        let post = Post::new(plays, kind);
        post.forge.has_pull_request(project(kind), 7, COMMIT);
        post.put("comment", Body::Mend(post.comment("mended")));
        post.put_issue("mended", false);
        post.sends(2).await;
        let kept = post.forge.keep();
        assert!(kept.notes.is_empty() && kept.issues.is_empty(), "{kind:?}");
    }
}

#[tokio::test]
async fn an_issue_is_opened_edited_closed_and_opened_again() {
    for (plays, kind) in ALL {
        let post = Post::new(plays, kind);
        let steps = [
            ("first", true),
            ("second", true),
            ("mended", false),
            ("mended", false),
            ("again", true),
        ];
        for (words, open) in steps {
            post.put_issue(words, open);
            post.sends(1).await;
            let kept = post.forge.keep();
            assert_eq!(kept.issues.len(), 1, "{kind:?} {words}");
            let issue = &kept.issues[0];
            assert!(
                issue.open == open && issue.body.contains(words),
                "{kind:?} {words}: {issue:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_makes_no_second_comment_or_issue() {
    for (plays, kind) in ALL {
        let mut post = Post::new(plays, kind);
        post.forge.has_pull_request(project(kind), 7, COMMIT);
        for put in [Post::put_comment as fn(&Post, &str), |post, words| post.put_issue(words, true)]
        {
            put(&post, "told");
            lose_the_next_write(&post).await;
            post.passes(24 * 3600);
            post.round().await;
            assert_eq!(post.memory.waiting(), 0, "{kind:?}");
        }
        let kept = post.forge.keep();
        assert_eq!(kept.issues.len(), 1, "{kind:?}");
        assert_eq!(kept.notes.len(), if kind == Kind::Pagure { 0 } else { 1 }, "{kind:?}");
    }
}

/// Runs a round in which every write is done and every write's answer is lost.
async fn lose_the_next_write(post: &Post) {
    post.forge.keep().loses_answers_to_writes = true;
    post.round().await;
    post.forge.keep().loses_answers_to_writes = false;
}

#[tokio::test]
async fn a_courier_killed_between_sending_and_noting_repeats_nothing() {
    for (plays, kind) in ALL {
        let mut post = Post::new(plays, kind);
        post.forge.has_pull_request(project(kind), 7, COMMIT);
        post.put_comment("told");
        post.put_issue("told", true);
        post.put_status(State::MustAct);
        // The first courier's store forgets what it notes, as if it had died before; the second one starts afresh.
        post.memory.forget_verdicts(true);
        post.round().await;
        post.memory.forget_verdicts(false);
        post.memory.release();
        post.passes(3600);
        let token = Credential::Token(Secret::from_file(TOKEN.as_bytes()).unwrap());
        post.courier = courier(&post.forge, kind, token, post.memory);
        post.sends(3).await;
        let kept = post.forge.keep();
        assert_eq!(kept.issues.len(), 1, "{kind:?}");
        assert_eq!(kept.notes.len(), if kind == Kind::Pagure { 0 } else { 1 }, "{kind:?}");
    }
}

#[tokio::test]
async fn somebody_elses_note_with_our_marker_is_none_of_ours() {
    for (plays, kind) in ALL {
        let post = Post::new(plays, kind);
        {
            let mut kept = post.forge.keep();
            let body = format!("{MARKER}\nmine now");
            for place in [format!("commit:{COMMIT}"), "pull:7".to_owned(), "issue:7".to_owned()] {
                kept.add_note(project(kind), place, "mallory", &body);
            }
            kept.open_issue(project(kind), "mallory", "mine", &body);
        }
        post.forge.has_pull_request(project(kind), 7, COMMIT);
        post.put_comment("told");
        post.put_issue("told", true);
        post.sends(2).await;
        let kept = post.forge.keep();
        assert!(
            kept.notes.iter().filter(|note| note.author == "mallory").all(|note| note.edits == 0)
        );
        assert_eq!(kept.issues.iter().filter(|issue| issue.author == BOT).count(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn our_own_note_is_found_behind_hundreds_of_others() {
    for (plays, kind) in ALL {
        let post = Post::new(plays, kind);
        post.forge.has_pull_request(project(kind), 7, COMMIT);
        let place = if plays == Plays::GitLab { "pull:7" } else { "issue:7" };
        {
            let mut kept = post.forge.keep();
            for number in 0..250 {
                kept.add_note(project(kind), place.to_owned(), "eve", &format!("{number}"));
                kept.open_issue(project(kind), BOT, "another", &format!("{number}"));
            }
            kept.add_note(project(kind), place.to_owned(), BOT, &format!("{MARKER}\nold"));
            kept.open_issue(project(kind), BOT, "ours", &format!("{MARKER}\nold"));
        }
        post.put_comment("new");
        post.put_issue("new", true);
        post.sends(2).await;
        let kept = post.forge.keep();
        assert_eq!((kept.notes.len(), kept.issues.len()), (251, 251), "{kind:?}");
    }
}

#[tokio::test]
async fn a_forge_that_is_down_holds_up_its_own_messages_and_loses_none() {
    for (plays, kind) in ALL {
        let mut post = Post::new(plays, kind);
        post.forge.go_down();
        post.put_status(State::Running);
        post.put_issue("told", true);
        let round = post.round().await;
        assert_eq!((round.sent, round.later, round.dropped), (0, 2, 0), "{kind:?}");
        assert_eq!(post.round().await, Round::default(), "nothing is due yet");
        post.put_status(State::Passed);
        post.passes(7200);
        post.forge.come_back();
        post.sends(2).await;
        assert_eq!(post.forge.keep().statuses.len(), 1, "only the last state was told");
    }
}

#[tokio::test]
async fn a_forge_that_says_when_is_asked_then_and_not_before() {
    let seconds_from_now = |seconds: i64| (Timestamp::now().as_second() + seconds).to_string();
    for (plays, kind) in ALL {
        let troubles = [
            Trouble::Answers(429, vec![("retry-after", "120".into())], "{}"),
            Trouble::Answers(
                429,
                vec![
                    ("x-ratelimit-remaining", "0".into()),
                    ("x-ratelimit-reset", seconds_from_now(110)),
                ],
                "{}",
            ),
            Trouble::Answers(403, vec![("retry-after", "120".into())], "{}"),
            Trouble::Answers(
                403,
                vec![],
                r#"{"message": "You have exceeded a secondary rate limit"}"#,
            ),
            Trouble::Answers(503, vec![("retry-after", "120".into())], "{}"),
        ];
        for trouble in troubles {
            let mut post = Post::new(plays, kind);
            post.put_status(State::Passed);
            post.put_issue("told", true);
            let said = format!("{kind:?} {trouble:?}");
            post.forge.trouble(trouble);
            assert_eq!(post.round().await.later, 2, "{said}: the whole account waits");
            assert_eq!(post.forge.keep().asked.len(), 1, "{said}: and asks nothing");
            post.passes(50);
            assert_eq!(post.round().await, Round::default(), "{said}");
            post.passes(100);
            post.sends(2).await;
        }
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_dropped_and_told_to_the_operator() {
    for (plays, kind) in ALL {
        let post = Post::new(plays, kind);
        post.put_status(State::Passed);
        post.forge.trouble(Trouble::Answers(
            403,
            vec![],
            r#"{"message": "Resource not accessible"}"#,
        ));
        let round = post.round().await;
        assert_eq!((round.dropped, post.memory.waiting()), (1, 0), "{kind:?}");
        assert!(post.memory.dropped()[0].1.contains("forge-not-allowed"), "{kind:?}");
    }
}

#[tokio::test]
async fn a_token_that_ended_keeps_messages_until_there_is_a_new_one() {
    for (plays, kind) in ALL {
        let mut post = Post::new(plays, kind);
        post.forge.keep().tokens.clear();
        post.put_status(State::Passed);
        assert_eq!(post.round().await.later, 1, "{kind:?}");
        post.forge.keep().tokens.insert(TOKEN.to_owned(), BOT.to_owned());
        post.passes(16 * 60);
        post.sends(1).await;
    }
}

#[tokio::test]
async fn writes_to_github_are_a_second_apart() {
    let forge = Forge::start(Plays::GitHub);
    forge.has_commit("ada/hello", COMMIT);
    let token = Credential::Token(Secret::from_file(TOKEN.as_bytes()).unwrap());
    let account =
        ForgeAccount::new("forge".parse().unwrap(), Kind::GitHub, Some(&forge.url()), token, None);
    let client = Client::new(account.unwrap());
    let post = Post::new(Plays::GitHub, Kind::GitHub);
    for _ in 0..2 {
        client.set_status(&post.status(State::Passed), None).await.unwrap();
    }
    let writes = forge.writes();
    assert!(writes[1].at - writes[0].at >= Duration::from_secs(1));
}

/// A post whose bot is an App that is installed in `ada/hello`.
fn post_of_app(folder: &std::path::Path, installation: Option<u64>) -> Post {
    let app = github::App::new(folder, "ada/hello");
    let key = Secret::from_file(&std::fs::read(folder.join("key.pem")).unwrap()).unwrap();
    let credential = Credential::App { id: app.id, installation, key };
    let forge = Forge::start(Plays::GitHub);
    forge.keep().tokens.clear();
    forge.keep().app = Some(app);
    Post::with(forge, Kind::GitHub, credential)
}

#[tokio::test]
async fn an_app_writes_one_check_run_and_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    let table = [
        (State::Queued, "queued"),
        (State::Running, "in_progress"),
        (State::MustAct, "action_required"),
        (State::Broken, "failure"),
        (State::NothingToDo, "skipped"),
        (State::Passed, "success"),
    ];
    let post = post_of_app(folder.path(), None);
    for (state, word) in table {
        post.put_status(state);
        post.sends(1).await;
        assert_eq!(post.forge.state_of(CONTEXT), word);
    }
    post.put_issue("told", true);
    post.put_comment("told");
    post.sends(2).await;
    let kept = post.forge.keep();
    assert_eq!(kept.statuses.len(), 1, "one run that is changed");
    assert_eq!(kept.statuses[0]["output"]["summary"], "**at length**");
    assert_eq!(kept.issues[0].author, "lockkeeper[bot]");
    assert_eq!(kept.app.as_ref().unwrap().tokens_given, 1, "one token serves for an hour");
}

#[tokio::test]
async fn an_apps_token_that_ended_early_is_renewed_once() {
    let folder = tempfile::tempdir().unwrap();
    let post = post_of_app(folder.path(), Some(815));
    post.put_status(State::Running);
    post.sends(1).await;
    post.forge.keep().tokens.clear();
    post.put_status(State::Passed);
    post.sends(1).await;
    assert_eq!(post.forge.keep().app.as_ref().unwrap().tokens_given, 2);
    assert_eq!(post.forge.state_of(CONTEXT), "success");
}

#[tokio::test]
async fn a_check_run_whose_number_was_lost_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut post = post_of_app(folder.path(), None);
    post.put_status(State::Running);
    lose_the_next_write(&post).await;
    post.passes(3600);
    post.sends(1).await;
    assert_eq!(post.forge.keep().statuses.len(), 1);
}

#[tokio::test]
async fn an_app_that_is_not_installed_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let post = post_of_app(folder.path(), None);
    post.forge.keep().app.as_mut().unwrap().projects.clear();
    post.put_status(State::Passed);
    assert_eq!(post.round().await.dropped, 1);
    assert!(
        post.memory.dropped()[0].1.contains("forge-not-found"),
        "{:?}",
        post.memory.dropped()
    );
}

#[tokio::test]
async fn members_of_a_group_that_may_write_to_a_project_may_write() {
    let post = Post::new(Plays::Pagure, Kind::Pagure);
    {
        let mut kept = post.forge.keep();
        kept.writing_groups.insert("rpms/hello packagers".to_owned());
        let members = ["packagers ada", "idlers eve", "others mallory"];
        kept.members.extend(members.map(str::to_owned));
    }
    let token = Credential::Token(Secret::from_file(TOKEN.as_bytes()).unwrap());
    let (name, url) = ("forge".parse().unwrap(), post.forge.url());
    let account = ForgeAccount::new(name, Kind::Pagure, Some(&url), token, None);
    let client = Client::new(account.unwrap());
    let project = project(Kind::Pagure).parse().unwrap();
    for (user, may) in [("ada", true), ("eve", false), ("mallory", false)] {
        assert_eq!(client.may_write(&project, user).await.unwrap(), may, "{user}");
    }
}

#[tokio::test]
async fn who_may_write_is_asked_at_each_forge() {
    for (plays, kind) in ALL {
        let post = Post::new(plays, kind);
        post.forge.keep().writers.insert(format!("{} ada", project(kind)));
        let token = Credential::Token(Secret::from_file(TOKEN.as_bytes()).unwrap());
        let account =
            ForgeAccount::new("forge".parse().unwrap(), kind, Some(&post.forge.url()), token, None);
        let client = Client::new(account.unwrap());
        let project = project(kind).parse().unwrap();
        for (user, may) in [("ada", true), ("mallory", false), ("../../ada", false)] {
            assert_eq!(client.may_write(&project, user).await.unwrap(), may, "{kind:?} {user}");
        }
    }
}
