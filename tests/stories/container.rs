//! What a container sees and may do, looked at from inside.

use std::process::Command;

use lockkeeper::container::{ExitKind, Options};

use crate::world::container::{Containers, variables};
use crate::world::files_below;

#[tokio::test]
async fn the_image_runs_its_own_entry_or_what_is_asked_for() {
    let world = Containers::new();
    let engine = world.engine().await;
    let image = world.pinned(&engine).await;
    let log = world.path("run.log");
    let mut spec = world.script("", &log);
    spec.command = None;
    let ran = engine.run(&image, &spec).await.unwrap().done().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "the own entry\n");
    let said = world
        .printed("pwd; echo $LOCKKEEPER_PACKAGE; cat /source/file; echo made >/output/made")
        .await;
    assert_eq!(said, "/\nhello\ncontent\n");
    assert_eq!(std::fs::read_to_string(world.path("output/made")).unwrap(), "made\n");
    assert_eq!(world.leftovers(), [""; 0]);
}

#[tokio::test]
async fn nobody_in_particular_runs_inside_without_any_privilege() {
    let world = Containers::new();
    let status = world.printed("cat /proc/self/status; id -u; id -g; cat /proc/self/uid_map").await;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000\n")), "{status}");
    }
    assert!(
        status.contains("NoNewPrivs:\t1\n") && status.contains("Seccomp:\t2\n"),
        "{status}"
    );
    let (_, after) = status.rsplit_once("nonvoluntary_ctxt_switches:").unwrap();
    let lines: Vec<&str> = after.lines().skip(1).collect();
    assert_ne!(lines[0], "0", "it runs as root");
    // Inside is not outside: the user namespace is its own.
    let map: Vec<&str> = lines[2].split_ascii_whitespace().collect();
    assert_ne!((map[0], map[1]), ("0", "0"), "{status}");
}

#[tokio::test]
async fn only_output_and_tmp_can_be_written() {
    let world = Containers::new();
    let said = world
        .printed(
            "for f in / /bin /source /dev /run /var/tmp /etc /proc /sys /lockkeeper; do \
               if touch $f/new 2>/dev/null; then echo $f; fi; done; \
             touch /tmp/new /output/new && echo well; grep ' /tmp ' /proc/mounts; \
             chmod u+s /output/new; echo x >/source/file; echo $?",
        )
        .await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "well", "{said}");
    for word in ["tmpfs", "nosuid", "nodev", "size=131072k"] {
        assert!(lines[1].contains(word), "{said}");
    }
    assert_eq!(lines[2], "1", "/source was written");
    assert_eq!(std::fs::read_to_string(world.path("source/file")).unwrap(), "content\n");
}

#[tokio::test]
async fn there_is_no_network() {
    let world = Containers::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "ls /sys/class/net; cat /proc/net/dev; nc -w 1 127.0.0.1 {port} </dev/null; echo $?"
    );
    let said = world.printed(&script).await;
    let devices: Vec<&str> = said.lines().filter(|line| line.contains(':')).collect();
    assert!(devices.iter().all(|line| line.trim().starts_with("lo:")), "{said}");
    assert!(said.ends_with("1\n"), "{said}");
}

#[tokio::test]
async fn a_branch_gets_no_network_by_asking_alone() {
    let world = Containers::new();
    let engine = world.engine().await;
    let image = world.pinned(&engine).await;
    let log = world.path("run.log");
    let mut spec = world.script("true", &log);
    spec.network = true;
    let fault = engine.run(&image, &spec).await.unwrap_err();
    assert!(fault.to_string().contains("asks for the network"), "{fault}");
}

#[tokio::test]
async fn limits_of_a_process_are_set_and_the_operators_win() {
    let mut world = Containers::new();
    world.options.ulimits = vec!["nofile=77:88".parse().unwrap()];
    let said = world.printed("cat /proc/self/limits").await;
    let limit = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name)).expect("the limit is listed");
        let words: Vec<&str> = line[name.len()..].split_ascii_whitespace().take(2).collect();
        words.join(" ")
    };
    assert_eq!(limit("Max cpu time"), "60 65");
    assert_eq!(limit("Max file size"), "16777216 16777216");
    assert_eq!(limit("Max core file size"), "0 0");
    assert_eq!(limit("Max processes"), "64 64");
    assert_eq!(limit("Max open files"), "77 88");
}

#[tokio::test]
async fn it_sees_nobody_elses_processes_and_no_name_of_the_machine() {
    let world = Containers::new();
    let said = world
        .printed("ls /proc | grep '^[0-9]' | head -n 20; cat /proc/sys/kernel/hostname")
        .await;
    let (processes, name) = said.trim().rsplit_once('\n').unwrap();
    assert!(processes.lines().count() < 6, "{said}");
    assert_eq!(name, "lockkeeper");
}

/// What must not be found: in a variable, in a file of the bot's, in a proxy's address.
const SECRETS: [&str; 3] = ["planted-in-a-variable", "planted-in-a-key-file", "planted-in-a-proxy"];

#[test]
fn no_secret_of_the_bot_is_seen_inside() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("bot.key");
    std::fs::write(&key, SECRETS[1]).unwrap();
    // A process of its own, since variables cannot be set in one that runs other tests.
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner.args([
        "--exact",
        "stories::container::print_all_that_is_seen_inside",
        "--ignored",
        "--nocapture",
    ]);
    inner.env("LOCKKEEPER_KEY_PASSPHRASE", SECRETS[0]).env("LOCKKEEPER_KEY", &key);
    inner
        .env("AWS_SECRET_ACCESS_KEY", SECRETS[0])
        .env("SSH_AUTH_SOCK", folder.path().join("agent"));
    let proxy = format!("http://bot:{}@127.0.0.1:1", SECRETS[2]);
    inner.env("http_proxy", &proxy).env("https_proxy", &proxy).env("HTTPS_PROXY", &proxy);
    inner.envs(variables());
    let output = inner.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("LOCKKEEPER_PACKAGE=hello"), "{said}");
    for secret in SECRETS {
        assert!(!said.contains(secret), "{said}");
    }
    for name in ["AWS_SECRET", "SSH_AUTH_SOCK", "PASSPHRASE", "CONTAINERS_CONF", "proxy", "PROXY"] {
        assert!(!said.contains(name), "{name} is seen inside: {said}");
    }
}

#[tokio::test]
#[ignore = "the inner half of no_secret_of_the_bot_is_seen_inside"]
async fn print_all_that_is_seen_inside() {
    let mut world = Containers::new();
    world.environment = lockkeeper::container::Environment::ours();
    let script = "env; cat /proc/self/mounts /proc/self/mountinfo; \
                  for p in /proc/[0-9]*; do cat $p/environ $p/cmdline $p/comm; ls -l $p/fd; done 2>/dev/null; \
                  find / -xdev -type f -size -64 -exec cat {} + 2>/dev/null; \
                  find /tmp /output /source /dev /run 2>/dev/null; true";
    println!("{}", world.printed(script).await);
}

#[tokio::test]
async fn what_it_prints_is_kept_and_its_last_word_is_told() {
    let world = Containers::new();
    let ran =
        world.run("echo one; echo two >&2; printf 'no: \\033[31m%s\\n' reason; exit 64").await;
    let log = std::fs::read_to_string(&ran.log.path).unwrap();
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["no: \\u{1b}[31mreason", "one", "two"]);
    assert_eq!(ran.exit, ExitKind::Refused { last_line: "no: \\u{1b}[31mreason".to_owned() });
    let fault = ran.done().unwrap_err().to_string();
    assert!(fault.contains("it says: no: \\u{1b}[31mreason"), "{fault}");
}

#[tokio::test]
async fn how_it_ends_has_a_name() {
    let world = Containers::new();
    assert_eq!(world.run("exit 0").await.exit, ExitKind::Done);
    assert_eq!(world.run("exit 3").await.exit, ExitKind::Failed { code: 3 });
    assert_eq!(world.run("exit 125").await.exit, ExitKind::Failed { code: 125 });
    let engine = world.engine().await;
    let image = world.pinned(&engine).await;
    let log = world.path("run.log");
    let mut spec = world.script("", &log);
    spec.command = Some(vec!["/no/such/program".to_owned()]);
    let ran = engine.run(&image, &spec).await.unwrap();
    assert!(matches!(ran.exit, ExitKind::NotStarted { .. }), "{ran:?}");
    assert!(ran.done().unwrap_err().to_string().contains("no program that can be started"));
}

#[tokio::test]
async fn what_it_writes_can_be_read_and_removed_by_the_bot() {
    let world = Containers::new();
    world
        .printed("mkdir /output/d; echo 1 >/output/d/f; chmod 700 /output/d; chmod 600 /output/d/f")
        .await;
    assert_eq!(files_below(&world.path("output"))["d/f"], b"1\n");
    std::fs::remove_dir_all(world.path("output/d")).unwrap();
}

#[tokio::test]
async fn podman_as_it_is_here_keeps_all_that_is_promised() {
    let world = Containers::new();
    assert_eq!(world.engine().await.warnings(), [""; 0]);
    assert_eq!(Options::default().engine, lockkeeper::container::EngineChoice::Builtin);
}

#[tokio::test]
async fn what_is_warned_of_is_what_the_engine_itself_says_it_cannot_do() {
    let world = Containers::new();
    let info: serde_json::Value =
        serde_json::from_str(&world.podman(&["info", "--format", "{{json .}}"])).unwrap();
    let (host, security) = (&info["host"], &info["host"]["security"]);
    let leaves_alone = security["rootless"] == true && host["cgroupVersion"] != "v2";
    let keeps = |name: &str| {
        let controllers = host["cgroupControllers"].as_array().unwrap();
        !leaves_alone && controllers.iter().any(|controller| controller == name)
    };
    let engine = world.engine().await;
    let warned = |words: &str| engine.warnings().iter().any(|warning| warning.contains(words));
    assert_eq!(warned("no limit on memory"), !keeps("memory"), "{info:#}");
    assert_eq!(warned("no limit on processes"), !keeps("pids"), "{info:#}");
    assert_eq!(warned("seccomp"), security["seccompEnabled"] != true, "{info:#}");
}
