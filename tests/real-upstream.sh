#!/bin/bash
# The mechanism upstream-tarball on a real release: udisks2 of Debian's source package, which `apt-get source` brings
# (elsewhere: upstream's own page), checked against the digest below.
#
#   tests/real-upstream.sh [PROGRAM]          PROGRAM: target/debug/lockkeeper, built where it is missing
#
# The tarball is what upstream released: with generated files that are not in git. It is imported as a tag the way
# upstream keeps it (without them, and with files that `make dist` leaves out), signed commits go on top, and then:
# preview, sync, sync again, and the proof by rpm. Fails loudly where the tarball cannot be had.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
program=${1:-$here/target/debug/lockkeeper}
[ -x "$program" ] || (cd "$here" && cargo build --locked)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tarball=udisks-2.9.4.tar.bz2
sha512=35f5429bc2a7092aa659cba9296837d127e2b17c23ab23111d0d9b230d15ef5a6965e112b1f3829748a69a52fb5b09722153f86f1ef70977b3ad7b7a4ec40ec5
release=https://github.com/storaged-project/udisks/releases/download/udisks-2.9.4/udisks-2.9.4.tar.bz2

export HOME=$work GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$work/gitconfig LC_ALL=C.UTF-8
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
unset GIT_DIR GIT_WORK_TREE LOCKKEEPER_CACHE XDG_CACHE_HOME

fail() {
    echo "tests/real-upstream.sh: $*" >&2
    exit 1
}

# --- the release -------------------------------------------------------------------------------------------------

# Debian's own mirror, as this machine knows it, with a private list that asks for sources too.
with_apt() {
    local mirror apt=$work/apt
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ')
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$work/download"
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
        "${mirror:?no mirror of Debian is named in /etc/apt} bookworm main" >"$apt/sources.list"
    local options=(
        -q -o DPkg::Lock::Timeout=600 -o APT::Sandbox::User=
        -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=-
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache"
    )
    apt-get "${options[@]}" update && cd "$work/download" &&
        apt-get "${options[@]}" source --download-only udisks2
}

fetch() {
    mkdir -p "$work/upstream"
    if command -v apt-get >/dev/null; then
        (with_apt) >"$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; fail "apt-get source udisks2 failed"; }
        cp "$work"/download/udisks2_2.9.4.orig.tar.bz2 "$work/upstream/$tarball"
    else
        curl -fsSL -o "$work/upstream/$tarball" "$release" || fail "cannot download $release"
    fi
    echo "$sha512  $work/upstream/$tarball" | sha512sum --check --quiet || fail "$tarball is not the release"
}

# --- the world ---------------------------------------------------------------------------------------------------

people() {
    ssh-keygen -q -t ed25519 -N '' -C alice -f "$work/alice"
    ssh-keygen -q -t ed25519 -N '' -C bot -f "$work/bot"
    git config --global user.name 'Alice Example'
    git config --global user.email alice@example.com
    git config --global gpg.format ssh
    git config --global user.signingKey "$work/alice"
    git config --global init.defaultBranch main
}

commit() {
    git add --all --force .
    git commit -q -S -m "$1"
}

source_git() {
    mkdir "$work/source"
    tar -xf "$work/upstream/$tarball" -C "$work/source" --strip-components=1
    cd "$work/source"
    git init -q
    # As in upstream's git: nothing generated, and what `make dist` leaves out.
    find . -name Makefile.in -delete
    rm configure aclocal.m4 build-aux/ltmain.sh
    printf '*.o\n*.la\n' >.gitignore
    mkdir -p .github/workflows && echo 'on: push' >.github/workflows/ci.yml
    sed -i '1s/$/ (in development)/' NEWS
    commit 'Release 2.9.4'
    git tag -s -m 'udisks 2.9.4' udisks-2.9.4

    mkdir .distro
    cat >.distro/udisks2.spec <<'SPEC'
Name:           udisks2
Version:        2.9.3
Release:        7%{?dist}
Summary:        Disk manager
License:        GPL-2.0-or-later
URL:            https://github.com/storaged-project/udisks
Source0:        https://github.com/storaged-project/udisks/releases/download/udisks-%{version}/udisks-%{version}.tar.bz2

%description
A daemon, tools and libraries to access and manipulate disks.

%prep
%autosetup -p1 -n udisks-%{version}

%build
%configure
%make_build

%install
%make_install

%files

%changelog
* Mon Jan 04 2021 Alice Example <alice@example.com> - 2.9.3-7
- Earlier
SPEC
    commit 'Package for the distribution'
    echo '/* a fix */' >>src/udisksata.c
    commit 'ata: A fix at the end of the file'
    echo 'Fixed since the release' >>NEWS
    commit 'NEWS: Say what was fixed'
    git rm -q doc/man/udisks2.conf.5.xml.in.in
    chmod +x README.md
    mkdir data/new && echo new >data/new/file && ln -s file data/new/link
    commit 'Remove, make executable, add a link'
    git checkout -q -b side HEAD~2 && echo '/* side */' >>src/main.c && commit 'main: From the side'
    git checkout -q main && git merge -q -S --no-ff -m 'Merge side' side
}

dist_git() {
    git init -q --bare "$work/dist-git/udisks2.git"
    git clone -q "$work/dist-git/udisks2.git" "$work/checkout" 2>/dev/null
    cd "$work/checkout"
    cat >source-git.yaml <<CONFIG
version: 1
source: {repository: "file://$work/source", branch: main}
signing: {keys: [{ssh: "$(cat "$work/alice.pub")"}]}
population:
  mechanism: upstream-tarball
$1
packaging: [.distro]
CONFIG
    commit 'Opt in'
    git push -q origin HEAD:f44
    cd "$work"
}

# --- the story ---------------------------------------------------------------------------------------------------

run() {
    local verb=$1
    shift
    "$program" "$verb" --dist-git "$work/dist-git/udisks2.git" --branch f44 --dist .fc44 \
        --key "$work/bot" --cache "$work/cache" --upstream "$work/upstream" --format json "$@"
}

sync() {
    mkdir -p "$work/lookaside"
    run sync --bot-name Bot --bot-mail bot@example.com --lookaside "$work/lookaside" "$@"
}

# expect JSON PYTHON: the report, as `r`, must make the expression true.
expect() {
    python3 -c 'import json, sys; r = json.loads(sys.argv[1]); assert eval(sys.argv[2]), r' "$1" "$2" ||
        fail "not so: $2"
}

story() {
    local report code=0
    dist_git ''
    report=$(sync) || code=$?
    [ $code = 3 ] || fail "an unpinned tarball must be refused, the exit code is $code: $report"
    expect "$report" 'r["reason"]["code"] == "upstream-unpinned"'

    report=$(run preview --output "$work/preview" --prove rpm) || fail "preview: $report"
    expect "$report" 'r["outcome"] == "previewed" and r["evr"].endswith("2.9.4-6")'
    expect "$report" 'r["identity"]["method"] == "rpm" and r["identity"]["holds"]'
    expect "$report" 'r["identity"]["at_tag"]["only_in_archive"] > 10'
    expect "$report" 'set(r["identity"]["differs_at_tag"]) >= {"NEWS", "configure", ".gitignore"}'
    expect "$report" 'len(r["patches"]) == 4 and any("sync" in w for w in r["warnings"])'

    cd "$work/checkout"
    sed -i "s/^packaging/  upstream: {sha512: $sha512}\n&/" source-git.yaml
    commit 'Pin the release' && git push -q origin HEAD:f44
    report=$(sync --prove rpm) || fail "sync: $report"
    expect "$report" 'r["outcome"] == "landed" and r["archives"][0]["name"] == "'$tarball'"'
    expect "$report" 'r["archives"][0]["sha512"] == "'$sha512'"'
    report=$(sync) || fail "sync again: $report"
    expect "$report" 'r["outcome"] == "up-to-date"'

    # Without the folder: what `sources` lists comes from the lookaside cache, and pins it.
    mv "$work/upstream/$tarball" "$work/put-aside"
    cd "$work/source" && echo '/* more */' >>src/udisksata.c && commit 'ata: More'
    report=$(sync) || fail "sync from the lookaside cache: $report"
    expect "$report" 'r["outcome"] == "landed" and len(r["patches"]) == 5'
    expect "$report" 'any("sources" in pin for pin in r["identity"]["pinned_by"])'

    # A Source0 that does not follow the version would publish the old release under the new number.
    mv "$work/put-aside" "$work/upstream/$tarball"
    sed -i '/^Source0/s/%{version}/2.9.4/g' .distro/udisks2.spec && commit 'Forget the version'
    git tag -s -m 'udisks 2.9.5' udisks-2.9.5
    code=0
    report=$(sync) || code=$?
    [ $code = 3 ] || fail "the old tarball for a new tag must be refused, the exit code is $code: $report"
    expect "$report" 'r["reason"]["code"] == "upstream-not-new"'
    echo "tests/real-upstream.sh: $tarball with five patches: previewed, proved by rpm, landed, landed again"
}

fetch
people
source_git
story
