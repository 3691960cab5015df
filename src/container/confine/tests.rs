use std::path::Path;

use super::*;
use crate::container::measure::Bytes;
use crate::container::run::Mount;

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn host() -> Host {
    Host {
        limits_memory: true,
        limits_processes: true,
        selinux: false,
        users: Users::Mapped { first: 524_288 },
        seccomp: true,
    }
}

fn spec(limits: &Limits) -> RunSpec<'_> {
    RunSpec {
        label: "hello#f44".to_owned(),
        mounts: vec![
            Mount { host: "/srv/in".into(), inside: "/source", access: Access::ReadOnly },
            Mount { host: "/srv/out".into(), inside: "/output", access: Access::ReadWrite },
        ],
        env: vec![("LOCKKEEPER_PACKAGE".to_owned(), "hello".to_owned())],
        command: None,
        folder: None,
        network: false,
        limits,
        log: Path::new("/srv/log"),
        keep_stdout: None,
    }
}

fn arguments_of(
    kind: Kind,
    host: &Host,
    spec: &RunSpec<'_>,
    runtime: Option<&str>,
    ulimits: &[Ulimit],
) -> Vec<String> {
    let image = PinnedImage {
        name: "r.example/a".to_owned(),
        digest: DIGEST.parse().unwrap(),
        runs_by: "the-id".to_owned(),
    };
    let confinement = Confinement {
        kind,
        host,
        runtime: runtime.map(str::to_owned),
        ulimits,
        owner: &Owner::this_process().unwrap(),
        name: "the-name",
        image: &image,
        spec,
    };
    let arguments = confinement.arguments().into_iter();
    arguments.map(|argument| argument.into_string().unwrap()).collect()
}

fn arguments(kind: Kind, host: &Host, spec: &RunSpec<'_>) -> Vec<String> {
    arguments_of(kind, host, spec, None, &[])
}

#[track_caller]
fn must_hold(arguments: &[String], wanted: &[&str]) {
    for wanted in wanted {
        assert!(
            arguments.iter().any(|found| found == wanted),
            "{wanted} is not in {arguments:#?}"
        );
    }
}

#[track_caller]
fn must_not_hold(arguments: &[String], beginnings: &[&str]) {
    for beginning in beginnings {
        let found = arguments.iter().find(|found| found.starts_with(beginning));
        assert_eq!(found, None, "{arguments:#?}");
    }
}

#[test]
fn both_engines_confine_in_the_same_words() {
    let limits = Limits { memory: Bytes::mib(256), processes: 64, ..Limits::default() };
    let spec = spec(&limits);
    for kind in [Kind::Podman, Kind::Docker] {
        let arguments = arguments(kind, &host(), &spec);
        assert_eq!((arguments[0].as_str(), arguments.last().unwrap().as_str()), ("run", "the-id"));
        must_hold(&arguments, &ALWAYS);
        must_hold(
            &arguments,
            &[
                "--network=none",
                "--name=the-name",
                "--hostname=lockkeeper",
                "--label=io.lockkeeper.run=hello#f44",
                "--memory=268435456b",
                "--memory-swap=268435456b",
                "--pids-limit=64",
                "--tmpfs=/tmp:rw,nosuid,nodev,mode=1777,size=134217728",
                "--shm-size=64m",
                "--ulimit=core=0:0",
                "--ulimit=cpu=1800:1805",
                "--ulimit=fsize=8589934592:8589934592",
                "--ulimit=nproc=64:64",
                "--volume=/srv/in:/source:ro",
                "--volume=/srv/out:/output:rw",
                "--env=LOCKKEEPER_PACKAGE=hello",
            ],
        );
    }
}

#[test]
fn only_podman_is_asked_for_what_only_podman_knows() {
    let limits = Limits::default();
    let spec = spec(&limits);
    let podman = arguments(Kind::Podman, &host(), &spec);
    must_hold(&podman, &PODMAN_ALWAYS);
    must_hold(&podman, &["--timeout=1860", "--uidmap=0:524288:65536", "--user=65534:65534"]);
    let docker_host = Host { users: Users::Shared { uid: 1000, gid: 100 }, ..host() };
    let docker = arguments(Kind::Docker, &docker_host, &spec);
    must_not_hold(&docker, &PODMAN_ALWAYS);
    must_not_hold(&docker, &["--timeout", "--uidmap", "--gidmap", "--userns"]);
    // Docker's own configuration may hand on proxies with passwords in them.
    must_hold(&docker, &["--user=1000:100", "--env=https_proxy=", "--env=HTTP_PROXY="]);
}

#[test]
fn rootless_podman_is_its_own_user_inside() {
    let limits = Limits::default();
    let host = Host { users: Users::Own { uid: 1000, gid: 100 }, ..host() };
    let arguments = arguments(Kind::Podman, &host, &spec(&limits));
    must_hold(&arguments, &["--userns=keep-id", "--user=1000:100"]);
    must_not_hold(&arguments, &["--uidmap", "--gidmap"]);
}

#[test]
fn where_limits_are_not_kept_each_process_is_limited_instead() {
    let limits = Limits::default();
    let host = Host { limits_memory: false, limits_processes: false, ..host() };
    let arguments = arguments(Kind::Podman, &host, &spec(&limits));
    must_not_hold(&arguments, &["--memory", "--pids-limit"]);
    must_hold(&arguments, &["--ulimit=data=2147483648:2147483648", "--ulimit=nproc=512:512"]);
}

#[test]
fn labels_for_selinux_are_given_only_where_it_decides() {
    let limits = Limits::default();
    let host = Host { selinux: true, ..host() };
    let arguments = arguments(Kind::Docker, &host, &spec(&limits));
    let volumes = ["--volume=/srv/in:/source:ro,z", "--volume=/srv/out:/output:rw,Z"];
    must_hold(&arguments, &volumes);
}

#[test]
fn the_operators_runtime_and_limits_are_taken() {
    let limits = Limits::default();
    let ulimits: Vec<Ulimit> = vec!["nproc=7:7".parse().unwrap(), "locks=1".parse().unwrap()];
    let of = |kind| arguments_of(kind, &host(), &spec(&limits), Some("runc"), &ulimits);
    let arguments = of(Kind::Docker);
    must_hold(&arguments, &["--runtime=runc", "--ulimit=nproc=7:7", "--ulimit=locks=1"]);
    must_not_hold(&arguments, &["--ulimit=nproc=512"]);
    // Podman takes it before the command.
    must_not_hold(&of(Kind::Podman), &["--runtime"]);
}

#[test]
fn a_program_stands_behind_the_image_and_is_no_option() {
    let limits = Limits::default();
    let mut spec = spec(&limits);
    spec.command = Some(["./genspec", "--privileged", "-v"].map(str::to_owned).into());
    spec.folder = Some("/source");
    spec.env.push(("no_proxy".to_owned(), "mine".to_owned()));
    let arguments = arguments(Kind::Docker, &host(), &spec);
    let end = &arguments[arguments.len() - 5..];
    let wanted = ["--workdir=/source", "--entrypoint=./genspec", "the-id", "--privileged", "-v"];
    assert_eq!(end, wanted);
    must_hold(&arguments, &["--env=no_proxy=mine"]);
    assert!(!arguments.contains(&"--env=no_proxy=".to_owned()));
}

#[test]
fn the_network_is_there_only_where_it_was_given() {
    let limits = Limits::default();
    let mut spec = spec(&limits);
    spec.network = true;
    must_not_hold(&arguments(Kind::Podman, &host(), &spec), &["--network"]);
}
