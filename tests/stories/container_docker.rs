//! Docker, by its own command line: what it is asked for, a real engine understands too.
//!
//! Docker's daemon is not among the tools of the tests. A `docker` that describes itself as docker does and hands
//! everything else to podman stands in: an argument that only podman knew would show in the lists below.

use std::os::unix::fs::PermissionsExt;

use lockkeeper::container::{EngineChoice, ExitKind, Kind, Time};

use crate::world::container::Containers;

/// Makes a world whose `docker` is first on the `PATH`; the arguments of each call go to a file.
fn with_docker() -> Containers {
    let mut world = Containers::new();
    let (bin, calls) = (world.path("bin"), world.path("calls"));
    std::fs::create_dir(&bin).unwrap();
    let info = r#"{"MemoryLimit": true, "PidsLimit": true, "SecurityOptions": ["name=seccomp,profile=builtin"]}"#;
    let script = format!(
        "#!/bin/sh\necho \"$@\" >>{}\ncase \"$1\" in\ninfo) echo '{info}' ;;\n\
         rm) shift; exec podman rm --time=0 \"$@\" ;;\n*) exec podman \"$@\" ;;\nesac\n",
        calls.display()
    );
    std::fs::write(bin.join("docker"), script).unwrap();
    std::fs::set_permissions(bin.join("docker"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    world.environment = world.environment.with("PATH", path);
    world.options.engine = EngineChoice::Docker;
    world
}

#[tokio::test]
async fn an_image_runs_under_docker_as_under_podman() {
    let world = with_docker();
    let engine = world.engine().await;
    assert_eq!(engine.kind(), Kind::Docker);
    assert_eq!(engine.warnings().len(), 1, "{:?}", engine.warnings());
    let said =
        world.printed("id -u; cat /source/file; echo x >/output/made; env | grep -i proxy").await;
    assert_eq!(said.lines().take(2).collect::<Vec<_>>(), ["65534", "content"]);
    assert!(said.lines().skip(2).all(|line| line.ends_with('=')), "{said}");
    assert_eq!(
        world.run("echo no; exit 64").await.exit,
        ExitKind::Refused { last_line: "no".to_owned() }
    );
    let calls = std::fs::read_to_string(world.path("calls")).unwrap();
    for only_podmans in ["--timeout", "--userns", "--uidmap", "--env-host", "--ignore", "--time="] {
        assert!(!calls.contains(only_podmans), "{calls}");
    }
}

#[tokio::test]
async fn docker_has_no_time_limit_so_ours_counts() {
    let mut world = with_docker();
    world.options.limits.time = Time(std::time::Duration::from_secs(2));
    let ran = world.run("sleep 3351").await;
    assert_eq!(ran.exit, ExitKind::TimedOut);
    assert_eq!(world.leftovers(), [""; 0]);
}
