//! Claims gathered with a note and without are the same.

use super::*;
use crate::git::{Kind, Store, Trust};
use crate::names::{PackageName, TagName};

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        Store::init_bare(folder.path()).unwrap();
        World { folder }
    }

    fn objects(&self) -> Objects {
        Store::open(self.folder.path(), Trust::Fetched).unwrap().objects()
    }

    fn note(&self) -> Note {
        Note::at(self.folder.path().join("note"))
    }

    fn commit(&self, parent: Option<ObjectId>, message: &str) -> ObjectId {
        let who = "Bot <bot@example.com> 1700000000 +0000";
        let parent = parent.map(|id| format!("parent {id}\n")).unwrap_or_default();
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let text = format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\n{message}");
        self.objects().write(Kind::Commit, text.as_bytes()).unwrap()
    }

    /// Gathers with the note, and sees that nothing else is gathered without.
    fn gather(&self, target: &DistGitTarget, tip: &ObjectId) -> Vec<String> {
        let objects = self.objects();
        let sorted = |mut claims: Claims| {
            claims.claimed.sort_by(|a, b| a.1.rpm_cmp(&b.1));
            claims
        };
        let noted = sorted(Claims::gather(&objects, target, tip, &self.note()).unwrap());
        let fresh = sorted(Claims::gather(&objects, target, tip, &Note::none()).unwrap());
        assert_eq!(noted, fresh);
        let mut words = vec![fresh.commits().to_string()];
        words.extend(fresh.claimed.iter().map(|(_, evr)| evr.to_string()));
        words
    }
}

fn target(branch: &str) -> DistGitTarget {
    let package: PackageName = "hello".parse().unwrap();
    DistGitTarget { package, branch: branch.parse().unwrap() }
}

fn published(branch: &str, evr: &str) -> String {
    let id = "1".repeat(40).parse().unwrap();
    let tag: TagName = "v1".parse().unwrap();
    let publication = Publication {
        source_commit: id,
        repository: "https://forge.example/hello.git".to_owned(),
        branch: "main".parse().unwrap(),
        signer: "openpgp:A".to_owned(),
        target: target(branch),
        release_tag: (tag, id),
        evr: Some(format!("0:{evr}").parse().unwrap()),
        population: "archive".to_owned(),
        generated_by: "lockkeeper".to_owned(),
    };
    format!("Update\n\n{}", publication.to_paragraph())
}

#[test]
fn claims_follow_the_tip_forward_and_back_and_to_another_branch() {
    let world = World::new();
    let root = world.commit(None, "Begin\n");
    let first = world.commit(Some(root), &published("f44", "1.0-1"));
    let second = world.commit(Some(first), &published("f45", "9.0-1"));
    let third = world.commit(Some(second), &published("f44", "1.1-1"));
    let f44 = target("f44");
    let (before, after) = (["2", "0:1.0-1"], ["4", "0:1.0-1", "0:1.1-1"]);
    assert_eq!(world.gather(&f44, &first), before);
    assert_eq!(world.gather(&f44, &third), after);
    assert_eq!(world.gather(&f44, &third), after);
    assert_eq!(world.gather(&f44, &first), before, "rewound");
    assert_eq!(world.gather(&target("f45"), &third), ["4", "0:9.0-1"], "another branch's note");
    let other = world.commit(None, "Unrelated\n");
    assert_eq!(world.gather(&f44, &other), ["1"]);
}

#[test]
fn only_the_bots_own_claims_count() {
    let world = World::new();
    let tip = world.commit(None, &published("f44", "1.0-1"));
    let claims = Claims::gather(&world.objects(), &target("f44"), &tip, &world.note()).unwrap();
    assert_eq!(claims.highest(&world.objects(), &BotCerts::none()).unwrap(), None);
}
