use super::*;

fn identity(uid: u32) -> Identity {
    Identity { uid, gid: uid, free_range: Some(524_288) }
}

fn podman_info(rootless: bool, version: &str, controllers: &str) -> String {
    format!(
        r#"{{"host": {{"cgroupControllers": [{controllers}], "cgroupVersion": "{version}", "x": 1,
           "serviceIsRemote": false, "security": {{"rootless": {rootless},
           "seccompEnabled": true, "selinuxEnabled": false}}}}, "store": {{}}}}"#
    )
}

#[test]
fn podmans_limits_hold_but_for_rootless_on_old_control_groups() {
    for (rootless, version, controllers, holds) in [
        (false, "v1", r#""memory","pids""#, true),
        (false, "v2", r#""memory","pids""#, true),
        (true, "v2", r#""memory","pids""#, true),
        (true, "v1", r#""memory","pids""#, false),
        (true, "v2", r#""cpu""#, false),
    ] {
        let json = podman_info(rootless, version, controllers);
        let host = podman(json.as_bytes(), &identity(0)).unwrap();
        assert_eq!((host.limits_memory, host.limits_processes), (holds, holds), "{json}");
        assert_eq!(host.warnings(Kind::Podman).len(), if holds { 0 } else { 2 });
    }
}

#[test]
fn podmans_users_are_never_those_of_the_machine() {
    let info = |rootless| podman_info(rootless, "v2", r#""memory","pids""#);
    let users =
        |rootless, identity: &Identity| podman(info(rootless).as_bytes(), identity).unwrap().users;
    assert_eq!(users(true, &identity(1000)), Users::Own { uid: 1000, gid: 1000 });
    assert_eq!(users(false, &identity(0)), Users::Mapped { first: 524_288 });
    let none = Identity { free_range: None, ..identity(0) };
    assert_eq!(users(false, &none), Users::Shared { uid: 65_534, gid: 65_534 });
}

#[test]
fn a_podman_of_another_machine_is_not_used() {
    let json = podman_info(false, "v2", "").replace(r#"Remote": false"#, r#"Remote": true"#);
    assert!(podman(json.as_bytes(), &identity(0)).unwrap_err().contains("another machine"));
    assert!(podman(b"Podman 4", &identity(0)).is_err());
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
fn the_range_of_users_is_nobodys() {
    let all = "         0          0 4294967295\n";
    let high = 30_600 * RANGE;
    assert_eq!(free_range("", all), Some(high));
    assert_eq!(
        free_range(&format!("a:100000:65536\nb:{high}:65536\nbad\n"), all),
        Some(high + RANGE)
    );
    assert_eq!(free_range(&format!("a:{}:1\n", high + 1), all), Some(high + RANGE));
    assert_eq!(free_range("a:524288:65536\n", "0 0 1000000\n"), Some(589_824));
    assert_eq!(free_range("a:0:4294967295\n", all), None);
    assert_eq!(free_range("", "0 1000 1\n1 100000 65536\n"), None);
    assert_eq!(free_range("", ""), None);
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
