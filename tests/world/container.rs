//! Containers with the real engine: podman with a store of its own, an image of one static program, and a registry
//! on loopback that wants a password.
//!
//! The machine's own store, images and configuration stay out of it. The store lies in cargo's folder for
//! tests and is kept from run to run; nothing else is left.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use lockkeeper::container::{
    Access, Bytes, Engine, EngineChoice, Environment, ImageReference, Limits, Mount, Options,
    PinnedImage, Ran, RunSpec, Time,
};

use super::succeed;

/// The image that stories run: a shell, and an entry point that says so.
pub const IMAGE: &str = "localhost/lockkeeper/story:2";

/// Programs of the image; all are links to busybox.
const PROGRAMS: [&str; 22] = [
    "cat", "chmod", "cut", "dd", "df", "env", "find", "grep", "head", "id", "kill", "ln", "ls",
    "mkdir", "nc", "seq", "sh", "sleep", "touch", "true", "wget", "yes",
];

/// One story's containers: its folder, its settings, and the store that all stories share.
pub struct Containers {
    folder: tempfile::TempDir,
    store: &'static Path,
    /// What the engine sees.
    pub environment: Environment,
    /// What the operator says.
    pub options: Options,
}

/// Returns limits that no honest run of a story meets.
pub fn small_limits() -> Limits {
    Limits {
        memory: Bytes::mib(256),
        time: Time(Duration::from_secs(60)),
        cpu_time: Time(Duration::from_secs(60)),
        processes: 64,
        output: Bytes::mib(16),
        output_files: 1000,
        log: Bytes(64 * 1024),
    }
}

impl Containers {
    /// Makes a folder for a story, beside the store, which the first story makes.
    pub fn new() -> Containers {
        Containers::upon(store())
    }

    /// As [`Containers::new`], with the store of those stories that pull and remove images.
    ///
    /// An engine that adds an image while another process removes one may stumble over a layer that both know: so
    /// removals stay out of the store in which stories build and run, and [`Registry`] lets one story in at a time.
    pub fn with_registry() -> Containers {
        Containers::upon(registrys_store())
    }

    fn upon(store: &'static Path) -> Containers {
        let folder = tempfile::Builder::new().prefix("lk-container-").tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("output")).expect("a folder can be made");
        std::fs::create_dir(folder.path().join("source")).expect("a folder can be made");
        std::fs::write(folder.path().join("source/file"), "content\n").expect("it can be written");
        let environment = variables_in(store)
            .into_iter()
            .fold(Environment::default(), |known, (name, path)| known.with(name, path));
        let options =
            Options { engine: EngineChoice::Podman, limits: small_limits(), ..Options::default() };
        Containers { folder, store, environment, options }
    }

    /// Returns a path in the story's folder.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Finds the engine.
    pub async fn engine(&self) -> Engine {
        let found = Engine::find_in(&self.options, self.environment.clone()).await;
        found.expect("podman works (tests/run installs it)")
    }

    /// Returns the story's image, pinned.
    pub async fn pinned(&self, engine: &Engine) -> PinnedImage {
        let image: ImageReference = IMAGE.parse().expect("a legal name");
        engine.resolve(&image).await.expect("the image was made")
    }

    /// Returns what runs a shell script with `/source` to be read and `/output` to be written.
    pub fn script<'a>(&'a self, script: &str, log: &'a Path) -> RunSpec<'a> {
        let mount = |below: &str, inside, access| Mount { host: self.path(below), inside, access };
        RunSpec {
            label: self.label(),
            mounts: vec![
                mount("source", "/source", Access::ReadOnly),
                mount("output", "/output", Access::ReadWrite),
            ],
            env: vec![("LOCKKEEPER_PACKAGE".to_owned(), "hello".to_owned())],
            command: Some(["/bin/sh", "-c", script].map(str::to_owned).into()),
            folder: None,
            network: false,
            limits: &self.options.limits,
            log,
            keep_stdout: Some(Bytes::mib(1)),
        }
    }

    /// Runs a shell script in the image.
    pub async fn run(&self, script: &str) -> Ran {
        let engine = self.engine().await;
        let image = self.pinned(&engine).await;
        let log = self.path("run.log");
        engine.run(&image, &self.script(script, &log)).await.expect("the engine works")
    }

    /// Returns what a script prints that must end well.
    pub async fn printed(&self, script: &str) -> String {
        let ran = self.run(script).await.done().expect("the script ends well");
        String::from_utf8(ran.stdout).expect("text")
    }

    /// Runs podman itself in this world.
    pub fn podman(&self, arguments: &[&str]) -> String {
        let mut command = podman_in(self.store);
        let output = succeed(command.args(arguments));
        String::from_utf8_lossy(&output).trim().to_owned()
    }

    /// Removes an image from the store, with all its names.
    pub fn forget(&self, name: &str) {
        let id = self.podman(&["image", "inspect", "--format={{.Id}}", name]);
        self.podman(&["rmi", "--force", &id]);
    }

    /// Returns the words by which this story's containers are known.
    pub fn label(&self) -> String {
        let name = self.folder.path().file_name().expect("it has a name");
        format!("{}#f44", name.to_string_lossy())
    }

    /// Returns the names of all containers of this story that are there, running or not.
    pub fn leftovers(&self) -> Vec<String> {
        self.containers(&self.label())
    }

    /// Returns the names of all containers that are there, running or not, and carry these words.
    pub fn containers(&self, label: &str) -> Vec<String> {
        let filter = format!("--filter=label=io.lockkeeper.run={label}");
        let listed = self.podman(&["ps", "--all", &filter, "--format", "{{.Names}}"]);
        listed.lines().map(str::to_owned).collect()
    }
}

/// The variables by which podman finds the store of the stories; those of a login session it needs without root.
pub fn variables() -> Vec<(&'static str, PathBuf)> {
    variables_in(store())
}

fn variables_in(store: &Path) -> Vec<(&'static str, PathBuf)> {
    let mut variables = vec![
        ("CONTAINERS_CONF", store.join("containers.conf")),
        ("CONTAINERS_STORAGE_CONF", store.join("storage.conf")),
        ("HOME", store.join("home")),
    ];
    let session = ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];
    variables
        .extend(session.iter().filter_map(|name| Some((*name, std::env::var_os(name)?.into()))));
    variables
}

fn podman_in(store: &Path) -> Command {
    let mut command = Command::new("podman");
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.envs(variables_in(store));
    command
}

/// Returns the folder of the shared store; the first who asks makes it, with the image.
fn store() -> &'static Path {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| store_named("containers"))
}

/// Returns the folder of the store in which images come and go.
fn registrys_store() -> &'static Path {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| store_named("containers-of-registries"))
}

fn store_named(name: &str) -> PathBuf {
    let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(store.join("home")).expect("a folder can be made");
    configure(&store);
    let mut exists = podman_in(&store);
    exists.args(["image", "exists", IMAGE]);
    if !exists.status().expect("podman is installed").success() {
        import(&store);
    }
    store
}

/// Writes what podman needs where tests run as root in a container themselves: without systemd, without the right to
/// raise limits, and on mixed control groups.
fn configure(store: &Path) {
    let shown = store.display();
    let bare = match Path::new("/run/systemd/system").exists() {
        true => "",
        false => "runtime = \"runc\"\ncgroup_manager = \"cgroupfs\"\n",
    };
    let short = run_folder(store);
    let conf = format!(
        "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
         [engine]\nevents_logger = \"file\"\nlock_type = \"file\"\ntmp_dir = \"{short}/tmp\"\n{bare}"
    );
    std::fs::write(store.join("containers.conf"), conf).expect("it can be written");
    for driver in ["overlay", "vfs"] {
        let storage = format!(
            "[storage]\ndriver = \"{driver}\"\nrunroot = \"{short}/{driver}\"\ngraphroot = \"{shown}/{driver}\"\n"
        );
        std::fs::write(store.join("storage.conf"), storage).expect("it can be written");
        let works =
            podman_in(store).arg("info").output().expect("podman is installed (tests/run does it)");
        if works.status.success() {
            return;
        }
    }
    panic!("podman works with no kind of store");
}

/// Returns a folder with a short name for what podman keeps while containers run.
///
/// conmon makes sockets there: where the path is too long for one, podman 4 waits 20 seconds for each container's end.
fn run_folder(store: &Path) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::os::unix::fs::DirBuilderExt;
    let mut hasher = DefaultHasher::new();
    store.hash(&mut hasher);
    let folder = format!("/tmp/lk-podman-{:08x}", hasher.finish() as u32);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(&folder).expect("a folder can be made");
    folder
}

/// Makes the image of one static busybox.
fn import(store: &Path) {
    let busybox = ["/bin/busybox", "/usr/sbin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find_map(|path| std::fs::read(path).ok())
        .expect("a static busybox is installed (tests/run does it)");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = |path: &str, kind, mode, content: &[u8], link: Option<&str>| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        match link {
            Some(link) => tar.append_link(&mut header, path, link).expect("memory"),
            None => tar.append_data(&mut header, path, content).expect("memory"),
        }
    };
    for folder in ["bin", "source", "output"] {
        header(folder, tar::EntryType::Directory, 0o755, b"", None);
    }
    header("tmp", tar::EntryType::Directory, 0o1777, b"", None);
    header("bin/busybox", tar::EntryType::Regular, 0o755, &busybox, None);
    for program in PROGRAMS {
        header(&format!("bin/{program}"), tar::EntryType::Symlink, 0o777, b"", Some("busybox"));
    }
    let tar = tar.into_inner().expect("memory");
    let mut command = podman_in(store);
    command.args(["import", "--change=ENTRYPOINT [\"/bin/sh\", \"-c\", \"echo the own entry\"]"]);
    command.args(["--change=ENV PATH=/bin", "-", IMAGE]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("podman");
    child.stdin.take().expect("it is piped").write_all(&tar).expect("podman reads");
    assert!(child.wait().expect("podman ends").success(), "podman imports");
}

/// A registry on loopback that wants a password; dropping it stops it.
///
/// One at a time: what it takes out of the store at its end may be what another story is pulling.
pub struct Registry {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
    _alone: MutexGuard<'static, ()>,
}

/// `bot` with the password `sesame`, as htpasswd writes it.
const ACCOUNT: &str = "bot:$2y$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\n";

impl Registry {
    /// Starts an empty one.
    pub fn start() -> Registry {
        static ALONE: Mutex<()> = Mutex::new(());
        // A story that failed leaves the store as usable as any other.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::Builder::new().prefix("lk-registry-").tempdir().expect("a folder");
        let port = free_port();
        let child = Registry::serve(folder.path(), port);
        let registry = Registry { folder, port, child, _alone: alone };
        registry.write_settings();
        registry
    }

    fn serve(folder: &Path, port: u16) -> Child {
        let shown = folder.display();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {shown}/data}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\n\
             auth:\n  htpasswd: {{realm: story, path: {shown}/htpasswd}}\n"
        );
        std::fs::write(folder.join("config.yml"), config).expect("it can be written");
        std::fs::write(folder.join("htpasswd"), ACCOUNT).expect("it can be written");
        let program = ["docker-registry", "registry"].into_iter().find_map(|name| {
            let mut command = Command::new(name);
            command.arg("serve").arg(folder.join("config.yml"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        });
        let child = program.expect("docker-registry is installed (tests/run does it)");
        let until = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the registry does not listen");
            std::thread::yield_now();
        }
        child
    }

    fn write_settings(&self) {
        use base64::Engine as _;
        let place = self.place();
        let account = base64::engine::general_purpose::STANDARD.encode("bot:sesame");
        let auth = format!("{{\"auths\": {{\"{place}\": {{\"auth\": \"{account}\"}}}}}}");
        std::fs::write(self.folder.path().join("auth.json"), auth).expect("it can be written");
        let registries = format!("[[registry]]\nlocation = \"{place}\"\ninsecure = true\n");
        std::fs::write(self.folder.path().join("registries.conf"), registries)
            .expect("it can be written");
    }

    /// Returns host and port.
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns an image in it.
    pub fn image(&self, path: &str) -> ImageReference {
        format!("{}/{path}", self.place()).parse().expect("a legal name")
    }

    /// Returns the environment with this registry known, but no password.
    pub fn known_to(&self, environment: &Environment) -> Environment {
        environment
            .clone()
            .with("CONTAINERS_REGISTRIES_CONF", self.folder.path().join("registries.conf"))
    }

    /// Returns the environment with this registry and its password known.
    pub fn open_to(&self, environment: &Environment) -> Environment {
        self.known_to(environment)
            .with("REGISTRY_AUTH_FILE", self.folder.path().join("auth.json"))
    }

    /// Makes a new image of the same content as [`IMAGE`], pushes it under this path and tag, and forgets it here.
    pub fn push_new(&self, world: &Containers, path: &str) {
        let name = format!("localhost/lockkeeper/pushed-from-{}", self.port);
        let id = world.podman(&["create", "--pull=never", "--network=none", IMAGE]);
        world.podman(&["commit", "--quiet", &format!("--change=LABEL story={path}"), &id, &name]);
        world.podman(&["rm", "--force", &id]);
        let mut command = podman_in(world.store);
        command.env("CONTAINERS_REGISTRIES_CONF", self.folder.path().join("registries.conf"));
        command.env("REGISTRY_AUTH_FILE", self.folder.path().join("auth.json"));
        command.args(["push", "--quiet", &name, &format!("docker://{}/{path}", self.place())]);
        succeed(&mut command);
        world.forget(&name);
    }

    /// Returns the folder of what it holds.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Stops it; what it holds stays.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Registry {
    /// Stops it, and takes what was pulled from it out of the store.
    fn drop(&mut self) {
        self.stop();
        let format = "--format={{.Id}} {{range .Names}}{{.}} {{end}}";
        let listed = podman_in(registrys_store()).args(["images", "--no-trunc", format]).output();
        let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        for line in listed.unwrap_or_default().lines().filter(|line| line.contains(&self.place())) {
            let id = line.split(' ').next().unwrap_or_default();
            let _ = podman_in(registrys_store()).args(["rmi", "--force", id]).output();
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback can be bound");
    listener.local_addr().expect("it is bound").port()
}
