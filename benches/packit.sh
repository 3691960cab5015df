#!/bin/bash
# Compares the processor time of `packit source-git update-dist-git` with that of `lockkeeper populate` on one
# repository: N commits on top of a release, then one more.
#
#   benches/packit.sh [N...]                  default: 100; 500 takes packit about two minutes for each of two steps
#
# Then lockkeeper alone, where packit would take hours: 5,000 commits, and the most memory it takes.
#
# Needs: the distribution's python3-rpm and python3-venv, patch, rpm, rsync, awk; what pip builds packit's Kerberos
# parts with (Debian: gcc, python3-dev, libkrb5-dev; Fedora: gcc, python3-devel, krb5-devel); and a release build:
#   cargo build --release
# PACKIT names a packit that is installed already. Without it packitos comes from PyPI into a folder that goes away
# with the run. Only programs are timed, not the set-up; nothing is sent anywhere.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
program=${LOCKKEEPER:-$here/target/release/lockkeeper}
[ -x "$program" ] || { echo "$program is missing: cargo build --release" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home" "$work/bin" "$work/lookaside"
export HOME=$work/home GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$work/home/.gitconfig LC_ALL=C.UTF-8
for who in AUTHOR COMMITTER; do
    export "GIT_${who}_DATE=1704067200 +0000"
done
git config --global user.name Bench
git config --global user.email bench@example.com
git config --global init.defaultBranch main

packit() {
    if [ -z "${PACKIT:-}" ]; then
        /usr/bin/python3 -m venv --system-site-packages "$work/venv"
        "$work/venv/bin/pip" install --quiet packitos==1.17.0
        PACKIT=$work/venv/bin/packit
    fi
    "$PACKIT" "$@"
}

# A folder with: source/ (the release v1.0.0 on main, N commits after it on `work`), dist-git/, upstream/.
world() {
    local folder=$work/$1 commits=$1
    mkdir -p "$folder/upstream"
    "$here/fixtures/patch-history.sh" "$folder/history" "$commits"
    git -C "$folder/history" archive --format=tar.gz --prefix=demo-1.0.0/ v1.0.0 >"$folder/upstream/demo-1.0.0.tar.gz"
    git clone -q --branch work "$folder/history" "$folder/source"
    git -C "$folder/source" config user.name Bench
    dist_git "$folder"
}

spec() {
    cat <<'SPEC'
Name: demo
Version: 1.0.0
Release: 1%{?dist}
Summary: Demo
License: MIT
URL: https://example.invalid/demo
Source0: https://example.invalid/demo-%{version}.tar.gz
BuildArch: noarch

%description
Demo.

%prep
%autosetup -p1

%build

%install

%files

%changelog
* Mon Jan 01 2024 Bench <bench@example.com> - 1.0.0-1
- Initial
SPEC
}

dist_git() {
    git init -q -b rawhide "$1/dist-git"
    cd "$1/dist-git"
    spec >demo.spec
    echo "SHA512 (demo-1.0.0.tar.gz) = $(sha512sum "$1/upstream/demo-1.0.0.tar.gz" | cut -d' ' -f1)" >sources
    echo /demo-1.0.0.tar.gz >.gitignore
    git add -A
    git commit -q -m 'Import demo 1.0.0'
    cd "$work"
}

# What packit's own `init` leaves in source-git, below the commits that are to become patches: packit takes what
# is above its own mark for new.
distro_folder() {
    git -C "$1" checkout -q --detach v1.0.0
    mkdir "$1/.distro"
    spec >"$1/.distro/demo.spec"
    echo '!*' >"$1/.distro/.gitignore"
    cat >"$1/.distro/source-git.yaml" <<'CONFIG'
upstream_project_url: https://example.invalid/demo.git
upstream_ref: v1.0.0
downstream_package_name: demo
specfile_path: .distro/demo.spec
patch_generation_ignore_paths: [.distro]
sync_changelog: true
files_to_sync:
  - src: .distro/
    dest: .
    delete: true
    filters: [protect .git*, protect sources, exclude source-git.yaml, exclude .gitignore]
CONFIG
    git -C "$1" add --force .distro
    git -C "$1" commit -q -m "Add the packaging

From-dist-git-commit: $(git -C "$2" rev-parse HEAD)"
    git -C "$1" rebase -q --onto HEAD v1.0.0 work
}

# The same without packit's mark: the packaging is the newest commit.
lone_world() {
    world "$1"
    mkdir "$work/$1/source/.distro"
    spec >"$work/$1/source/.distro/demo.spec"
    git -C "$work/$1/source" add .distro
    git -C "$work/$1/source" commit -q -m 'Add the packaging'
}

config() {
    cat >"$work/source-git.yaml" <<'CONFIG'
version: 1
source: {repository: "file:///nowhere", branch: work}
signing: {keys: [{openpgp: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}
population: {mechanism: upstream-tarball}
packaging: [.distro]
CONFIG
}

one_more() {
    echo "one more" >>"$1/source/part00/file000.c"
    git -C "$1/source" commit -q -a -m 'one more fix'
}

# timed LABEL COMMAND...: runs once, prints wall seconds, CPU seconds of it and its children, and peak MiB.
timed() {
    python3 - "$@" <<'PY'
import resource, subprocess, sys, time
label, *command = sys.argv[1:]
start = time.perf_counter()
done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
wall = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
if done.returncode:
    sys.exit(f"{label}: exit code {done.returncode}\n{done.stdout.decode(errors='replace')[-3000:]}")
print(f"{label:58}{wall:10.2f}{used.ru_utime + used.ru_stime:10.2f}{used.ru_maxrss / 1024:10.0f}", flush=True)
PY
}

ours() {
    rm -rf "$work/output"
    timed "$1" "$program" populate --source "$2/source" --rev work --config "$work/source-git.yaml" \
        --dist-git "$2/dist-git" --branch rawhide --package demo --dist .fc44 --cache "$work/cache" \
        --upstream "$2/upstream" --output "$work/output"
}

theirs() {
    timed "$1" "$PACKIT" source-git update-dist-git -m 'Update from source-git' "$2/source" "$2/packit"
}

compare() {
    local folder=$work/$1
    world "$1"
    distro_folder "$folder/source" "$folder/dist-git"
    git clone -q "$folder/dist-git" "$folder/packit"
    ours "lockkeeper populate, $1 commits" "$folder"
    theirs "packit update-dist-git, $1 commits, all new" "$folder"
    one_more "$folder"
    ours "lockkeeper populate, $1 commits and one more" "$folder"
    theirs "packit update-dist-git, $1 commits and one new" "$folder"
    theirs "packit update-dist-git, nothing new" "$folder"
}

packit --version >/dev/null
PACKIT=$(command -v "${PACKIT:-$work/venv/bin/packit}")
config
printf '%-58s%10s%10s%10s\n' '' 'wall s' 'CPU s' 'peak MiB'
for commits in "${@:-100}"; do
    compare "$commits"
done
for commits in 500 5000; do
    [ -d "$work/$commits" ] || lone_world "$commits"
    ours "lockkeeper populate, $commits commits (linear?)" "$work/$commits"
done
