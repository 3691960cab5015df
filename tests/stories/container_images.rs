//! From an image's name to the digest that runs, with a real registry.

use std::path::{Path, PathBuf};

use lockkeeper::container::{Engine, ImageDigest, ImageReference};
use lockkeeper::outcome::{Fault, Lasting};

use crate::world::container::{Containers, IMAGE, Registry};

/// Returns code and lasting of a fault; a refusal has none.
fn told(fault: Fault) -> (&'static str, Option<Lasting>) {
    match fault {
        Fault::Refused(refusal) => (refusal.code.0, None),
        Fault::Failed(problem) => (problem.code.0, Some(problem.lasting)),
    }
}

async fn refused(engine: &Engine, image: &ImageReference) -> (&'static str, Option<Lasting>) {
    told(engine.resolve(image).await.expect_err("it is refused"))
}

#[tokio::test]
async fn a_tag_becomes_a_digest_and_the_digest_is_what_runs() {
    let mut world = Containers::with_registry();
    let registry = Registry::start();
    registry.push_new(&world, "ns/moving:1");
    let first_environment = world.environment.clone();
    world.environment = registry.open_to(&first_environment);
    let engine = world.engine().await;
    let tag = registry.image("ns/moving:1");
    let first = engine.resolve(&tag).await.unwrap();
    assert!(first.to_string().starts_with(&format!("{}/ns/moving@sha256:", registry.place())));

    registry.push_new(&world, "ns/moving:1");
    let second = engine.resolve(&tag).await.unwrap();
    assert_ne!(first.digest(), second.digest(), "the tag has moved");

    // What was resolved first still runs as it was, and can be asked for by its digest.
    let log = world.path("run.log");
    let ran = engine.run(&first, &world.script("echo ran", &log)).await.unwrap().done().unwrap();
    assert_eq!((ran.stdout.as_slice(), &ran.image), (&b"ran\n"[..], &first));
    let by_digest: ImageReference = first.to_string().parse().unwrap();
    assert_eq!(engine.resolve(&by_digest).await.unwrap(), first);
    world.forget(&by_digest.to_string());
}

#[tokio::test]
async fn an_image_by_digest_needs_no_registry_once_it_is_here() {
    let mut world = Containers::with_registry();
    let mut registry = Registry::start();
    registry.push_new(&world, "ns/kept:1");
    world.environment = registry.open_to(&world.environment);
    let engine = world.engine().await;
    let pinned = engine.resolve(&registry.image("ns/kept:1")).await.unwrap();
    registry.stop();
    let by_digest: ImageReference = pinned.to_string().parse().unwrap();
    assert_eq!(engine.resolve(&by_digest).await.unwrap(), pinned);
    // A tag may have moved meanwhile: that cannot be known now.
    let (code, lasting) = refused(&engine, &registry.image("ns/kept:1")).await;
    assert_eq!((code, lasting), ("registry-unreachable", Some(Lasting::Temporary)));
}

#[tokio::test]
async fn a_registry_tells_no_and_not_there_apart() {
    let mut world = Containers::with_registry();
    let registry = Registry::start();
    registry.push_new(&world, "ns/private:1");
    let closed = registry.known_to(&world.environment);
    world.environment = registry.open_to(&world.environment);
    let engine = world.engine().await;
    assert_eq!(refused(&engine, &registry.image("ns/private:2")).await, ("image-missing", None));
    assert_eq!(refused(&engine, &registry.image("ns/nothing:1")).await, ("image-missing", None));
    let unknown: ImageDigest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    let missing = registry.image(&format!("ns/private@{unknown}"));
    assert_eq!(refused(&engine, &missing).await, ("image-missing", None));
    world.environment = closed;
    let engine = world.engine().await;
    assert_eq!(refused(&engine, &registry.image("ns/private:1")).await, ("pull-denied", None));
}

#[tokio::test]
async fn a_registry_that_serves_other_content_is_found_out() {
    let mut world = Containers::with_registry();
    let registry = Registry::start();
    registry.push_new(&world, "ns/honest:1");
    world.environment = registry.open_to(&world.environment);
    let engine = world.engine().await;
    let digest = engine.resolve(&registry.image("ns/honest:1")).await.unwrap().digest().to_string();
    // Nothing of it is left here, so the registry is asked again.
    world.forget(&registry.image("ns/honest:1").to_string());
    let hex = digest.strip_prefix("sha256:").unwrap();
    let file = blob(&registry.data(), hex).expect("the registry keeps the manifest");
    let mut manifest = std::fs::read_to_string(&file).unwrap();
    manifest.push(' ');
    std::fs::write(&file, manifest).unwrap();
    let image = registry.image(&format!("ns/honest@{digest}"));
    assert_eq!(refused(&engine, &image).await, ("digest-mismatch", None));
}

/// Returns the file in which a registry keeps a blob.
fn blob(data: &Path, hex: &str) -> Option<PathBuf> {
    let blobs = data.join("docker/registry/v2/blobs/sha256");
    let file = blobs.join(&hex[..2]).join(hex).join("data");
    file.exists().then_some(file)
}

#[tokio::test]
async fn an_operator_may_insist_on_digests() {
    let mut world = Containers::new();
    world.options.require_digest = true;
    let engine = world.engine().await;
    let image: ImageReference = IMAGE.parse().unwrap();
    assert_eq!(refused(&engine, &image).await, ("image-not-pinned", None));
    world.options.require_digest = false;
    let pinned = world.pinned(&world.engine().await).await;
    let by_digest: ImageReference = pinned.to_string().parse().unwrap();
    assert_eq!(engine.resolve(&by_digest).await.unwrap(), pinned);
}

#[tokio::test]
async fn an_image_of_this_machine_is_never_looked_for_elsewhere() {
    let world = Containers::new();
    let engine = world.engine().await;
    let missing: ImageReference = "localhost/lockkeeper/no-such:1".parse().unwrap();
    assert_eq!(refused(&engine, &missing).await, ("image-missing", None));
    let wrong: ImageReference =
        format!("localhost/lockkeeper/story@sha256:{}", "1".repeat(64)).parse().unwrap();
    assert_eq!(refused(&engine, &wrong).await, ("image-missing", None));
    let (one, two) = (world.pinned(&engine).await, world.pinned(&engine).await);
    assert_eq!(one, two);
}
