//! Comparing trees, and foretelling what appliers cannot carry.

use super::*;
use crate::git::EntryMode;
use crate::names::FileName;
use crate::populate::testing::World;

#[test]
fn differences_are_named_and_excepted_paths_are_not() {
    let world = World::new();
    for name in ["same/a", "same/b", "changed", "gone", ".distro/spec", "mode"] {
        world.write(name, format!("{name}\n"));
    }
    world.commit("wanted\n");
    let wanted = world.tree("HEAD");
    world.write("changed", "x\n");
    world.write(".distro/spec", "x\n");
    world.write("added/here", "x\n");
    world.remove("gone");
    world.set_executable("mode");
    world.commit("got\n");
    let objects = world.objects();
    let except = [".distro".parse().expect("a path")];
    let found = compare(&objects, world.tree("HEAD"), wanted, &except).expect("readable");
    let paths: Vec<String> = found.iter().map(|difference| difference.path.to_string()).collect();
    assert_eq!(paths, ["added/here", "changed", "gone", "mode"]);
    assert!(found[0].wanted.is_none() && found[2].got.is_none());
    let modes = found[3].got.zip(found[3].wanted).map(|(got, wanted)| (got.mode, wanted.mode));
    assert_eq!(modes, Some((EntryMode::Executable, EntryMode::File)));
    assert_eq!(compare(&objects, wanted, wanted, &[]).expect("readable"), []);
}

const BINARY: &[u8] =
    b"From x\n\ndiff --git a/b b/b\nnew file mode 100644\nGIT binary patch\nliteral 0\nHcmV?d00001\n\n";
const CRLF: &[u8] = b"From x\n\n--- a/t\n+++ b/t\n@@ -1 +1 @@\n-a\r\n+b\r\n";
const BARE: &[u8] = b"--- a/t\n+++ b/t\n@@ -1 +1 @@\n-a\n+b\n";
const TEXT: &[u8] = b"From x\n\n--- a/t\n+++ b/t\n@@ -1 +1 @@\n-a\n+b\n";

#[test]
fn fault_names_the_appliers_that_carry_the_whole_series() {
    use Applier::{Git, GitAm, Patch};
    use ApplierCause::{Binary, CarriageReturn, NoMail};
    type Case = (&'static [&'static [u8]], Applier, Option<ApplierCause>, &'static [Applier]);
    let cases: &[Case] = &[
        (&[TEXT, TEXT], Patch, None, &[]),
        (&[TEXT, BINARY], Patch, Some(Binary), &[Git, GitAm]),
        (&[TEXT, BINARY], Applier::Quilt, Some(Binary), &[Git, GitAm]),
        (&[CRLF], GitAm, Some(CarriageReturn), &[Patch, Git]),
        (&[CRLF, BINARY], GitAm, Some(CarriageReturn), &[Git]),
        (&[BARE], GitAm, Some(NoMail), &[Patch, Git]),
        (&[BARE, BINARY, CRLF], Git, None, &[]),
    ];
    let name: FileName = "x.patch".parse().expect("a name");
    for (patches, applier, cause, would_work) in cases {
        let named: Vec<(&FileName, &[u8])> = patches.iter().map(|patch| (&name, *patch)).collect();
        let faults = applier_faults(&named, *applier);
        assert_eq!(faults.first().map(|fault| fault.cause), *cause, "{applier}");
        assert!(faults.iter().all(|fault| fault.would_work == *would_work), "{faults:?}");
    }
}

#[test]
fn scm_names_are_those_of_autosetup() {
    for name in ["patch", "gendiff", "quilt", "bzr", "git", "git_am"] {
        assert!(Applier::from_scm(name).is_some(), "{name}");
    }
    assert_eq!(Applier::from_scm("hg"), None);
}
