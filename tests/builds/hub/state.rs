//! What a hub knows: users, sessions, tasks, builds, tags, files; and what its builders do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dxr::Value;

use super::Trouble;

/// Where a builder is to bring a build task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A builder took it; the source package is made, and the NVR is taken.
    Started,
    /// The builder fell: the task is free again.
    Freed,
    /// Done.
    Done,
    /// It fails: method and label of the step, fault and words, name and content of its log.
    Failed(&'static str, &'static str, i32, &'static str, (&'static str, String)),
}

#[derive(Debug, Clone)]
pub struct Task {
    pub id: i64,
    pub parent: Option<i64>,
    pub method: String,
    pub label: String,
    pub state: i32,
    pub owner: i64,
    pub request: Vec<Value>,
    pub made: f64,
    pub ended: Option<f64>,
    pub fault: Option<(i32, String)>,
    pub files: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, Clone)]
pub struct Build {
    pub id: i64,
    pub nvr: String,
    pub state: i32,
    pub task: Option<i64>,
    pub owner: i64,
    pub source: Option<String>,
    pub tags: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub struct Session {
    pub user: i64,
    pub key: String,
    pub last: Option<i64>,
    pub expired: bool,
}

/// The hub.
pub struct Hub {
    pub users: Vec<(String, String)>,
    pub sessions: BTreeMap<i64, Session>,
    pub targets: BTreeMap<String, String>,
    /// Tags, and whether each is locked.
    pub tags: BTreeMap<String, bool>,
    /// (tag, package), and whether it is blocked.
    pub listed: BTreeMap<(String, String), bool>,
    pub tasks: Vec<Task>,
    pub builds: Vec<Build>,
    pub uploads: BTreeMap<String, Vec<u8>>,
    /// What a commit's spec says it is.
    pub nvrs: BTreeMap<String, String>,
    /// Whether sessions go into headers; older hubs want them in the query.
    pub header_auth: bool,
    /// Whether a policy lets tasks put on tags.
    pub tagging_allowed: bool,
    /// Every method that was called, `multiCall`'s within it not.
    pub calls: Vec<String>,
    troubles: BTreeMap<String, VecDeque<Trouble>>,
    pub clock: f64,
}

/// The bot's and another packager's user ids.
pub const BOT: i64 = 1;
pub const CAROL: i64 = 2;

impl Hub {
    pub fn new() -> Hub {
        let owned = |text: &str| text.to_owned();
        Hub {
            users: vec![(owned("bot"), owned("secret")), (owned("carol"), owned("carols"))],
            sessions: BTreeMap::new(),
            targets: BTreeMap::from([(owned("f44-candidate"), owned("f44-updates-candidate"))]),
            tags: BTreeMap::from([(owned("f44-updates-candidate"), false), (owned("f44"), false)]),
            listed: BTreeMap::from([((owned("f44-updates-candidate"), owned("hello")), false)]),
            tasks: Vec::new(),
            builds: Vec::new(),
            uploads: BTreeMap::new(),
            nvrs: BTreeMap::new(),
            header_auth: true,
            tagging_allowed: true,
            calls: Vec::new(),
            troubles: BTreeMap::new(),
            clock: 1_795_000_000.0,
        }
    }

    /// The next calls of this method go wrong like this, one after the other.
    pub fn trouble(&mut self, method: &str, troubles: impl IntoIterator<Item = Trouble>) {
        self.troubles.entry(method.to_owned()).or_default().extend(troubles);
    }

    pub(super) fn trouble_with(&mut self, method: &str) -> Option<Trouble> {
        self.troubles.get_mut(method)?.pop_front()
    }

    /// Every session has expired.
    pub fn expire_sessions(&mut self) {
        self.sessions.values_mut().for_each(|session| session.expired = true);
    }

    /// Returns the build tasks, all of them or those of one source.
    pub fn build_tasks(&self) -> Vec<&Task> {
        self.tasks.iter().filter(|task| task.method == "build").collect()
    }

    pub(super) fn tick(&mut self) -> f64 {
        self.clock += 1.0;
        self.clock
    }

    pub(super) fn new_task(
        &mut self,
        method: &str,
        parent: Option<i64>,
        owner: i64,
        request: Vec<Value>,
    ) -> i64 {
        let (id, made) = (100 + self.tasks.len() as i64, self.tick());
        self.tasks.push(Task {
            id,
            parent,
            method: method.to_owned(),
            label: String::new(),
            state: 0,
            owner,
            request,
            made,
            ended: None,
            fault: None,
            files: BTreeMap::new(),
        });
        id
    }

    pub(super) fn task_mut(&mut self, id: i64) -> &mut Task {
        self.tasks
            .iter_mut()
            .find(|task| task.id == id)
            .expect("the test names a task that is there")
    }

    /// Another packager builds a commit.
    pub fn carol_builds(&mut self, source: &str) -> i64 {
        let request = vec![
            Value::String(source.to_owned()),
            Value::String("f44-candidate".to_owned()),
            Value::Struct(BTreeMap::new()),
        ];
        self.new_task("build", None, CAROL, request)
    }

    /// The builders bring a task to here.
    pub fn bring(&mut self, task: i64, to: Step) {
        match to {
            Step::Started => self.start(task),
            Step::Freed => self.task_mut(task).state = 0,
            Step::Done => self.finish(task),
            Step::Failed(method, label, code, words, (log, content)) => {
                self.start(task);
                if self.task_mut(task).state != 1 {
                    return;
                }
                let owner = self.task_mut(task).owner;
                let child = self.new_task(method, Some(task), owner, Vec::new());
                let child_task = self.task_mut(child);
                child_task.label = label.to_owned();
                child_task.files.insert(log.to_owned(), content.into_bytes());
                child_task.files.insert("state.log".to_owned(), b"x".to_vec());
                self.fail(child, code, words);
                self.fail(task, code, words);
            }
        }
    }

    fn start(&mut self, id: i64) {
        if self.task_mut(id).state == 1 {
            return;
        }
        self.task_mut(id).state = 1;
        let task = self.task_mut(id).clone();
        if is_scratch(&task) {
            return;
        }
        let source = text(&task.request[0]);
        let commit = source.rsplit_once('#').map_or("", |(_, commit)| commit);
        let Some(nvr) = self.nvrs.get(commit).cloned() else {
            return self.fail(
                id,
                1005,
                "error building srpm, mock exited with status 1; see build.log",
            );
        };
        let mine = self.builds.iter().position(|build| build.nvr == nvr);
        match mine.map(|at| (at, self.builds[at].state, self.builds[at].task)) {
            Some((_, 0, of)) if of == Some(id) => {}
            Some((at, 0 | 1, _)) => {
                let words = format!(
                    "Build already exists (id={}, state={})",
                    self.builds[at].id, self.builds[at].state
                );
                self.fail(id, 1000, &words);
            }
            Some((at, ..)) => {
                let build = &mut self.builds[at];
                (build.state, build.task, build.owner, build.source) =
                    (0, Some(id), task.owner, Some(source));
            }
            None => {
                let build_id = 5000 + self.builds.len() as i64;
                self.builds.push(Build {
                    id: build_id,
                    nvr,
                    state: 0,
                    task: Some(id),
                    owner: task.owner,
                    source: Some(source),
                    tags: BTreeSet::new(),
                });
            }
        }
    }

    fn finish(&mut self, id: i64) {
        self.start(id);
        if self.task_mut(id).state != 1 {
            return;
        }
        let now = self.tick();
        let task = self.task_mut(id);
        (task.state, task.ended) = (2, Some(now));
        let target = task.request.get(1).map(text).unwrap_or_default();
        let dest = self.targets.get(&target).cloned();
        if let Some(build) = self.builds.iter_mut().find(|build| build.task == Some(id)) {
            build.state = 1;
            build.tags.extend(dest);
        }
    }

    fn fail(&mut self, id: i64, code: i32, words: &str) {
        let now = self.tick();
        let task = self.task_mut(id);
        (task.state, task.ended, task.fault) = (5, Some(now), Some((code, words.to_owned())));
        self.end_build_of(id, 3);
    }

    pub(super) fn cancel(&mut self, id: i64) {
        let now = self.tick();
        let task = self.task_mut(id);
        (task.state, task.ended) = (3, Some(now));
        self.end_build_of(id, 4);
    }

    fn end_build_of(&mut self, task: i64, state: i32) {
        let building = |build: &&mut Build| build.task == Some(task) && build.state == 0;
        if let Some(build) = self.builds.iter_mut().find(building) {
            build.state = state;
        }
    }

    /// Finishes the tasks that put on tags, as far as the policy lets them.
    pub fn run_tag_tasks(&mut self) {
        let open: Vec<Task> = self
            .tasks
            .iter()
            .filter(|task| task.method == "tagBuild" && task.state == 0)
            .cloned()
            .collect();
        for task in open {
            if !self.tagging_allowed {
                self.fail(task.id, 1004, "policy violation (tag)");
                continue;
            }
            let (tag, build) = (text(&task.request[0]), number(&task.request[1]));
            self.builds.iter_mut().filter(|found| found.id == build).for_each(|found| {
                found.tags.insert(tag.clone());
            });
            let now = self.tick();
            let task = self.task_mut(task.id);
            (task.state, task.ended) = (2, Some(now));
        }
    }
}

pub(super) fn is_scratch(task: &Task) -> bool {
    match task.request.get(2) {
        Some(Value::Struct(options)) => options.get("scratch") == Some(&Value::Boolean(true)),
        _ => false,
    }
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        _ => String::new(),
    }
}

pub(super) fn number(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => i64::from(*number),
        Value::Long(number) => *number,
        _ => -1,
    }
}
