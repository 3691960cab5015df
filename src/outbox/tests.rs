//! Who is told what after which run.

use super::*;
use crate::config::{self, CommentWhen};
use crate::forge::{self, Credential, Kind, State, Thread};
use crate::outcome::{Problem, Refusal};
use crate::report::{Audience, Outcome, Report};
use crate::secret::Secret;
use crate::trigger::Target;

const SOURCE: &str = "https://forge.example/ada/hello.git";

/// One branch, and what was told about it so far.
struct Teller {
    told: Told,
    notify: config::Notify,
    forges: Vec<forge::Account>,
    owners: Vec<String>,
    runs: u32,
}

impl Teller {
    fn new() -> Teller {
        let token = Credential::Token(Secret::from_file(b"x").unwrap());
        let name = "codeberg".parse().unwrap();
        let web = Some("https://forge.example");
        let account = forge::Account::new(name, Kind::Forgejo, web, token, None).unwrap();
        let notify = config::Notify {
            status: true,
            comment: CommentWhen::OnRefusal,
            issue: true,
            mention: vec!["ada".to_owned()],
        };
        let owners = vec!["ada@x.example".to_owned()];
        Teller { told: Told::default(), notify, forges: vec![account], owners, runs: 0 }
    }

    /// Tells one run and returns a word for each message.
    fn tell(&mut self, mut report: Report) -> Vec<String> {
        let source =
            config::Source { repository: SOURCE.parse().unwrap(), branch: "main".parse().unwrap() };
        if report.outcome != Outcome::NotForUs {
            report.audience = Some(Audience { source, notify: self.notify.clone() });
        }
        self.runs += 1;
        let (instance, run) = ("fedora".parse().unwrap(), self.runs.to_string());
        let occasion = Occasion {
            instance: &instance,
            report: &report,
            dist_git: None,
            run: &run,
            at: jiff::Timestamp::UNIX_EPOCH,
            page: None,
        };
        let operators = ["ops@x.example".to_owned()];
        let sinks = ["ci".to_owned()];
        let desk = Desk {
            forges: &self.forges,
            owners: &self.owners,
            operators: &operators,
            webhooks: &sinks,
        };
        let telling = tell(&occasion, &desk, &self.told);
        let stored = serde_json::to_string(&telling.told).unwrap();
        self.told = serde_json::from_str(&stored).unwrap();
        assert_eq!(self.told, telling.told, "it survives the database");
        for message in &telling.messages {
            let stored = serde_json::to_string(message).unwrap();
            assert_eq!(&serde_json::from_str::<Message>(&stored).unwrap(), message);
        }
        telling.messages.iter().map(word).collect()
    }
}

fn word(message: &Message) -> String {
    match &message.body {
        Body::Status(status) => format!("status {:?}", status.state),
        Body::Comment(comment) => format!("comment {}", cause(&comment.marker)),
        Body::Mend(comment) => format!("mend {}", cause(&comment.marker)),
        Body::Issue(issue) if issue.open => format!("issue {}", cause(&issue.marker)),
        Body::Issue(issue) => format!("close {}", cause(&issue.marker)),
        Body::Mail(mail) => format!("mail {}", mail.to.join(",")),
        Body::Webhook(event) => {
            format!("event {}", event.payload["data"]["report"]["outcome"].as_str().unwrap())
        }
    }
}

fn cause(marker: &str) -> &str {
    marker.rsplit(':').next().unwrap().trim_end_matches(" -->")
}

fn report(outcome: Outcome, commit: u8) -> Report {
    let target = Target {
        package: "hello".parse().unwrap(),
        dist_git: "/srv/hello".parse().unwrap(),
        branch: "f44".parse().unwrap(),
    };
    let mut report = Report::new(Some(&target), outcome);
    report.source_commit = format!("{commit:02x}").repeat(20).parse().ok();
    report
}

fn refused(code: &'static str, commit: u8) -> Report {
    report(Outcome::UpToDate, commit).fault(&Refusal::new(code, "it has a fault").into())
}

fn failed(problem: Problem, commit: u8) -> Report {
    report(Outcome::UpToDate, commit).fault(&problem.into())
}

#[test]
fn a_refusal_is_told_once_and_mended_once() {
    let mut teller = Teller::new();
    let first = teller.tell(refused("unsigned-tip", 1));
    let all = [
        "status MustAct",
        "comment unsigned-tip",
        "issue unsigned-tip",
        "mail ada@x.example",
        "event refused",
    ];
    assert_eq!(first, all);
    assert_eq!(teller.tell(refused("unsigned-tip", 1)), ["status MustAct", "event refused"]);
    let edited = teller.tell(refused("unsigned-tip", 2));
    assert_eq!(
        edited,
        ["status MustAct", "comment unsigned-tip", "issue unsigned-tip", "event refused"]
    );
    let mended = teller.tell(report(Outcome::Landed, 3));
    let all = [
        "status Passed",
        "mend unsigned-tip",
        "close unsigned-tip",
        "mail ada@x.example",
        "event landed",
    ];
    assert_eq!(mended, all);
    assert_eq!(teller.tell(report(Outcome::UpToDate, 3)), ["status Passed"]);
    assert_eq!(teller.told, Told::default());
}

#[test]
fn the_comment_stays_where_it_was_first_told() {
    let mut teller = Teller::new();
    teller.tell(refused("unsigned-tip", 1));
    teller.tell(refused("unsigned-tip", 2));
    let (_, comment) = teller.told.standing[0].comment.as_ref().unwrap();
    assert_eq!(comment.thread, Thread::Commit("01".repeat(20).parse().unwrap()));
    assert!(comment.body.contains(&"02".repeat(20)));
}

#[test]
fn another_cause_takes_the_place_of_the_first() {
    let mut teller = Teller::new();
    teller.tell(refused("unsigned-tip", 1));
    let told = teller.tell(refused("key-expired", 1));
    let all = [
        "status MustAct",
        "mend unsigned-tip",
        "close unsigned-tip",
        "comment key-expired",
        "issue key-expired",
        "mail ada@x.example",
        "event refused",
    ];
    assert_eq!(told, all);
    let causes: Vec<&str> = teller.told.standing.iter().map(|one| one.cause.as_str()).collect();
    assert_eq!(causes, ["key-expired"]);
}

#[test]
fn what_passes_by_itself_is_no_news() {
    let mut teller = Teller::new();
    teller.tell(refused("unsigned-tip", 1));
    let before = teller.told.clone();
    let gone = || failed(Problem::temporary("git-unreachable", "gone"), 1);
    assert_eq!(teller.tell(gone()), ["status Queued"]);
    assert_eq!(teller.tell(report(Outcome::Held, 1)), ["status Queued"]);
    assert_eq!(teller.told, before);
}

#[test]
fn a_failure_for_good_is_the_operators() {
    let mut teller = Teller::new();
    let broken = || failed(Problem::permanent("disk-full", "full"), 1);
    assert_eq!(teller.tell(broken()), ["status Broken", "mail ops@x.example", "event failed"]);
    assert_eq!(teller.tell(broken()), ["status Broken", "event failed"]);
    teller.tell(report(Outcome::Landed, 1));
    assert_eq!(teller.tell(broken()).len(), 3, "after it had gone it is told anew");
}

#[test]
fn a_branch_that_opts_out_leaves_nothing_open() {
    let mut teller = Teller::new();
    teller.tell(refused("unsigned-tip", 1));
    let mut gone = report(Outcome::NotForUs, 1);
    gone.source_commit = None;
    let told = teller.tell(gone);
    let all = ["mend unsigned-tip", "close unsigned-tip", "mail ada@x.example", "event not-for-us"];
    assert_eq!(told, all);
}

#[test]
fn the_branch_says_what_it_wants() {
    let mut teller = Teller::new();
    teller.notify = config::Notify {
        status: false,
        comment: CommentWhen::Never,
        issue: false,
        mention: Vec::new(),
    };
    teller.owners.clear();
    assert_eq!(teller.tell(refused("unsigned-tip", 1)), ["event refused"]);
    teller.notify.comment = CommentWhen::Always;
    let landed = teller.tell(report(Outcome::Landed, 2));
    assert_eq!(
        landed,
        [format!("comment landed-{}", "02".repeat(20)), "event landed".to_owned()]
    );
    assert_eq!(teller.tell(report(Outcome::UpToDate, 2)), Vec::<String>::new());
}

#[test]
fn source_git_elsewhere_hears_nothing_at_a_forge() {
    let mut teller = Teller::new();
    teller.forges.clear();
    assert_eq!(teller.tell(refused("unsigned-tip", 1)), ["mail ada@x.example", "event refused"]);
}

#[test]
fn a_status_belongs_to_its_commit_and_context() {
    let mut teller = Teller::new();
    teller.tell(refused("unsigned-tip", 1));
    let instance = "fedora".parse().unwrap();
    let mut landed = report(Outcome::Landed, 1);
    let source =
        config::Source { repository: SOURCE.parse().unwrap(), branch: "main".parse().unwrap() };
    landed.audience = Some(Audience { source, notify: teller.notify.clone() });
    let at = jiff::Timestamp::UNIX_EPOCH;
    let occasion =
        Occasion { instance: &instance, report: &landed, dist_git: None, run: "1", at, page: None };
    let desk = Desk { forges: &teller.forges, ..Desk::default() };
    let telling = tell(&occasion, &desk, &Told::default());
    let Body::Status(status) = &telling.messages[0].body else { panic!("{telling:?}") };
    assert_eq!(
        (status.context.as_str(), status.state),
        ("lockkeeper/fedora/hello/f44", State::Passed)
    );
    assert_eq!(telling.messages[0].context, status.context);
    assert_eq!(telling.messages[0].subject, format!("ada/hello {}", "01".repeat(20)));
}
