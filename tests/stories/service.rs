//! The service as people meet it: a push, and some seconds later a commit in dist-git and a word at the forge.

use std::os::unix::fs::PermissionsExt;

use crate::world::forges::{Forge, Plays};
use crate::world::service::{SECRET, until};
use crate::world::{NewCommit, Project, World, git};

/// Has every push to source-git delivered, as a forge does it: by a hook of git's that signs and sends.
fn deliver_pushes(world: &World, address: std::net::SocketAddr) {
    let script = format!(
        r#"#!/bin/sh
while read -r before after ref; do
    body="{{\"ref\":\"$ref\",\"before\":\"$before\",\"after\":\"$after\",\"commits\":[],\
\"repository\":{{\"full_name\":\"pkg/hello\",\"clone_url\":\"ssh://git@127.0.0.1/pkg/hello.git\"}},\"sender\":{{\"login\":\"alice\"}}}}"
    signature=$(printf %s "$body" | openssl dgst -sha256 -hmac "{SECRET}" | sed 's/.* //')
    printf %s "$body" | curl --silent --show-error --fail --max-time 5 --data-binary @- \
        -H "Content-Type: application/json" -H "X-Forgejo-Event: push" \
        -H "X-Forgejo-Delivery: $after" -H "X-Forgejo-Signature: $signature" \
        http://{address}/hooks/forgejo || exit 1
done
"#
    );
    let hook = world.source.folder().join("hooks/post-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_push_to_source_git_becomes_a_commit_in_dist_git_and_a_status_at_the_forge() {
    let mut world = World::empty();
    let forge = Forge::start(Plays::Forgejo);
    let config = world.config("population:\n  mechanism: tag-archive\n");
    let config = config.replace(
        &format!("file://{}", world.source.folder().display()),
        "ssh://git@127.0.0.1/pkg/hello.git",
    );
    world.opt_in_with(&config);
    let first = world.release();
    forge.has_commit("pkg/hello", &first.to_string());
    world.configure(&world.reports_to(&forge, "forgejo"));
    let service = world.serve();
    // The index finds the branch by itself, and the first look publishes what was there.
    until("1.0 is published", || world.published_sources() == [first.to_string()]);

    deliver_pushes(&world, service.address);
    let work = world.path("alice.git");
    git(
        &world.path(""),
        &["clone", "--quiet", "--bare", &world.source.folder().display().to_string(), "alice.git"],
    );
    let clock = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_709_400_000);
    let mut alices = Project::open(&work, "main", clock).unwrap();
    let new = NewCommit::new("Greet").put("README", "Hello, you.\n").signed_by(&world.alice);
    let tip = alices.commit(new).unwrap().to_string();
    forge.has_commit("pkg/hello", &tip);
    git(
        &work,
        &["push", "--quiet", &world.source.folder().display().to_string(), "main"],
    );

    until("the push is published", || world.published_sources().first() == Some(&tip));
    let context = "lockkeeper/local/hello/f44";
    until("the forge is told", || {
        let kept = forge.keep();
        kept.statuses.iter().any(|status| {
            status["context"] == context
                && status["state"] == "success"
                && status.to_string().contains(&tip)
        })
    });
    assert_eq!(world.published_sources(), [tip, first.to_string()]);
    assert_eq!(service.stop(), Some(0));
}
