#!/bin/bash
# Puts Debian's Linux source into a git repository of one commit, for benches/archive.sh.
#
#   apt-get download linux-source-6.1
#   benches/linux-tree.sh linux-source-6.1_*_all.deb DIRECTORY
#
# Needs dpkg-deb, xz, git, and 4 GB of disk while it runs (400 MB are left).
set -euo pipefail

package=$(realpath "$1")
repository=$2
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=Bench GIT_AUTHOR_EMAIL=bench@example.org GIT_AUTHOR_DATE='1700000000 +0000'
export GIT_COMMITTER_NAME=Bench GIT_COMMITTER_EMAIL=bench@example.org GIT_COMMITTER_DATE='1700000000 +0000'

unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
dpkg-deb --fsys-tarfile "$package" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
    xz -dc | tar -x -C "$unpacked" --strip-components=1

git init --quiet --bare "$repository"
export GIT_DIR=$repository GIT_WORK_TREE=$unpacked
git add --all --force .
git commit --quiet --message 'Linux, as Debian ships its source'
git repack -adq
git rev-parse HEAD
