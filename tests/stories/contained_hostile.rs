//! Containers that mean no good: what they leave is refused by name, and nothing of it is kept.

use crate::world::images::{self, scripted};
use crate::world::{World, files_below};

/// What a script leaves in `/output`, and the code by which it is refused.
const TRICKS: [(&str, &str); 13] = [
    ("ln -s /etc/passwd dist-git/a", "output-link"),
    ("ln -s ../../etc/passwd dist-git/a", "output-link"),
    ("rm -r dist-git; ln -s /source dist-git", "output-link"),
    ("echo x >dist-git/a; ln dist-git/a dist-git/b", "output-hard-link"),
    ("mkfifo dist-git/a", "output-fifo"),
    ("echo x >dist-git/a; chmod 4755 dist-git/a", "output-setuid"),
    ("mkdir dist-git/.git; echo x >dist-git/.git/config", "output-git"),
    ("touch \"dist-git/a$(printf '\\nb')\"", "output-name"),
    ("touch \"dist-git/$(printf '\\377')\"", "output-name-no-text"),
    ("touch dist-git/a dist-git/A", "output-case-clash"),
    ("truncate -s 1G dist-git/a", "output-too-large"),
    ("truncate -s 1G result.json", "result-too-large"),
    ("echo nonsense >result.json", "result-malformed"),
];

#[test]
fn hostile_output_is_refused_by_name_and_nothing_is_kept() {
    images::build();
    let mut world = World::empty();
    world.release();
    for (trick, code) in TRICKS {
        let script = format!("cd /output\nmkdir -p dist-git lookaside\n{trick}");
        world.opt_in(&scripted(&script, ""));
        let run = world.refuses_contained(code);
        assert!(!run.text("reason.hint").is_empty(), "{run:#?}");
    }
    // The run's own folders are gone with it.
    assert!(!world.path("home/.cache/lockkeeper/work").exists());
}

#[test]
fn a_preview_of_hostile_output_leaves_nothing_but_its_story() {
    images::build();
    let mut world = World::empty();
    world.opt_in(&scripted("mkdir /output/dist-git\nln -s / /output/dist-git/root", ""));
    world.release();
    let flags = "preview --dist-git dist-git/hello.git --branch f44 --dist .fc44 --key bot.key --output out";
    world
        .run_contained(&flags.split(' ').collect::<Vec<_>>())
        .came_to(3, "refused", "output-link");
    let files = files_below(&world.path("out"));
    assert_eq!(files.keys().collect::<Vec<_>>(), ["container.log", "preview.json"]);
}

#[test]
fn what_it_says_on_its_last_line_reaches_no_terminal_raw() {
    images::build();
    let mut world = World::empty();
    world.opt_in(&scripted("printf 'no\\033[2Jway\\n'\nexit 64", ""));
    world.release();
    let run = world.refuses_contained("container-refused");
    assert!(!run.text("reason.message").contains('\u{1b}'), "{run:#?}");
}
