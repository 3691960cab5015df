//! The hub's methods, as far as a build needs them.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dxr::{Fault, Value};
use sha2::{Digest, Sha256};

use super::Shown;
use super::state::{BOT, Build, Hub, Session, Task, is_scratch, number, text};

type Answer = Result<Value, Fault>;

/// A method's arguments: those in order, and those by name.
struct Arguments {
    plain: Vec<Value>,
    named: BTreeMap<String, Value>,
}

impl Arguments {
    fn of(mut params: Vec<Value>) -> Arguments {
        let starred = |value: &Value| match value {
            Value::Struct(fields) => fields.get("__starstar") == Some(&Value::Boolean(true)),
            _ => false,
        };
        match params.pop_if(|last| starred(last)) {
            Some(Value::Struct(named)) => Arguments { plain: params, named },
            _ => Arguments { plain: params, named: BTreeMap::new() },
        }
    }

    fn get(&self, index: usize, name: &str) -> Value {
        let by_name = || self.named.get(name).cloned();
        self.plain.get(index).cloned().or_else(by_name).unwrap_or(Value::Nil)
    }

    fn text(&self, index: usize, name: &str) -> String {
        text(&self.get(index, name))
    }

    fn number(&self, index: usize, name: &str) -> i64 {
        number(&self.get(index, name))
    }
}

impl Hub {
    /// Answers one request.
    pub(super) fn call(
        &mut self,
        method: &str,
        params: Vec<Value>,
        shown: Option<Shown>,
        at_login: bool,
        headers: &HeaderMap,
    ) -> Answer {
        self.calls.push(method.to_owned());
        let arguments = Arguments::of(params);
        match method {
            "login" => {
                let (name, password) = (arguments.text(0, "user"), arguments.text(1, "password"));
                let known =
                    self.users.iter().position(|user| *user == (name.clone(), password.clone()));
                let user = known.ok_or_else(|| fault(1002, "invalid username or password"))?;
                return Ok(self.log_in(user as i64 + 1));
            }
            "sslLogin" if !at_login => return Err(fault(1002, "not at /ssllogin")),
            // What a web server in front writes for the certificate that it has checked.
            "sslLogin" => {
                let name = headers.get("x-client-cn").and_then(|name| name.to_str().ok());
                let known = self.users.iter().position(|user| Some(&*user.0) == name);
                let user = known.ok_or_else(|| fault(1002, "no client certificate"))?;
                return Ok(self.log_in(user as i64 + 1));
            }
            _ => {}
        }
        let user = shown.map(|shown| self.session_of(&shown, method)).transpose()?;
        match method {
            "multiCall" => self.many(&arguments, user),
            _ => self.one(method, &arguments, user),
        }
    }

    fn log_in(&mut self, user: i64) -> Value {
        let id = 4_000_000_000 + self.sessions.len() as i64;
        let key = format!("{id}-key");
        let session = Session { user, key: key.clone(), last: None, expired: false };
        self.sessions.insert(id, session);
        let mut given = vec![("session-id", whole(id)), ("session-key", Value::String(key))];
        if self.header_auth {
            given.push(("header-auth", Value::Boolean(true)));
        }
        record(given)
    }

    fn session_of(&mut self, shown: &Shown, method: &str) -> Result<i64, Fault> {
        let known = self.sessions.get_mut(&shown.id).filter(|session| session.key == shown.key);
        let session = known.ok_or_else(|| fault(1002, "Invalid session or bad credentials"))?;
        if session.expired {
            return Err(fault(1007, format!("session \"{}\" has expired", shown.id)));
        }
        match session.last {
            Some(last) if last > shown.number => {
                return Err(fault(1008, format!("{last} > {}", shown.number)));
            }
            Some(last) if last == shown.number => {
                return Err(fault(1009, format!("unable to retry call {last} (method {method})")));
            }
            _ => session.last = Some(shown.number),
        }
        Ok(session.user)
    }

    fn many(&mut self, arguments: &Arguments, user: Option<i64>) -> Answer {
        let Value::Array(calls) = arguments.get(0, "calls") else {
            return Err(fault(1019, "no calls"));
        };
        let answers = calls.into_iter().map(|call| {
            let Value::Struct(mut call) = call else { return Err(fault(1019, "no call")) };
            let method = call.remove("methodName").map(|name| text(&name)).unwrap_or_default();
            let Some(Value::Array(params)) = call.remove("params") else {
                return Err(fault(1019, "no params"));
            };
            Ok(match self.one(&method, &Arguments::of(params), user) {
                Ok(value) => Value::Array(vec![value]),
                Err(fault) => record([
                    ("faultCode", Value::Integer(fault.code())),
                    ("faultString", Value::String(fault.string().to_owned())),
                    ("traceback", Value::Array(Vec::new())),
                ]),
            })
        });
        Ok(Value::Array(answers.collect::<Result<_, _>>()?))
    }

    fn one(&mut self, method: &str, arguments: &Arguments, user: Option<i64>) -> Answer {
        let logged_in = || user.ok_or_else(|| fault(1004, "you must be logged in for that"));
        match method {
            "getKojiVersion" => Ok(Value::String("1.36.1".to_owned())),
            "logout" => Ok(Value::Nil),
            "getLoggedInUser" => Ok(user.map_or(Value::Nil, |user| self.user(user))),
            "getBuildTarget" => Ok(self.target(&arguments.text(0, "info"))),
            "getTag" => Ok(self.tag(&arguments.text(0, "tagInfo"))),
            "getPackageConfig" => {
                self.package(&arguments.text(0, "tag"), &arguments.text(1, "pkg"))
            }
            "getBuild" => Ok(self.build_info(&arguments.get(0, "buildInfo"))),
            "listBuilds" => Ok(self.builds_of(arguments.number(99, "taskID"))),
            "listTags" => Ok(self.tags_of(arguments.number(0, "build"))),
            "listTasks" => {
                Ok(self.list_tasks(&arguments.get(0, "opts"), &arguments.get(1, "queryOpts")))
            }
            "getTaskInfo" => self.task_info(arguments),
            "getTaskDescendents" => Ok(self.descendants(arguments.number(0, "task_id"))),
            "getTaskResult" => self.task_result(arguments),
            "listTaskOutput" => Ok(self.files(arguments.number(0, "taskID"))),
            "downloadTaskOutput" => self.download(arguments),
            "build" => self.build(arguments, logged_in()?),
            "tagBuild" => self.tag_build(arguments, logged_in()?),
            "cancelTask" => self.cancel_task(arguments.number(0, "task_id"), logged_in()?),
            "checkUpload" => self.check_upload(arguments),
            "uploadFile" => self.upload(arguments, logged_in()?),
            _ => Err(fault(1000, format!("Invalid method: {method}"))),
        }
    }

    fn user(&self, id: i64) -> Value {
        let name = &self.users[id as usize - 1].0;
        record([("id", whole(id)), ("name", Value::String(name.clone()))])
    }

    fn target(&self, name: &str) -> Value {
        self.targets.get(name).map_or(Value::Nil, |dest| {
            let dest = Value::String(dest.clone());
            record([
                ("name", Value::String(name.to_owned())),
                ("dest_tag_name", dest),
                ("id", whole(7)),
            ])
        })
    }

    fn tag(&self, name: &str) -> Value {
        self.tags.get(name).map_or(Value::Nil, |locked| {
            record([("name", Value::String(name.to_owned())), ("locked", Value::Boolean(*locked))])
        })
    }

    fn package(&self, tag: &str, package: &str) -> Answer {
        if !self.tags.contains_key(tag) {
            return Err(fault(1000, format!("No such entry in table tag: {tag}")));
        }
        let listed = self.listed.get(&(tag.to_owned(), package.to_owned()));
        Ok(listed.map_or(Value::Nil, |blocked| {
            record([
                ("package_name", Value::String(package.to_owned())),
                ("blocked", Value::Boolean(*blocked)),
                ("extra_arches", Value::Nil),
            ])
        }))
    }

    fn build_info(&self, wanted: &Value) -> Value {
        let is = |build: &&Build| build.nvr == text(wanted) || build.id == number(wanted);
        self.builds.iter().find(is).map_or(Value::Nil, |build| self.build_record(build))
    }

    fn build_record(&self, build: &Build) -> Value {
        record([
            ("build_id", whole(build.id)),
            ("id", whole(build.id)),
            ("nvr", Value::String(build.nvr.clone())),
            ("state", Value::Integer(build.state)),
            ("task_id", build.task.map_or(Value::Nil, whole)),
            ("owner_name", Value::String(self.users[build.owner as usize - 1].0.clone())),
            // The hub learns of the source when the build is complete.
            (
                "source",
                match (&build.source, build.state) {
                    (Some(source), 1) => Value::String(source.clone()),
                    _ => Value::Nil,
                },
            ),
        ])
    }

    fn builds_of(&self, task: i64) -> Value {
        let of_task = self.builds.iter().filter(|build| build.task == Some(task));
        Value::Array(of_task.map(|build| self.build_record(build)).collect())
    }

    fn tags_of(&self, build: i64) -> Value {
        let tags =
            self.builds.iter().filter(|found| found.id == build).flat_map(|found| &found.tags);
        Value::Array(tags.map(|tag| record([("name", Value::String(tag.clone()))])).collect())
    }

    fn list_tasks(&self, which: &Value, order: &Value) -> Value {
        let after = match field(which, "createdAfter") {
            Value::Double(after) => after,
            other => number(&other) as f64,
        };
        let (method, owner) = (text(&field(which, "method")), field(which, "owner"));
        let decode = field(which, "decode") == Value::Boolean(true);
        let is_wanted = |task: &&Task| {
            task.method == method
                && task.made > after
                && (owner == Value::Nil || number(&owner) == task.owner)
        };
        let mut found: Vec<&Task> = self.tasks.iter().filter(is_wanted).collect();
        if text(&field(order, "order")) == "-id" {
            found.reverse();
        }
        let skipped = number(&field(order, "offset")).max(0) as usize;
        let most = usize::try_from(number(&field(order, "limit"))).unwrap_or(usize::MAX);
        let page = found.into_iter().skip(skipped).take(most);
        Value::Array(page.map(|task| task_record(task, decode)).collect())
    }

    fn task(&self, id: i64) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id)
    }

    fn task_info(&self, arguments: &Arguments) -> Answer {
        let request = arguments.get(1, "request") == Value::Boolean(true);
        let one = |id: i64| self.task(id).map_or(Value::Nil, |task| task_record(task, request));
        Ok(match arguments.get(0, "task_id") {
            Value::Array(ids) => Value::Array(ids.iter().map(|id| one(number(id))).collect()),
            id => one(number(&id)),
        })
    }

    fn descendants(&self, id: i64) -> Value {
        let mut tree = BTreeMap::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let children: Vec<&Task> =
                self.tasks.iter().filter(|task| task.parent == Some(id)).collect();
            open.extend(children.iter().map(|task| task.id));
            let records = children.into_iter().map(|task| task_record(task, false));
            tree.insert(id.to_string(), Value::Array(records.collect()));
        }
        Value::Struct(tree)
    }

    fn task_result(&self, arguments: &Arguments) -> Answer {
        let id = arguments.number(0, "taskId");
        let task = self.task(id).ok_or_else(|| fault(1000, format!("No such task: {id}")))?;
        let raise = arguments.get(1, "raise_fault") != Value::Boolean(false);
        match (&task.fault, task.state) {
            (Some((code, words)), _) if raise => Err(fault(*code, words.clone())),
            (Some((code, words)), _) => Ok(record([
                ("faultCode", Value::Integer(*code)),
                ("faultString", Value::String(format!("{words}\n"))),
            ])),
            (None, 2) => Ok(Value::Nil),
            (None, 3) => Err(fault(1000, format!("Task {id} is canceled"))),
            (None, _) => Err(fault(1000, format!("Task {id} is not finished"))),
        }
    }

    fn files(&self, id: i64) -> Value {
        let files = self.task(id).map(|task| task.files.clone()).unwrap_or_default();
        let on_volume = |content: &Vec<u8>| {
            // As a real hub: the size is a text.
            record([("DEFAULT", record([("st_size", Value::String(content.len().to_string()))]))])
        };
        Value::Struct(
            files.iter().map(|(name, content)| (name.clone(), on_volume(content))).collect(),
        )
    }

    fn download(&self, arguments: &Arguments) -> Answer {
        let (id, name) = (arguments.number(0, "taskID"), arguments.text(1, "fileName"));
        let content = self.task(id).and_then(|task| task.files.get(&name));
        let content = content.ok_or_else(|| fault(1000, format!("no such file: {name}")))?;
        let offset = arguments.number(2, "offset");
        let offset = if arguments.get(2, "offset") == Value::Nil { 0 } else { offset };
        let start = match offset {
            negative if negative < 0 => (content.len() as i64 + negative).try_into(),
            offset => usize::try_from(offset),
        };
        let start = start.map_err(|_| fault(1, "[Errno 22] Invalid argument"))?.min(content.len());
        let size = usize::try_from(arguments.number(3, "size")).unwrap_or(usize::MAX);
        let end = start.saturating_add(size).min(content.len());
        Ok(Value::String(BASE64_STANDARD.encode(&content[start..end])))
    }

    fn build(&mut self, arguments: &Arguments, user: i64) -> Answer {
        let (source, target) = (arguments.get(0, "src"), arguments.get(1, "target"));
        let options = match arguments.get(2, "opts") {
            Value::Nil => Value::Struct(BTreeMap::new()),
            options => options,
        };
        let priority = arguments.get(3, "priority");
        if matches!(priority, Value::Integer(negative) if negative < 0) && user == BOT {
            return Err(fault(1004, "only admins may create high-priority tasks"));
        }
        Ok(whole(self.new_task("build", None, user, vec![source, target, options])))
    }

    fn tag_build(&mut self, arguments: &Arguments, user: i64) -> Answer {
        let (tag, build) = (arguments.text(0, "tag"), arguments.get(1, "build"));
        let Some(locked) = self.tags.get(&tag) else {
            return Err(fault(1000, format!("No such tag: {tag}")));
        };
        if *locked {
            return Err(fault(1003, format!("Tag {tag} is locked")));
        }
        Ok(whole(self.new_task("tagBuild", None, user, vec![Value::String(tag), build])))
    }

    fn cancel_task(&mut self, id: i64, user: i64) -> Answer {
        match self.task(id).map(|task| (task.owner == user, task.state)) {
            None => Err(fault(1000, format!("Invalid task: {id}"))),
            Some((false, _)) => Err(fault(1004, "Cannot cancel task, not owner")),
            Some((true, 2 | 3 | 5)) => {
                Err(fault(1000, format!("Cannot cancel task {id}, already finished")))
            }
            Some((true, _)) => {
                self.cancel(id);
                Ok(Value::Nil)
            }
        }
    }

    fn check_upload(&self, arguments: &Arguments) -> Answer {
        let name = format!("{}/{}", arguments.text(0, "path"), arguments.text(1, "name"));
        Ok(self.uploads.get(&name).map_or(Value::Nil, |content| {
            record([("size", whole(content.len() as i64)), ("mtime", Value::Integer(0))])
        }))
    }

    fn upload(&mut self, arguments: &Arguments, _: i64) -> Answer {
        let name = format!("{}/{}", arguments.text(0, "path"), arguments.text(1, "name"));
        let (size, offset) = (arguments.number(2, "size"), arguments.number(4, "offset"));
        let Value::Array(digest) = arguments.get(3, "md5sum") else {
            return Err(fault(1019, "digest"));
        };
        let data = BASE64_STANDARD.decode(arguments.text(5, "data").replace('\n', ""));
        let data = data.map_err(|_| fault(1019, "data"))?;
        let stored = self.uploads.entry(name).or_default();
        let hashed = match offset {
            -1 => stored.clone(),
            0 => {
                *stored = data.clone();
                data
            }
            offset => {
                if stored.len() as i64 != offset {
                    return Err(fault(1000, "a part is missing"));
                }
                stored.extend(&data);
                data
            }
        };
        let found: String =
            Sha256::digest(&hashed).iter().map(|byte| format!("{byte:02x}")).collect();
        let fits = (text(&digest[0]), text(&digest[1])) == ("sha256".to_owned(), found);
        Ok(Value::Boolean(fits && hashed.len() as i64 == size))
    }

    /// Takes a part of a file as the faster protocol sends it.
    pub(super) fn raw_upload(
        &mut self,
        shown: Option<Shown>,
        query: &BTreeMap<String, String>,
        body: &[u8],
    ) -> Answer {
        self.calls.push("rawUpload".to_owned());
        let shown = shown.ok_or_else(|| fault(1004, "you must be logged in for that"))?;
        self.session_of(&shown, "rawUpload")?;
        let name = format!("{}/{}", query["filepath"], query["filename"]);
        let stored = self.uploads.entry(name).or_default();
        if query["offset"] == "0" {
            stored.clear();
        }
        stored.extend(body);
        Ok(record([
            ("size", whole(body.len() as i64)),
            ("hexdigest", Value::String(format!("{:08x}", adler32(body)))),
        ]))
    }
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

fn task_record(task: &Task, request: bool) -> Value {
    let arch = if task.label.is_empty() { "noarch" } else { &task.label };
    let mut fields = vec![
        ("id", whole(task.id)),
        ("parent", task.parent.map_or(Value::Nil, whole)),
        ("method", Value::String(task.method.clone())),
        ("state", Value::Integer(task.state)),
        ("owner", whole(task.owner)),
        ("arch", Value::String(arch.to_owned())),
        (
            "label",
            match task.label.is_empty() {
                true => Value::Nil,
                false => Value::String(task.label.clone()),
            },
        ),
        ("create_ts", Value::Double(task.made)),
        ("completion_ts", task.ended.map_or(Value::Nil, Value::Double)),
        ("is_scratch", Value::Boolean(is_scratch(task))),
    ];
    if request {
        fields.push(("request", Value::Array(task.request.clone())));
    }
    record(fields)
}

fn field(record: &Value, name: &str) -> Value {
    match record {
        Value::Struct(fields) => fields.get(name).cloned().unwrap_or(Value::Nil),
        _ => Value::Nil,
    }
}

fn record<'n>(fields: impl IntoIterator<Item = (&'n str, Value)>) -> Value {
    Value::Struct(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn whole(number: i64) -> Value {
    i32::try_from(number).map_or(Value::Long(number), Value::Integer)
}

fn fault(code: i32, words: impl Into<String>) -> Fault {
    Fault::new(code, words.into())
}
