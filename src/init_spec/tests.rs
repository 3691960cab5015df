use super::*;
use crate::outcome::Fault;
use proptest::prelude::*;
use std::path::Path;
use std::process::{Command, Output};

/// A tree in memory.
struct Tree(Vec<(Vec<u8>, Vec<u8>)>);

impl TreeView for Tree {
    fn paths(&self) -> Result<Vec<BString>> {
        Ok(self.0.iter().map(|(path, _)| path.clone().into()).collect())
    }

    fn read(&self, path: &[u8], limit: usize) -> Result<Vec<u8>> {
        let (_, text) =
            self.0.iter().find(|(other, _)| other == path).expect("a listed file is read");
        Ok(text.iter().take(limit).copied().collect())
    }
}

fn tree(files: &[(&str, &str)]) -> Tree {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Tree(files.iter().map(|(path, text)| (bytes(path), bytes(text))).collect())
}

fn named(name: &str) -> Wishes {
    Wishes { name: Some(name.parse().expect("a package name")), ..Wishes::default() }
}

/// Runs an rpm tool with a home of its own. Fails loudly where it is missing.
fn rpm(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(["--define", &format!("_topdir {}", folder.display()), "--define", "dist .fc44"])
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("rpm's tools are needed as the judge")
}

/// Has rpm parse the spec: it must succeed without a word. Returns the parsed text.
fn judged(draft: &Draft) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = format!("{}.spec", draft.name);
    std::fs::write(folder.path().join(&file), &draft.spec).expect("the spec is written");
    let output = rpm(folder.path(), "rpmspec", &["-P", &file]);
    let spec = String::from_utf8_lossy(&draft.spec);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.is_empty(), "rpmspec says {words:?} of\n{spec}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder is there").collect();
    assert_eq!(left.len(), 1, "parsing made files: {left:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The tags of the main package as rpm reads them, a line each.
fn queried(draft: &Draft) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("x.spec");
    std::fs::write(&file, &draft.spec).expect("the spec is written");
    let format = "%{name}|%{version}|%{license}|%{summary}|%{url}\n";
    let output = rpm(folder.path(), "rpmspec", &["-q", "--srpm", "--qf", format, "x.spec"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

const MIT: &str = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy \
of this software, to deal in the Software without restriction";
const GPL3: &str = "                    GNU GENERAL PUBLIC LICENSE\n                       Version 3, 29 June 2007\n\
consider the GNU Lesser General Public License instead";

/// A tree, what to find in it, and what rpm is to read.
struct Case {
    files: &'static [(&'static str, &'static str)],
    build_system: BuildSystem,
    read: &'static str,
    holds: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        files: &[
            (
                "configure.ac",
                "AC_PREREQ([2.69])\nAC_INIT([Hello], [1.2], [bug@x], [hello], [https://hello.example/])\nLT_INIT\n",
            ),
            ("Makefile.am", ""),
            ("src/main.c", ""),
            ("COPYING", GPL3),
            ("README", "Hello\n=====\n\nHello greets whoever runs it, in many languages.\n"),
        ],
        build_system: BuildSystem::Autotools,
        read: "hello|1.2|GPL-3.0-or-later|The hello package|https://hello.example/",
        holds: &[
            "autoreconf --force",
            "BuildRequires:  libtool",
            "BuildRequires:  gcc\n",
            "make check",
            "%license COPYING",
            "%doc README",
            "Hello greets whoever",
        ],
    },
    Case {
        files: &[
            (
                "CMakeLists.txt",
                "cmake_minimum_required(VERSION 3.20)\nproject(hello VERSION 1.2.3 DESCRIPTION \"says hello\" HOMEPAGE_URL \"https://h.example\" LANGUAGES CXX)\n",
            ),
            ("main.cpp", ""),
            ("LICENSE", MIT),
        ],
        build_system: BuildSystem::Cmake,
        read: "hello|1.2.3|MIT|Says hello|https://h.example",
        holds: &["cmake --build build", "%cmake_build", "BuildRequires:  gcc-c++", "ctest"],
    },
    Case {
        files: &[
            (
                "meson.build",
                "project('hello', 'c',\n  version: '1.2',\n  license: 'LGPL-2.1-or-later',\n  meson_version: '>= 0.60')\n",
            ),
            ("hello.c", ""),
            ("LICENSES/LGPL-2.1-or-later.txt", ""),
        ],
        build_system: BuildSystem::Meson,
        read: "hello|1.2|LGPL-2.1-or-later|The hello package|(none)",
        holds: &["meson setup", "%meson_test", "# Review: no licence file was found"],
    },
    Case {
        files: &[
            (
                "Cargo.toml",
                "[package]\nname = \"hello\"\nversion = \"1.2.0\"\ndescription = \"Says hello.\"\nlicense = \"MIT/Apache-2.0\"\nrepository = \"https://h.example/hello\"\n[dependencies]\nname = \"no\"\n",
            ),
            ("Cargo.lock", ""),
            ("src/main.rs", ""),
            ("LICENSE-MIT", MIT),
            ("LICENSE-APACHE", "\n   Apache License\n  Version 2.0, January 2004"),
        ],
        build_system: BuildSystem::Cargo,
        read: "hello|1.2.0|MIT OR Apache-2.0|Says hello|https://h.example/hello",
        holds: &[
            "cargo build --release --offline --locked",
            "%cargo_prep",
            "%license LICENSE-APACHE",
        ],
    },
    Case {
        files: &[
            (
                "pyproject.toml",
                "[build-system]\nrequires = [\"setuptools\"]\n[project]\nname = \"hello\"\nversion = \"1.2\"\ndescription = 'says hello'\n[project.urls]\nHomepage = \"https://h.example\"\n",
            ),
            ("hello/__init__.py", ""),
            ("LICENSE.txt", MIT),
            ("Makefile", "all:\n"),
        ],
        build_system: BuildSystem::Pyproject,
        read: "hello|1.2|MIT|Says hello|https://h.example",
        holds: &["BuildArch:      noarch", "pip wheel", "%generate_buildrequires"],
    },
    Case {
        files: &[
            ("go.mod", "module git.example/alice/hello/v2\n\ngo 1.21\n"),
            ("main.go", ""),
            ("vendor/modules.txt", ""),
            ("LICENSE", MIT),
            ("pyproject.toml", "[tool.ruff]\nline-length = 100\n"),
        ],
        build_system: BuildSystem::Go,
        read: "hello|0|MIT|The hello package|https://git.example/alice/hello",
        holds: &["go build -mod=vendor", "# Review: the tree tells no version"],
    },
    Case {
        files: &[
            ("Makefile", "all:\n\tcc hello.c\n"),
            ("hello.c", ""),
            (
                "README.md",
                "# hello\n\n[![badge](x)](y)\n\n**hello** is a\r\nprogram that greets 100% of people.\n",
            ),
        ],
        build_system: BuildSystem::Make,
        read: "hello|0|LicenseRef-Unknown|The hello package|(none)",
        holds: &["%make_install PREFIX=", "hello is a program that greets 100 percent of people."],
    },
    Case {
        files: &[("hello.sh", "")],
        build_system: BuildSystem::None,
        read: "hello|0|LicenseRef-Unknown|The hello package|(none)",
        holds: &["no build system was found"],
    },
];

#[test]
fn each_build_system_gives_a_spec_that_rpm_takes_without_a_word() {
    for case in CASES {
        let draft = draft(&tree(case.files), &named("hello")).expect("a draft");
        assert_eq!(draft.build_system, case.build_system);
        judged(&draft);
        assert_eq!(queried(&draft), case.read);
        let spec = String::from_utf8_lossy(&draft.spec);
        for part in case.holds {
            assert!(spec.contains(part), "no {part:?} in\n{spec}");
        }
        assert!(spec.contains("# Review: ") && !draft.notes.is_empty());
    }
}

#[test]
fn the_name_comes_from_the_build_systems_file_where_nobody_gives_one() {
    for case in CASES {
        let drafted = draft(&tree(case.files), &Wishes::default());
        match (case.build_system, drafted) {
            (BuildSystem::Make | BuildSystem::None, Err(Fault::Refused(refusal))) => {
                assert_eq!(refusal.code.0, "no-package-name");
            }
            (_, drafted) => assert_eq!(drafted.expect("a draft").name.as_str(), "hello"),
        }
    }
}

#[test]
fn what_a_person_says_wins_over_the_tree() {
    let wishes = Wishes {
        version: Some("9.9~rc1".parse().expect("a version")),
        url: Some("https://other.example/?a=b#c".to_owned()),
        ..named("other")
    };
    let drafted = draft(&tree(CASES[1].files), &wishes).expect("a draft");
    assert_eq!(queried(&drafted), "other|9.9~rc1|MIT|Says hello|https://other.example/?a=b#c");
    for bad in ["ftp://x.example", "https://x/%(id)", "https://u:p@x.example", "https://x/ y", "x"]
    {
        let wishes = Wishes { url: Some(bad.to_owned()), ..named("hello") };
        match draft(&tree(&[]), &wishes) {
            Err(Fault::Refused(refusal)) => assert_eq!(refusal.code.0, "url-unsafe", "{bad}"),
            other => panic!("{bad}: {other:?}"),
        }
    }
}

const EVIL: &[&str] = &[
    "%(touch evil)",
    "%{lua: io.open('evil', 'w')}",
    "%{shrink:%(touch evil)}",
    "100%%(touch evil)",
    "%[1+1]",
    "x\n%include /etc/passwd\n%if",
    "x\n\n%prep\ntouch evil\n",
    "%files\n/etc/shadow",
    "ends in a backslash \\",
    "`touch evil` $(touch evil)",
    "\u{202e}%{name}\u{0}\u{1b}[31m",
    "# comment %(touch evil)",
    "* Mon Jan 01 2024 x",
];

#[test]
fn hostile_trees_give_harmless_specs() {
    for evil in EVIL {
        let readme =
            format!("{evil} and some prose of enough length.\n\nProse {evil} more prose here\n");
        let trees = [
            (
                "Cargo.toml",
                format!(
                    "[package]\nname = \"{evil}\"\nversion = \"{evil}\"\ndescription = \"say {evil} it\"\nlicense = \"{evil}\"\nhomepage = \"https://x/{evil}\"\n"
                ),
            ),
            (
                "meson.build",
                format!("project('{evil}', version: '{evil}', license: '{evil}')"),
            ),
            (
                "CMakeLists.txt",
                format!(
                    "project({evil} VERSION {evil} DESCRIPTION \"{evil}\" HOMEPAGE_URL \"{evil}\")"
                ),
            ),
            (
                "configure.ac",
                format!("AC_INIT([{evil}], [{evil}], [{evil}], [{evil}], [https://x/{evil}])"),
            ),
            (
                "pyproject.toml",
                format!("[project]\nname = \"{evil}\"\ndescription = '{evil}'\n"),
            ),
            ("go.mod", format!("module x.example/{evil}\n")),
        ];
        for (file, text) in trees {
            let licence = format!("LICENSE {evil}").replace(['\n', '/'], " ");
            let files = [
                (file, text.as_str()),
                ("README.md", readme.as_str()),
                (licence.as_str(), MIT),
                ("README %(touch evil)", ""),
                ("%(touch evil).spec", ""),
            ];
            let drafted = draft(&tree(&files), &named("hello")).expect("a draft");
            let parsed = judged(&drafted);
            let (_, scripts) = parsed.split_once("\n%prep").expect("there is a prep section");
            assert!(!scripts.contains("evil") && !parsed.contains("root:"), "{file}: {parsed}");
            assert_eq!(parsed.matches("\n%files").count(), 1, "{parsed}");
            assert_eq!(parsed.matches("\n%prep").count(), 1, "{parsed}");
            assert!(parsed.contains("\nName:           hello\n"), "{parsed}");
            assert!(drafted.notes.iter().any(|note| note.contains("cannot stand in a spec")));
            assert!(drafted.notes.iter().all(|note| !note.chars().any(char::is_control)));
        }
    }
}

#[test]
fn endless_openings_are_read_soon() {
    let started = std::time::Instant::now();
    for (file, opening) in [
        ("CMakeLists.txt", "\nproject("),
        ("meson.build", "\nproject('"),
        ("configure.ac", "\nAC_INIT(["),
        ("Cargo.toml", "\n[package"),
        ("README", "\n\n= "),
    ] {
        draft(&tree(&[(file, &opening.repeat(30_000))]), &named("hello")).expect("a draft");
    }
    assert!(started.elapsed().as_secs() < 10, "took {:?}", started.elapsed());
}

#[test]
fn file_names_that_are_no_text_are_passed_by() {
    let files = vec![(b"LICENSE\xff".to_vec(), MIT.into()), (b"a\xfe/b.c".to_vec(), Vec::new())];
    let drafted = draft(&Tree(files), &named("hello")).expect("a draft");
    judged(&drafted);
}

#[test]
fn well_known_licence_texts_are_recognised() {
    let cases = [
        (GPL3, Some("GPL-3.0-or-later")),
        ("GNU GENERAL PUBLIC LICENSE\nVersion 2, June 1991", Some("GPL-2.0-or-later")),
        (
            "GNU LESSER GENERAL PUBLIC LICENSE\nVersion 2.1, February 1999",
            Some("LGPL-2.1-or-later"),
        ),
        (
            "GNU LESSER GENERAL PUBLIC LICENSE\nVersion 3\nthe GNU General Public License",
            Some("LGPL-3.0-or-later"),
        ),
        (
            "GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3, 19 November 2007",
            Some("AGPL-3.0-or-later"),
        ),
        (MIT, Some("MIT")),
        ("Mozilla Public License Version 2.0\n====", Some("MPL-2.0")),
        (
            "Redistribution and use in source and binary forms ... reproduce the above\ncopyright ... endorse or promote",
            Some("BSD-3-Clause"),
        ),
        (
            "Redistribution and use in source and binary forms ... reproduce the above copyright",
            Some("BSD-2-Clause"),
        ),
        (
            "Permission to use, copy, modify, and/or distribute this software for any purpose, provided that the above copyright notice",
            Some("ISC"),
        ),
        (
            "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee",
            Some("0BSD"),
        ),
        ("All rights reserved.", None),
    ];
    for (text, id) in cases {
        assert_eq!(licence::recognise(text.as_bytes()), id, "{text}");
    }
}

#[test]
fn only_expressions_are_taken_for_licences() {
    let cases = [
        ("MIT", Some("MIT")),
        ("MIT/Apache-2.0", Some("MIT OR Apache-2.0")),
        (
            "(MIT OR Apache-2.0)  AND BSD-3-Clause",
            Some("(MIT OR Apache-2.0) AND BSD-3-Clause"),
        ),
        (
            "GPL-2.0-or-later WITH Classpath-exception-2.0",
            Some("GPL-2.0-or-later WITH Classpath-exception-2.0"),
        ),
        ("GNU GPL v3", None),
        ("MIT OR", None),
        ("OR", None),
        ("", None),
        ("%(id)", None),
        ("MIT, BSD", None),
    ];
    for (text, wanted) in cases {
        assert_eq!(words::licence_expression(text).as_deref(), wanted, "{text}");
    }
}

#[test]
fn a_makefile_package_builds_from_its_draft() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let makefile = "all:\n\ninstall:\n\tmkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1\n\
                    \techo hello > '$(DESTDIR)$(PREFIX)/bin/hello you'\n\
                    \techo .TH > $(DESTDIR)$(PREFIX)/share/man/man1/hello.1\n";
    let files = [("Makefile", makefile), ("COPYING", GPL3), ("README", "Hello")];
    let wishes = Wishes { version: Some("1.0".parse().expect("a version")), ..named("hello") };
    let drafted = draft(&tree(&files), &wishes).expect("a draft");
    let top = folder.path().join("hello-1.0");
    std::fs::create_dir_all(&top).expect("a folder");
    std::fs::create_dir_all(folder.path().join("SOURCES")).expect("a folder");
    for (path, text) in files {
        std::fs::write(top.join(path), text).expect("a file");
    }
    let tar = Command::new("tar")
        .args(["czf", "SOURCES/hello-1.0.tar.gz", "hello-1.0"])
        .current_dir(folder.path())
        .status();
    assert!(tar.expect("tar runs").success());
    std::fs::write(folder.path().join("hello.spec"), &drafted.spec).expect("the spec is written");
    let output = rpm(folder.path(), "rpmbuild", &["-bb", "--nodeps", "hello.spec"]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "rpmbuild says {words} of\n{}",
        String::from_utf8_lossy(&drafted.spec)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_of_a_stranger_brings_a_percent_sign_or_a_backslash(text in "(\\PC|[%\\\\\n #*]){0,200}") {
        for made in [words::line(&text, 70), words::paragraph(&text), words::summary(&text).unwrap_or_default()] {
            let acts = made.contains(['%', '\\']);
            prop_assert!(!acts);
            let bad = |line: &str| line.starts_with(['#', '*', '%', ' ']);
            prop_assert!(!made.lines().any(bad), "{}", made);
        }
        let values = [words::address(&text), words::licence_expression(&text)];
        for value in values.into_iter().flatten() {
            let acts = value.contains(['%', '\\', '\n', '{']);
            prop_assert!(!acts);
        }
    }

    #[test]
    fn drafting_never_panics(text in "(\\PC|[\n\\[\\]()'\"=]){0,120}", which in 0..7_usize) {
        let files = ["Cargo.toml", "meson.build", "CMakeLists.txt", "configure.ac", "pyproject.toml", "go.mod", "README"];
        prop_assert!(draft(&tree(&[(files[which], &text)]), &named("hello")).is_ok());
    }
}
