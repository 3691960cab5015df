//! Histories made by chance: what is told from a note is what the whole history tells.

use std::io::Write;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::git::{Kind, Store, Trust};

/// A bare repository, and its commits in the order they were made.
struct World {
    folder: tempfile::TempDir,
    commits: Vec<ObjectId>,
}

impl World {
    /// Makes one commit for each item; its parents are earlier ones, counted back from it.
    fn new(parents: &[Vec<usize>]) -> World {
        let folder = tempfile::tempdir().unwrap();
        Store::init_bare(folder.path()).unwrap();
        let mut world = World { folder, commits: Vec::new() };
        for back in parents {
            let parents = back.iter().filter_map(|back| world.commits.iter().rev().nth(*back));
            let parents: Vec<ObjectId> = parents.copied().collect();
            world.commit(&parents);
        }
        world
    }

    fn commit(&mut self, parents: &[ObjectId]) -> ObjectId {
        let mut text = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n".to_owned();
        let mut seen = HashSet::new();
        for parent in parents.iter().filter(|parent| seen.insert(**parent)) {
            text.push_str(&format!("parent {parent}\n"));
        }
        let seconds = 1_700_000_000 + self.commits.len() * 60;
        for who in ["author", "committer"] {
            text.push_str(&format!("{who} Alice <alice@example.com> {seconds} +0000\n"));
        }
        text.push_str(&format!("\nCommit {}\n", self.commits.len()));
        let id = self.objects().write(Kind::Commit, text.as_bytes()).unwrap();
        self.commits.push(id);
        id
    }

    fn objects(&self) -> Objects {
        Store::open(self.folder.path(), Trust::InPlace).unwrap().objects()
    }

    fn tags(&self, places: &[usize]) -> Vec<TagReference> {
        let tag = |(number, place): (usize, &usize)| TagReference {
            name: format!("v{number}").parse().unwrap(),
            object: self.commits[*place],
            commit: self.commits[*place],
            seconds: 0,
        };
        places.iter().enumerate().map(tag).collect()
    }

    fn note(&self) -> Note {
        Note::at(self.folder.path().join("note"))
    }

    /// What a trail answers at `tip`: the tags in reach, and the steps since each of them.
    fn answers(&self, mut trail: Trail<'_>, places: &[usize]) -> (Vec<TagReference>, Vec<u64>) {
        let tags = trail.reachable(self.tags(places)).unwrap();
        let steps = tags.iter().map(|tag| trail.steps_since(&tag.commit).unwrap()).collect();
        trail.write_note();
        (tags, steps)
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(self.folder.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn histories() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(0..4usize, 1..3), 4..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_note_of_any_earlier_tip_changes_no_answer(
        parents in histories(), tips in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        tags in prop::collection::vec((any::<prop::sample::Index>(), 0..5usize), 0..6),
    ) {
        let world = World::new(&parents);
        let objects = world.objects();
        for (run, tip) in tips.iter().enumerate() {
            let tip = world.commits[tip.index(world.commits.len())];
            let there = tags.iter().filter(|(_, since)| *since <= run);
            let places: Vec<usize> = there.map(|(at, _)| at.index(world.commits.len())).collect();
            let fresh = world.answers(Trail::new(&objects, &tip), &places);
            let noted = Trail::noted(&objects, &tip, world.note()).unwrap();
            prop_assert_eq!(&world.answers(noted, &places), &fresh);
            prop_assert!(world.note().read().is_some());
        }
    }

    #[test]
    fn tags_in_reach_and_news_are_those_that_git_tells(
        parents in histories(), tip in any::<prop::sample::Index>(), known in any::<prop::sample::Index>(),
    ) {
        let world = World::new(&parents);
        let pick = |index: &prop::sample::Index| world.commits[index.index(world.commits.len())];
        let (tip, known) = (pick(&tip), pick(&known));
        let all: Vec<usize> = (0..world.commits.len()).collect();
        let tags = Trail::new(&world.objects(), &tip).reachable(world.tags(&all)).unwrap();
        let told: HashSet<String> = tags.iter().map(|tag| tag.commit.to_string()).collect();
        let listed = |arguments: &[&str]| -> HashSet<String> {
            world.git(&[&["rev-list"], arguments].concat()).lines().map(str::to_owned).collect()
        };
        prop_assert_eq!(&told, &listed(&[&tip.to_string()]));
        let news = world.objects().news(&tip, &known).unwrap();
        prop_assert_eq!(news.is_some(), told.contains(&known.to_string()));
        if let Some(news) = news {
            let news: HashSet<String> = news.iter().map(ToString::to_string).collect();
            prop_assert_eq!(news, listed(&[&tip.to_string(), &format!("^{known}")]));
        }
    }
}

#[test]
fn with_a_note_only_what_is_new_is_read() {
    let mut world = World::new(&vec![vec![0]; 40]);
    let (old, noted) = (world.commits[3], world.commits[39]);
    let places = [0, 20, 39];
    let objects = world.objects();
    let trail = Trail::noted(&objects, &noted, world.note()).unwrap();
    assert_eq!(world.answers(trail, &places).0.len(), 3);
    let new = world.commit(&[noted]);
    let path = world.folder.path().join("objects").join(&old.to_string()[..2]);
    std::fs::remove_file(path.join(&old.to_string()[2..])).unwrap();
    let objects = world.objects();
    assert!(
        Trail::new(&objects, &new).reachable(world.tags(&places)).is_err(),
        "history is gone"
    );
    let mut trail = Trail::noted(&objects, &new, world.note()).unwrap();
    assert_eq!(trail.reachable(world.tags(&places)).unwrap().len(), 3);
    assert_eq!(trail.steps_since(&noted).unwrap(), 1);
}

#[test]
fn a_commit_under_a_wrong_name_stops_the_walk() {
    let world = World::new(&[vec![], vec![0], vec![0], vec![0]]);
    let [root, _, forged, tip] = world.commits[..] else { panic!("four were made") };
    let loose = |id: ObjectId| {
        let name = id.to_string();
        world.folder.path().join("objects").join(&name[..2]).join(&name[2..])
    };
    let content = std::fs::read(loose(root)).unwrap();
    std::fs::remove_file(loose(forged)).unwrap();
    std::fs::File::create(loose(forged)).unwrap().write_all(&content).unwrap();
    let fault = world.objects().range(&tip, &[]).unwrap_err();
    assert!(fault.to_string().contains("history cannot be walked"), "{fault}");
    assert!(world.objects().is_ancestor(&root, &tip).is_err());
}

#[test]
fn notes_that_make_no_sense_count_as_none() {
    let world = World::new(&[vec![], vec![0]]);
    let tip = world.commits[1];
    for lines in [
        vec![],
        vec!["tip x".to_owned()],
        vec![format!("tip {tip}"), "steps 1".to_owned()],
        vec![format!("tip {tip}"), "reached".to_owned()],
        vec!["tip 1111111111111111111111111111111111111111".to_owned()],
    ] {
        world.note().write(&lines);
        let objects = world.objects();
        let trail = Trail::noted(&objects, &tip, world.note()).unwrap();
        assert_eq!(world.answers(trail, &[0]).1, [1], "{lines:?}");
    }
}
