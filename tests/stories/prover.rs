//! rpm in a container: the prover's image by itself, and as the second proof of tree identity.

use lockkeeper::container::{Bytes, ImageReference};

use crate::world::container::Containers;
use crate::world::images::{CUSTOM, PROVER, build, build_prover};
use crate::world::{NewCommit, Run, SPEC, World, succeed};

/// A package that rpm is to prepare: one archive, one patch.
fn package(world: &Containers) {
    let source = world.path("source");
    let spec = SPEC
        .replace("Version:        0", "Version:        1.0")
        .replace("Source0:", "Patch0: loud.patch\nSource0:");
    std::fs::write(source.join("hello.spec"), spec).unwrap();
    std::fs::write(
        source.join("loud.patch"),
        "--- a/hello\n+++ b/hello\n@@ -1 +1 @@\n-hello\n+HELLO\n",
    )
    .unwrap();
    let tree = world.path("hello-1.0");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("hello"), "hello\n").unwrap();
    let mut tar = std::process::Command::new("tar");
    tar.arg("-C").arg(world.path("")).arg("-czf").arg(source.join("hello-1.0.tar.gz"));
    succeed(tar.arg("hello-1.0"));
}

#[tokio::test]
async fn the_provers_image_reads_and_prepares_a_package_in_confinement() {
    build_prover();
    let mut world = Containers::new();
    world.options.limits.output = Bytes::mib(64);
    package(&world);
    let engine = world.engine().await;
    let image: ImageReference = PROVER.parse().unwrap();
    let image = engine.resolve(&image).await.unwrap();
    let log = world.path("run.log");
    let mut run = world.script("", &log);
    run.command = None;
    run.env.push(("LOCKKEEPER_DIST".to_owned(), ".fc44".to_owned()));
    engine.run(&image, &run).await.unwrap().done().unwrap();
    let read = |path: &str| std::fs::read_to_string(world.path("output").join(path)).unwrap();
    assert_eq!(read("evr"), "0:1.0-1\n");
    assert!(read("parsed.spec").contains("https://example.org/hello/hello-1.0.tar.gz"));
    assert_eq!(read("BUILD/hello-1.0/hello"), "HELLO\n");

    std::fs::write(world.path("source/loud.patch"), "no patch\n").unwrap();
    let refused = engine.run(&image, &run).await.unwrap().done().unwrap_err();
    assert!(refused.to_string().contains("rpmbuild -bp fails"), "{refused}");
}

fn proved(world: &World, image: &str) -> Run {
    world.sync_contained(&["--prove", "rpm", "--prover-image", image])
}

#[test]
fn rpm_in_the_provers_image_proves_what_is_published() {
    build_prover();
    let mut world = World::released("tag-archive");
    world.commit("Go on", "README", "More.\n");
    let run = proved(&world, PROVER);
    run.landed("1.0-2");
    assert_eq!(run.report["identity"]["method"], "rpm", "{run:#?}");
    assert_eq!(run.report["identity"]["holds"], true, "{run:#?}");
    assert_eq!(run.report["patches"][0], "Go-on.patch", "{run:#?}");
}

#[test]
fn what_rpm_in_the_provers_image_reads_otherwise_is_refused() {
    build_prover();
    build();
    for (from, to, code, words) in [
        (
            "License:",
            "%{lua:print(\"Epoch: 3\")}\nLicense:",
            "rpm-reads-otherwise",
            "rpm reads 3:1.0-",
        ),
        (
            "-p1\n",
            "-p1\necho >left\n",
            "tree-identity",
            "left is prepared, and was not signed",
        ),
        ("-p1\n", "-p1\nexit 7\n", "rpm-prep-fails", "rpmbuild -bp fails"),
        (
            "-p1\n",
            "-p1\ncd ..; rm -rf hello-1.0; ln -s /etc hello-1.0\n",
            "tree-identity",
            "left no folder",
        ),
        (
            "-p1\n",
            "-p1\nrm -f /build/words; ln -s /etc/passwd /build/words\n",
            "rpm-proof-failed",
            "what rpm said",
        ),
    ] {
        let mut world = World::released("archive");
        world.alice_commits(
            NewCommit::new("Change the spec").put(".distro/hello.spec", SPEC.replace(from, to)),
        );
        let before = world.state();
        let run = proved(&world, PROVER);
        assert_eq!(run.text("reason.code"), code, "{run:#?}");
        run.says(words);
        assert_eq!(world.state(), before);
    }
    let world = World::released("archive");
    // An image without rpm proves nothing, and nothing else is asked in its stead.
    proved(&world, CUSTOM)
        .came_to(3, "refused", "rpm-proof-impossible")
        .says("has no rpmspec");
}
