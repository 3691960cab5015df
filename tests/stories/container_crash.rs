//! What is left of a run that nobody waits for any more.

use std::process::Command;
use std::time::{Duration, Instant};

use lockkeeper::container::{Engine, EngineChoice, Environment, Options};
use lockkeeper::outcome::{Fault, Lasting};

use crate::world::container::{Containers, variables};

/// Waits until this holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_run_that_is_given_up_takes_its_container_with_it() {
    let world = Containers::new();
    let engine = world.engine().await;
    let image = world.pinned(&engine).await;
    let log = world.path("run.log");
    let spec = world.script("touch /output/begun; sleep 3341", &log);
    {
        let run = engine.run(&image, &spec);
        tokio::select! {
            ended = run => panic!("it ended: {ended:?}"),
            () = until("it begins", || world.path("output/begun").exists()) => {}
        }
    }
    until("the container goes", || world.leftovers().is_empty()).await;
}

#[tokio::test]
async fn an_engine_that_is_killed_leaves_nothing_and_is_tried_again() {
    let world = Containers::new();
    let engine = world.engine().await;
    let image = world.pinned(&engine).await;
    let log = world.path("run.log");
    let spec = world.script("touch /output/begun; sleep 3343", &log);
    let kill = async {
        until("it begins", || world.path("output/begun").exists()).await;
        assert!(kill_engine_of(&world.label()), "its process is there");
    };
    let (ran, ()) = tokio::join!(engine.run(&image, &spec), kill);
    let Err(Fault::Failed(problem)) = ran else { panic!("{ran:?}") };
    assert_eq!((problem.code.0, problem.lasting), ("engine-failed", Lasting::Temporary));
    until("the container goes", || world.leftovers().is_empty()).await;
}

/// Kills the engine's process that runs a container with this label.
fn kill_engine_of(label: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let is_it = |entry: &std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.starts_with("podman\0") && line.contains(label)
    };
    let id = processes.filter(is_it).find_map(|entry| entry.file_name().into_string().ok());
    let kill = |id| Command::new("kill").args(["-KILL", id]).status().is_ok_and(|it| it.success());
    id.as_deref().is_some_and(kill)
}

#[tokio::test]
async fn what_a_crashed_bot_left_is_swept_and_the_living_are_let_be() {
    let world = Containers::new();
    // A bot of its own, killed in the middle of a run.
    let mut bot = Command::new(std::env::current_exe().unwrap());
    bot.args(["--exact", "stories::container_crash::run_for_ever", "--ignored", "--nocapture"]);
    let crashed = format!("crashed-{}", world.label());
    bot.env("LOCKKEEPER_STORY", world.path("output")).env("LOCKKEEPER_LABEL", &crashed);
    // What it cannot remove any more goes with this world.
    bot.envs(variables()).env("TMPDIR", world.path(""));
    let mut bot = bot.spawn().unwrap();
    until("the bot's container begins", || world.path("output/begun").exists()).await;
    let engine = world.engine().await;
    engine.sweep().await.unwrap();
    assert_eq!(world.containers(&crashed).len(), 1, "its bot lives");
    bot.kill().unwrap();
    bot.wait().unwrap();
    assert_eq!(world.containers(&crashed).len(), 1, "nobody has told the container");
    engine.sweep().await.unwrap();
    assert_eq!(world.containers(&crashed), [""; 0]);
}

#[tokio::test]
#[ignore = "the bot that what_a_crashed_bot_left_is_swept kills"]
async fn run_for_ever() {
    let Some(output) = std::env::var_os("LOCKKEEPER_STORY") else { return };
    let world = Containers::new();
    let engine = world.engine().await;
    let image = world.pinned(&engine).await;
    let log = world.path("run.log");
    let mut spec = world.script("touch /output/begun; sleep 3342", &log);
    spec.label = std::env::var("LOCKKEEPER_LABEL").unwrap();
    spec.mounts[1].host = output.into();
    engine.run(&image, &spec).await.unwrap();
}

#[tokio::test]
async fn a_machine_without_an_engine_says_so() {
    let nothing = tempfile::tempdir().unwrap();
    let environment = Environment::default().with("PATH", nothing.path());
    for engine in
        [EngineChoice::Auto, EngineChoice::Builtin, EngineChoice::Podman, EngineChoice::Docker]
    {
        let options = Options { engine, ..Options::default() };
        let fault = Engine::find_in(&options, environment.clone()).await;
        let Err(Fault::Failed(problem)) = fault else { panic!("{fault:?}") };
        assert_eq!((problem.code.0, problem.lasting), ("engine-missing", Lasting::Permanent));
        assert!(problem.message.contains("is not installed"), "{}", problem.message);
    }
}

#[tokio::test]
async fn an_engine_that_does_not_work_says_why() {
    let world = Containers::new();
    std::fs::write(world.path("broken.conf"), "[storage]\ndriver = \"none-such\"\n").unwrap();
    let environment =
        world.environment.clone().with("CONTAINERS_STORAGE_CONF", world.path("broken.conf"));
    let fault = Engine::find_in(&world.options, environment).await;
    let Err(Fault::Failed(problem)) = fault else { panic!("{fault:?}") };
    assert_eq!(problem.code.0, "engine-unusable");
    assert!(problem.message.contains("podman does not work"), "{}", problem.message);
}

#[tokio::test]
async fn a_runtime_that_is_not_there_is_told_before_anything_runs() {
    let mut world = Containers::new();
    world.options.runtime = Some("/no/such/runtime".parse().unwrap());
    let fault = Engine::find_in(&world.options, world.environment.clone()).await;
    let Err(Fault::Failed(problem)) = fault else { panic!("{fault:?}") };
    assert_eq!(problem.code.0, "engine-unusable");
    assert!(problem.message.contains("/no/such/runtime"), "{}", problem.message);
}

#[tokio::test]
async fn a_run_that_the_engine_cannot_begin_is_no_fault_of_the_image() {
    let mut world = Containers::new();
    world.options.ulimits = vec!["nosuchlimit=1:1".parse().unwrap()];
    let engine = world.engine().await;
    let image = world.pinned(&engine).await;
    let log = world.path("run.log");
    let fault = engine.run(&image, &world.script("true", &log)).await;
    let Err(Fault::Failed(problem)) = fault else { panic!("{fault:?}") };
    assert_eq!(problem.code.0, "engine-failed");
    assert!(problem.message.contains("nosuchlimit"), "{}", problem.message);
}
