use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn controllers_are_those_that_podman_may_use() {
    let old = folder(&[("memory/tasks", ""), ("pids/tasks", "")]);
    let found = |root: &tempfile::TempDir, own, rootless| {
        let mut found = controllers(root.path(), own, rootless);
        found.sort();
        found
    };
    assert_eq!(found(&old, "4:memory:/\n", false), ["memory", "pids"]);
    assert_eq!(found(&old, "4:memory:/\n", true), [""; 0]);
    let new = folder(&[
        ("cgroup.controllers", "cpu memory pids\n"),
        ("user.slice/cgroup.controllers", "memory pids\n"),
        ("system.slice/cgroup.controllers", "\n"),
    ]);
    assert_eq!(found(&new, "0::/user.slice\n", false), ["cpu", "memory", "pids"]);
    assert_eq!(found(&new, "0::/user.slice\n", true), ["memory", "pids"]);
    assert_eq!(found(&new, "0::/system.slice\n", true), [""; 0]);
    assert_eq!(found(&new, "0::/gone\n", true), [""; 0]);
}

#[test]
fn a_root_without_the_rights_of_one_is_rootless_too() {
    let all = "Name:\tx\nCapEff:\t000001ffffffffff\nSeccomp:\t2\n";
    let few = "CapEff:\t00000000a80425fb\n";
    assert!(!is_rootless(0, all) && is_rootless(1000, all) && is_rootless(0, few));
    assert!(!is_rootless(0, ""));
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
