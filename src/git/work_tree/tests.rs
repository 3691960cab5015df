use super::*;
use crate::populate::testing::World;

struct Bench {
    world: World,
    mirrors: Mirrors,
    dist_git: RepositoryAddress,
    branch: BranchName,
}

impl Bench {
    fn new() -> Bench {
        let world = World::new();
        world.write("src/a", "one\n");
        world.write("gone/b", "two\n");
        world.link("src/a", "link");
        world.commit("First\n");
        world.git(&["tag", "-a", "-m", "x", "v1"]);
        world.git(&["tag", "light"]);
        let mirrors = Mirrors::at(world.path().join("cache")).unwrap();
        let dist_git = "/srv/dist-git/hello.git".parse().unwrap();
        Bench { world, mirrors, dist_git, branch: "main".parse().unwrap() }
    }

    fn check_out(&self, source: &Store) -> WorkTree {
        let commit = self.world.rev("HEAD").unwrap();
        let wanted = Checkout {
            source,
            commit,
            branch: &self.branch,
            dist_git: &self.dist_git,
            dist_git_branch: &self.branch,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.mirrors.check_out(&wanted)).unwrap()
    }

    fn git_in(&self, tree: &WorkTree, arguments: &[&str]) -> String {
        let output = self.world.run("git", arguments, &tree.path(), b"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A store of ours, whose objects are trusted.
    fn mirror(&self) -> Store {
        let folder = self.world.path().join("mirror.git");
        if !folder.exists() {
            let path = folder.to_string_lossy().into_owned();
            self.world.git(&["clone", "-q", "--mirror", ".", &path]);
        }
        let path = folder.to_string_lossy().into_owned();
        self.world.git(&["push", "-q", "--mirror", &path]);
        Store::open(&folder, Trust::Fetched).unwrap()
    }
}

fn holds(bench: &Bench, source: &Store) {
    let tree = bench.check_out(source);
    assert_eq!(bench.git_in(&tree, &["status", "--porcelain"]), "");
    assert_eq!(bench.git_in(&tree, &["describe"]), "v1\n");
    assert_eq!(bench.git_in(&tree, &["tag"]), "light\nv1\n");
    assert_eq!(bench.git_in(&tree, &["fsck", "--full", "--strict"]), "");
    let first = tree.path();
    assert!(!first.join(".git/objects/info/alternates").exists());
    drop(tree);
    bench.world.write("src/a", "changed\n");
    bench.world.remove("gone");
    bench.world.write("new/c", "three\n");
    bench.world.commit("Second\n");
}

#[test]
fn a_tree_is_made_once_and_then_moved() {
    for is_mirror in [false, true] {
        let bench = Bench::new();
        let source = || if is_mirror { bench.mirror() } else { bench.world.store() };
        holds(&bench, &source());
        let inode = |tree: &WorkTree| {
            use std::os::unix::fs::MetadataExt;
            tree.path().join("link").symlink_metadata().unwrap().ino()
        };
        let before = std::fs::read_dir(bench.world.path().join("cache/trees")).unwrap().count();
        let tree = bench.check_out(&source());
        assert_eq!(bench.git_in(&tree, &["status", "--porcelain"]), "");
        assert_eq!(std::fs::read_to_string(tree.path().join("src/a")).unwrap(), "changed\n");
        assert!(!tree.path().join("gone").exists());
        assert!(tree.path().join("new/c").exists());
        let kept = inode(&tree);
        drop(tree);
        let again = bench.check_out(&source());
        assert_eq!(inode(&again), kept);
        let after = std::fs::read_dir(bench.world.path().join("cache/trees")).unwrap().count();
        assert_eq!(before, after);
    }
}

#[test]
fn a_tree_that_was_left_half_way_is_made_anew() {
    let bench = Bench::new();
    let tree = bench.check_out(&bench.world.store());
    std::fs::remove_file(tree.path().join("src/a")).unwrap();
    std::fs::write(tree.path().join(".git/index"), "garbage").unwrap();
    let note = tree.path().parent().unwrap().join("at");
    drop(tree);
    std::fs::remove_file(note).unwrap();
    let tree = bench.check_out(&bench.world.store());
    assert_eq!(bench.git_in(&tree, &["status", "--porcelain"]), "");
}

#[test]
fn nothing_of_the_source_repositorys_configuration_comes_along() {
    let bench = Bench::new();
    bench.world.git(&["config", "filter.bad.smudge", "touch /tmp/owned"]);
    bench.world.git(&["remote", "add", "origin", "https://user:secret@forge.example/x.git"]);
    bench.world.write(".gitattributes", "* filter=bad\n");
    bench.world.commit("Attributes\n");
    let tree = bench.check_out(&bench.world.store());
    assert_eq!(std::fs::read_to_string(tree.path().join(".git/config")).unwrap(), CONFIG);
    assert_eq!(bench.git_in(&tree, &["remote"]), "");
    assert!(!tree.path().join(".git/hooks").exists());
}
