//! What a finished run tells: pure, from what came of it and what was told before.
//!
//! | outcome | status | note (comment, issue) and mail |
//! |---|---|---|
//! | landed, up to date, not for us | success | every note that stands is mended |
//! | refused | failure | one note for this cause; those of other causes are mended |
//! | failed for good | error | none: the packager cannot mend it. The operators get a mail, once |
//! | failed for now, held | pending | nothing: it is tried again by itself |
//!
//! A note that would say the same again is not sent again; one whose words changed is edited in place.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::message::{Account, Body, Event, Mail, Message};
use crate::config::CommentWhen;
use crate::forge::{self, Comment, Issue, Project, Status, Thread};
use crate::names::{ForgeName, InstanceName, RepositoryAddress};
use crate::report::forge::{
    Matter, description, issue_title, letter, marker, mended, note, state, subject, summary,
};
use crate::report::{Exit, Outcome, Report};

/// A finished run.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// The instance that the branch belongs to.
    pub instance: &'a InstanceName,
    /// What came of it; without package and branch nothing is told.
    pub report: &'a Report,
    /// The dist-git repository, for those who want to try it at home.
    pub dist_git: Option<&'a RepositoryAddress>,
    /// The run's id: what makes mails and events of this run known again.
    pub run: &'a str,
    /// When it ended.
    pub at: Timestamp,
    /// The run's page, where the service has one.
    pub page: Option<&'a Url>,
}

/// Whom the operator's config names: where messages can go at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Desk<'a> {
    /// The accounts at forges.
    pub forges: &'a [forge::Account],
    /// The mail addresses of this package's owners.
    pub owners: &'a [String],
    /// The mail addresses that hear of the bot's own permanent failures.
    pub operators: &'a [String],
    /// The names of the webhook sinks that hear of this package.
    pub webhooks: &'a [String],
}

/// What was told about a branch so far: stored with each run, given back to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// What stands open.
    pub standing: Vec<Standing>,
    /// The code of the permanent failure that the operators were told of.
    pub broken: Option<String>,
}

/// Something that a person was told to act on, and that is not mended yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The reason's code.
    pub cause: String,
    /// The comment about it, with its last text.
    pub comment: Option<(ForgeName, Comment)>,
    /// The issue about it, with its last text.
    pub issue: Option<(ForgeName, Issue)>,
    /// Whether the owners had a mail about it.
    pub mailed: bool,
}

/// What is to be stored: messages for the outbox, and what the next run must know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telling {
    /// The messages.
    pub messages: Vec<Message>,
    /// What was told, these messages included.
    pub told: Told,
}

/// Says what a finished run tells whom.
pub fn tell(occasion: &Occasion<'_>, desk: &Desk<'_>, before: &Told) -> Telling {
    let Some(about) = About::new(occasion, desk) else {
        return Telling { messages: Vec::new(), told: before.clone() };
    };
    let mut telling = Telling::default();
    telling.messages.extend(about.status());
    about.notes(before, &mut telling);
    telling.messages.extend(about.after_every_run());
    about.tell_operators(before, &mut telling);
    let is_news = telling.told.standing != before.standing;
    telling.messages.extend(about.events(is_news));
    telling
}

/// What all messages of one run share.
struct About<'a> {
    occasion: &'a Occasion<'a>,
    desk: &'a Desk<'a>,
    matter: Matter<'a>,
    /// The forge that source-git is at, and its project there.
    place: Option<(ForgeName, Project)>,
}

impl<'a> About<'a> {
    fn new(occasion: &'a Occasion<'a>, desk: &'a Desk<'a>) -> Option<About<'a>> {
        let report = occasion.report;
        let audience = report.audience.as_ref();
        let place = audience.and_then(|audience| {
            let repository = &audience.source.repository;
            desk.forges
                .iter()
                .find_map(|account| Some((account.name.clone(), account.project_of(repository)?)))
        });
        let matter = Matter {
            package: report.package.as_ref()?,
            branch: report.branch.as_ref()?,
            report,
            dist_git: occasion.dist_git,
            page: occasion.page,
            mention: audience.map_or(&[], |audience| &audience.notify.mention),
        };
        Some(About { occasion, desk, matter, place })
    }

    /// Returns `fedora/hello/f44`: what this branch is called in contexts and keys.
    fn name(&self) -> String {
        format!("{}/{}/{}", self.occasion.instance, self.matter.package, self.matter.branch)
    }

    fn marker(&self, cause: &str) -> String {
        marker(self.occasion.instance, self.matter.package, self.matter.branch, cause)
    }

    fn status(&self) -> Option<Message> {
        let report = self.occasion.report;
        let audience = report.audience.as_ref().filter(|audience| audience.notify.status)?;
        let (forge, project) = self.place.clone()?;
        let commit = report.source_commit?;
        let context = format!("lockkeeper/{}", self.name());
        let subject = format!("{project} {commit}");
        let status = Status {
            project,
            commit,
            branch: audience.source.branch.clone(),
            context: context.clone(),
            state: state(report),
            description: description(report),
            summary: summary(&self.matter),
            link: self.occasion.page.cloned(),
        };
        let (account, body) = (Account::Forge(forge), Body::Status(status));
        Some(Message { account, subject, context, body })
    }

    /// Notes that a person must act, and that what stood is mended.
    fn notes(&self, before: &Told, telling: &mut Telling) {
        let report = self.occasion.report;
        let cause = match report.outcome {
            Outcome::Refused => report.reason.as_ref().map(|reason| reason.code.0),
            Outcome::Landed | Outcome::UpToDate | Outcome::NotForUs => None,
            _ => {
                telling.told.standing.clone_from(&before.standing);
                return;
            }
        };
        for standing in &before.standing {
            if Some(standing.cause.as_str()) != cause {
                self.mend(standing, telling);
            }
        }
        if let Some(cause) = cause {
            let stood = before.standing.iter().find(|standing| standing.cause == cause);
            self.raise(cause, stood, telling);
        }
    }

    /// Edits what stood about a cause that is gone, and closes its issue.
    fn mend(&self, standing: &Standing, telling: &mut Telling) {
        let text = mended(&self.matter, &standing.cause, &self.marker(&standing.cause));
        if let Some((forge, comment)) = &standing.comment {
            let comment = Comment { body: text.clone(), ..comment.clone() };
            let context = comment_about(&standing.cause);
            telling.messages.push(self.on_forge(forge, context, Body::Mend(comment)));
        }
        if let Some((forge, issue)) = &standing.issue {
            let issue = Issue { body: text, open: false, ..issue.clone() };
            let context = issue_about(&standing.cause);
            telling.messages.push(self.on_forge(forge, context, Body::Issue(issue)));
        }
        let is_over = self.occasion.report.outcome != Outcome::Refused;
        if standing.mailed && is_over {
            let mail = self.mail(self.desk.owners, &standing.cause);
            telling.messages.extend(mail);
        }
    }

    /// Tells a cause, once; where it stood already, only words that changed are sent.
    fn raise(&self, cause: &str, stood: Option<&Standing>, telling: &mut Telling) {
        let comment = self.comment(cause, stood);
        if let Some((forge, comment)) = &comment {
            let is_new = stood
                .is_none_or(|stood| stood.comment.as_ref().map(|(_, told)| told) != Some(comment));
            if is_new {
                let body = Body::Comment(comment.clone());
                telling.messages.push(self.on_forge(forge, comment_about(cause), body));
            }
        }
        let issue = self.issue(cause);
        if let Some((forge, issue)) = &issue {
            let is_new =
                stood.is_none_or(|stood| stood.issue.as_ref().map(|(_, told)| told) != Some(issue));
            if is_new {
                let body = Body::Issue(issue.clone());
                telling.messages.push(self.on_forge(forge, issue_about(cause), body));
            }
        }
        let was_mailed = stood.is_some_and(|stood| stood.mailed);
        let mail = if was_mailed { None } else { self.mail(self.desk.owners, cause) };
        let mailed = was_mailed || mail.is_some();
        telling.messages.extend(mail);
        telling.told.standing.push(Standing { cause: cause.to_owned(), comment, issue, mailed });
    }

    /// Returns the comment about a cause: on the commit that it was first told at.
    fn comment(&self, cause: &str, stood: Option<&Standing>) -> Option<(ForgeName, Comment)> {
        let report = self.occasion.report;
        let notify = &report.audience.as_ref()?.notify;
        if notify.comment == CommentWhen::Never {
            return None;
        }
        let (forge, project) = self.place.clone()?;
        let told_at = stood.and_then(|stood| stood.comment.as_ref());
        let thread = match told_at.filter(|(at, told)| *at == forge && told.project == project) {
            Some((_, told)) => told.thread.clone(),
            None => Thread::Commit(report.source_commit?),
        };
        let marker = self.marker(cause);
        let body = note(&self.matter, &marker);
        Some((forge, Comment { project, thread, marker, body }))
    }

    fn issue(&self, cause: &str) -> Option<(ForgeName, Issue)> {
        let notify = &self.occasion.report.audience.as_ref()?.notify;
        let (forge, project) = self.place.clone().filter(|_| notify.issue)?;
        let marker = self.marker(cause);
        let body = note(&self.matter, &marker);
        let title = issue_title(&self.matter);
        Some((forge, Issue { project, marker, title, body, open: true }))
    }

    /// Returns the comment of a branch that wants one after every run: one for each commit that was published.
    fn after_every_run(&self) -> Option<Message> {
        let report = self.occasion.report;
        let audience = report.audience.as_ref()?;
        let is_wanted = audience.notify.comment == CommentWhen::Always;
        if !is_wanted || report.outcome != Outcome::Landed {
            return None;
        }
        let (forge, project) = self.place.clone()?;
        let commit = report.source_commit?;
        let cause = format!("landed-{commit}");
        let marker = self.marker(&cause);
        // Nobody has to act, so nobody is called.
        let matter = Matter { mention: &[], ..self.matter };
        let body = note(&matter, &marker);
        let comment = Comment { project, thread: Thread::Commit(commit), marker, body };
        Some(self.on_forge(&forge, comment_about(&cause), Body::Comment(comment)))
    }

    /// Tells the operators of a failure that waiting will not mend, once for each cause.
    fn tell_operators(&self, before: &Told, telling: &mut Telling) {
        let report = self.occasion.report;
        let code = report.reason.as_ref().map_or("", |reason| reason.code.0);
        telling.told.broken = match report.outcome {
            Outcome::Failed if report.exit == Exit::Failed => Some(code.to_owned()),
            Outcome::Failed | Outcome::Held => before.broken.clone(),
            _ => None,
        };
        if telling.told.broken.is_some() && telling.told.broken != before.broken {
            telling.messages.extend(self.mail(self.desk.operators, code));
        }
    }

    fn mail(&self, to: &[String], cause: &str) -> Option<Message> {
        if to.is_empty() {
            return None;
        }
        let (run, name) = (self.occasion.run, self.name());
        let mail = Mail {
            to: to.to_vec(),
            subject: subject(&self.matter),
            text: letter(&self.matter),
            thread: format!("{name}:{cause}"),
            id: format!("{run}:{cause}"),
        };
        let (subject, context) = (name, format!("mail about {cause} in run {run}"));
        Some(Message { account: Account::Mail, subject, context, body: Body::Mail(mail) })
    }

    /// Returns what owners' programs hear: every end that is news. That nothing has changed is none.
    fn events(&self, is_news: bool) -> Vec<Message> {
        let report = self.occasion.report;
        let is_end = match report.outcome {
            Outcome::UpToDate | Outcome::NotForUs => is_news,
            Outcome::Held => false,
            Outcome::Failed => report.exit == Exit::Failed,
            _ => true,
        };
        let sinks = self.desk.webhooks.iter().filter(|_| is_end);
        sinks.map(|sink| self.event(sink)).collect()
    }

    fn event(&self, sink: &str) -> Message {
        let run = self.occasion.run;
        let payload = serde_json::json!({
            "type": "run.finished",
            "timestamp": self.occasion.at,
            "data": {
                "run": run,
                "instance": self.occasion.instance,
                "report": self.occasion.report,
                "page": self.occasion.page,
            },
        });
        let event = Event { id: format!("run_{run}"), at: self.occasion.at, payload };
        let (account, subject) = (Account::Webhook(sink.to_owned()), self.name());
        Message { account, subject, context: format!("run {run}"), body: Body::Webhook(event) }
    }

    fn on_forge(&self, forge: &ForgeName, context: String, body: Body) -> Message {
        Message { account: Account::Forge(forge.clone()), subject: self.name(), context, body }
    }
}

fn comment_about(cause: &str) -> String {
    format!("comment about {cause}")
}

fn issue_about(cause: &str) -> String {
    format!("issue about {cause}")
}
