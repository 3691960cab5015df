//! Rows of the table: sources, the folder they unpack to, and patches.

use super::cases::{Case, archive, row};
use super::*;

pub(super) fn sources() -> Vec<Case> {
    let ours = |version: &str| archive(to(version, "1"), &format!("hello-{version}.tar.gz"));
    vec![
        row(
            "sources",
            ours("1.1"),
            "0:1.1-1.fc44",
            "hello-1.1.tar.gz",
            &[
                "-Version:        1.0",
                "+Version:        1.1",
                "-Source0:        https://example.org/v%{version}/%{name}-%{version}.tar.xz",
                "+Source0:        %{name}-%{version}.tar.gz",
            ],
        ),
        row(
            "source-right",
            ours("1.1"),
            "0:1.1-1.fc44",
            "hello-1.1.tar.gz",
            &["-Version:        1.0", "+Version:        1.1"],
        ),
        row(
            "source-false-branch",
            ours("1.1"),
            "0:1.1-1.fc44",
            "hello-1.1.tar.gz",
            &[
                "-Version:        1.0",
                "+Version:        1.1",
                "-Source0:        %{name}_%{version}.orig.tar.gz",
                "+Source0:        %{name}-%{version}.tar.gz",
            ],
        ),
        row(
            "source-unnumbered",
            ours("1.1"),
            "0:1.1-1.fc44",
            "hello-1.1.tar.gz",
            &[
                "-Version:        1.0",
                "+Version:        1.1",
                "-Source:         hello.tar.bz2",
                "+Source:         %{name}-%{version}.tar.gz",
            ],
        ),
        row(
            "sourcelist",
            ours("1.1"),
            "0:1.1-1.fc44",
            "hello-1.1.tar.gz",
            &[
                "-Version:        1.0",
                "+Version:        1.1",
                "-hello.tar.gz",
                "+%{name}-%{version}.tar.gz",
            ],
        ),
        row(
            "source-none",
            ours("1.1"),
            "0:1.1-1.fc44",
            "hello-1.1.tar.gz",
            &[
                "-Version:        1.0",
                "+Version:        1.1",
                "+Source0:        %{name}-%{version}.tar.gz",
                "-%setup -q -n hello",
                "+%setup -q -n %{name}-%{version}",
            ],
        ),
        row(
            "snapshot",
            ours("1.1"),
            "0:1.1-1.fc44",
            "hello-1.1.tar.gz",
            &[
                "-Version:        1.0^%{snapdate}git%{shortcommit}",
                "+Version:        1.1",
                "-Source0:        https://example.org/%{commit}/%{name}-%{shortcommit}.tar.gz",
                "+Source0:        %{name}-%{version}.tar.gz",
                "-%autosetup -p1 -n %{name}-%{commit}",
                "+%autosetup -p1 -n %{name}-%{version}",
            ],
        ),
        row(
            "prerelease-on",
            ours("1.0~rc2"),
            "0:1.0~rc2-1.fc44",
            "hello-1.0~rc2.tar.gz",
            &[
                "-%global prerel rc1",
                "+%global prerel rc2",
                "-Source0:        https://example.org/%{name}-%{basever}%{?prerel}.tar.gz",
                "+Source0:        %{name}-%{version}.tar.gz",
                "-%autosetup -p1 -n %{name}-%{basever}%{?prerel}",
                "+%autosetup -p1 -n %{name}-%{version}",
            ],
        ),
        row(
            "prefix",
            ours("1.1"),
            "0:1.1-1.fc44",
            "hello-1.1.tar.gz",
            &[
                "-Version:        1.0",
                "+Version:        1.1",
                "-%setup -q -n hello-upstream-%{version}",
                "-%setup -q -T -D -n hello-upstream-%{version}",
                "+%setup -q -n %{name}-%{version}",
                "+%setup -q -T -D -n %{name}-%{version}",
            ],
        ),
        row(
            "plain",
            archive(to("1.1", "1"), "other-1.1.tar.gz"),
            "0:1.1-1.fc44",
            "other-1.1.tar.gz",
            &[
                "-Version:        1.0",
                "+Version:        1.1",
                "-Source0:        %{name}-%{version}.tar.gz",
                "+Source0:        other-1.1.tar.gz",
                "-%autosetup -p1",
                "+%autosetup -n other-1.1 -p1",
            ],
        ),
    ]
}

pub(super) fn patched() -> Vec<Case> {
    let rows: Vec<(&'static str, &'static [&'static str], &'static [&'static str])> = vec![
        (
            "plain",
            &["a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch1:         a.patch",
                "+Patch2:         b.patch",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "patches-numbered",
            &["first.patch", "second.patch", "a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch8:         a.patch",
                "+Patch9:         b.patch",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "patches-unnumbered",
            &["first.patch", "second.patch", "a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch2: a.patch",
                "+Patch3: b.patch",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "patches-conditional",
            &["first.patch", "fedora.patch", "a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch5:         a.patch",
                "+Patch6:         b.patch",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "patchlist",
            &["zero.patch", "first.patch", "second.patch", "a.patch", "b.patch"],
            &["+# lockkeeper patches begin", "+a.patch", "+b.patch", "+# lockkeeper patches end"],
        ),
        (
            "setup-patch",
            &["first.patch", "a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch4:         a.patch",
                "+Patch5:         b.patch",
                "+# lockkeeper patches end",
                "+# lockkeeper patches begin",
                "+%patch -P 4 -p1",
                "+%patch -P 5 -p1",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "setup-only",
            &["a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch1:         a.patch",
                "+Patch2:         b.patch",
                "+# lockkeeper patches end",
                "+# lockkeeper patches begin",
                "+%patch -P 1 -p1",
                "+%patch -P 2 -p1",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "setup-conditional-patch",
            &["first.patch", "a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch4:         a.patch",
                "+Patch5:         b.patch",
                "+# lockkeeper patches end",
                "+# lockkeeper patches begin",
                "+%patch -P 4 -p1",
                "+%patch -P 5 -p1",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "autopatch",
            &["first.patch", "a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch4:         a.patch",
                "+Patch5:         b.patch",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "autopatch-range",
            &["first.patch", "second.patch", "a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch3:         a.patch",
                "+Patch4:         b.patch",
                "+# lockkeeper patches end",
                "+# lockkeeper patches begin",
                "+%patch -P 3 -p1",
                "+%patch -P 4 -p1",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "autosetup-no-level",
            &["a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch1:         a.patch",
                "+Patch2:         b.patch",
                "+# lockkeeper patches end",
                "-%autosetup -n %{name}-%{version}",
                "+%autosetup -p1 -n %{name}-%{version}",
            ],
        ),
        (
            "autosetup-git",
            &["a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch1:         a.patch",
                "+Patch2:         b.patch",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "patchlist-setup",
            &["seven.patch", "three.patch", "first.patch", "a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+a.patch",
                "+b.patch",
                "+# lockkeeper patches end",
                "+# lockkeeper patches begin",
                "+%patch -P 9 -p1",
                "+%patch -P 10 -p1",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "patchlist-empty",
            &["a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+a.patch",
                "+b.patch",
                "+# lockkeeper patches end",
                "+# lockkeeper patches begin",
                "+%patch -P 0 -p1",
                "+%patch -P 1 -p1",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "autosetup-alternatives",
            &["a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch1:         a.patch",
                "+Patch2:         b.patch",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "autosetup-none",
            &["a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch1:         a.patch",
                "+Patch2:         b.patch",
                "+# lockkeeper patches end",
                "+# lockkeeper patches begin",
                "+%patch -P 1 -p1",
                "+%patch -P 2 -p1",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "crlf",
            &["zero.patch", "a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin\\r",
                "+Patch1:         a.patch\\r",
                "+Patch2:         b.patch\\r",
                "+# lockkeeper patches end\\r",
            ],
        ),
        (
            "lower-case",
            &["zero.patch", "a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch1: a.patch",
                "+Patch2: b.patch",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "sourcelist",
            &["a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch1:         a.patch",
                "+Patch2:         b.patch",
                "+# lockkeeper patches end",
            ],
        ),
        (
            "conditional-version",
            &["a.patch", "b.patch"],
            &[
                "+# lockkeeper patches begin",
                "+Patch1:         a.patch",
                "+Patch2:         b.patch",
                "+# lockkeeper patches end",
            ],
        ),
    ];
    let edits = Edits { patches: patches(&["a.patch", "b.patch"]), ..Edits::default() };
    let case = |(file, patches, difference)| Case {
        file,
        edits: edits.clone(),
        evr: "",
        source0: "",
        patches,
        difference,
    };
    rows.into_iter().map(case).collect()
}
