use super::*;

fn identity(uid: u32) -> Identity {
    Identity { uid, gid: uid, free_range: Some(524_288) }
}

fn machine(rootless: bool, controllers: &[&str]) -> Machine {
    let controllers = controllers.iter().map(|name| (*name).to_owned()).collect();
    let identity = identity(if rootless { 1000 } else { 0 });
    Machine { identity, rootless, controllers, selinux: false, seccomp: true }
}

const LOCAL: &[u8] = br#"{"Client": {"Version": "4.3.1"}}"#;

#[test]
fn what_podman_does_not_limit_is_said() {
    for (controllers, holds) in [(&["cpu", "memory", "pids"][..], true), (&["cpu"][..], false)] {
        let host = podman(LOCAL, &machine(false, controllers)).unwrap();
        assert_eq!((host.limits_memory, host.limits_processes), (holds, holds));
        assert_eq!(host.warnings(Kind::Podman).len(), if holds { 0 } else { 2 });
    }
}

#[test]
fn podmans_users_are_never_those_of_the_machine() {
    let users = |machine: &Machine| podman(LOCAL, machine).unwrap().users;
    assert_eq!(users(&machine(true, &[])), Users::Own { uid: 1000, gid: 1000 });
    assert_eq!(users(&machine(false, &[])), Users::Mapped { first: 524_288 });
    let mut none = machine(false, &[]);
    none.identity.free_range = None;
    assert_eq!(users(&none), Users::Shared { uid: 65_534, gid: 65_534 });
}

#[test]
fn a_podman_of_another_machine_is_not_used() {
    let json = br#"{"Client": {"Version": "4.3.1"}, "Server": {"Version": "4.3.1"}}"#;
    assert!(podman(json, &machine(false, &[])).unwrap_err().contains("another machine"));
    assert!(podman(b"Podman 4", &machine(false, &[])).is_err());
}

#[test]
fn dockers_ways_with_users_are_told_apart() {
    let users = |options: &str, uid| {
        let json = format!(
            r#"{{"MemoryLimit": true, "PidsLimit": true, "SecurityOptions": [{options}]}}"#
        );
        docker(json.as_bytes(), &identity(uid)).unwrap().users
    };
    let seccomp = r#""name=seccomp,profile=builtin""#;
    assert_eq!(users(seccomp, 1000), Users::Shared { uid: 1000, gid: 1000 });
    assert_eq!(users(seccomp, 0), Users::Shared { uid: 65_534, gid: 65_534 });
    assert_eq!(users(r#""name=rootless""#, 1000), Users::Daemon { uid: 0, gid: 0 });
    assert_eq!(users(r#""name=userns""#, 0), Users::Daemon { uid: 65_534, gid: 65_534 });
}

#[test]
fn what_docker_cannot_do_is_said() {
    let nothing = br#"{"SecurityOptions": null, "ServerErrors": null}"#;
    let host = docker(nothing, &identity(1000)).unwrap();
    let warnings = host.warnings(Kind::Docker);
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(warnings.iter().all(|words| words.starts_with("docker ")));
    assert!(docker(br#"{"ServerErrors": ["down\u001b"]}"#, &identity(0)).is_err());
}

#[test]
fn a_missing_engine_is_told_from_a_broken_and_a_silent_one() {
    use crate::outcome::Lasting;
    let missing = || NotUsable::Missing(Kind::Podman);
    let told = |faults| {
        let problem = none_works(faults);
        (problem.code.0, problem.lasting)
    };
    assert_eq!(told(vec![missing()]), ("engine-missing", Lasting::Permanent));
    let broken = not_working(Kind::Docker, b"permission denied\n");
    assert_eq!(told(vec![missing(), broken]), ("engine-unusable", Lasting::Permanent));
    let silent = not_working(Kind::Docker, b"Cannot connect to the Docker daemon at x\n");
    assert_eq!(told(vec![missing(), silent]), ("engine-unusable", Lasting::Temporary));
}
