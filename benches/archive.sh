#!/bin/bash
# Measures `populate::archive` against `git archive | gzip -n`, in interleaved rounds on the same trees.
#
#   benches/archive.sh [--rounds N] [--workers N] NAME=REPOSITORY...
#
# REPOSITORY is a git directory; its HEAD is archived. The figures in docs/performance.md come from
#   git clone --bare https://github.com/cockpit-project/cockpit small.git
#   git clone --bare https://github.com/git/git middle.git
#   benches/linux-tree.sh linux-source-6.1_*_all.deb large.git
#   benches/archive.sh small=small.git middle=middle.git large=large.git
# Prints, for each tree, medians of wall and CPU time (user and system of all processes), sizes, peak
# memory (without the mapped packs), and the ratios to git. `prove` is the proof of identity alone, by the clock. Every round
# checks that the tar inside is git's, byte for byte.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=5 workers=2
while [[ ${1-} == --* ]]; do
    case $1 in
        --rounds) rounds=$2 ;;
        --workers) workers=$2 ;;
        *) echo "unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
if [[ $# -eq 0 ]]; then
    sed -n '2,16s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi

export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null LC_ALL=C
program=$(cargo bench --bench archive --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"name":"archive".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
[[ -x $program ]] || { echo "the bench program did not build: cargo bench --bench archive --no-run" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# timed FILE COMMAND...: appends "wall cpu" in seconds to FILE.
timed() {
    local file=$1 TIMEFORMAT='%R %U %S'
    shift
    { time "$@" 2>"$scratch/errors"; } 2>"$scratch/time" || { cat "$scratch/errors" >&2; exit 1; }
    awk '{print $1, $2 + $3}' "$scratch/time" >>"$file"
}
with_git() { git --git-dir="$1" archive --format=tar --prefix=bench-1/ HEAD | gzip -n >"$scratch/git.tar.gz"; }
with_us() { "$program" "$@" "$scratch/us.tar.gz" "$workers" >"$scratch/report"; }
median() { sort -n | awk '{v[NR] = $1} END {print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}'; }
column() { awk -v c="$2" '{print $c}' "$1" | median; }
report() { sed -n "s/^$1 //p" "$scratch/report"; }

printf '%-8s %-8s %8s %8s %7s %7s %12s %7s %8s\n' tree way wall/s cpu/s wall cpu size size 'peak/MiB'
for tree in "$@"; do
    name=${tree%%=*} repository=$(realpath "${tree#*=}")
    rm -f "$scratch"/*.times
    with_git "$repository"
    for ((round = 0; round < rounds; round++)); do
        timed "$scratch/git.times" with_git "$repository"
        timed "$scratch/fetched.times" with_us write "$repository" fetched
        fetched_peak=$(report peak)
        timed "$scratch/in-place.times" with_us write "$repository" in-place
        in_place_peak=$(report peak)
        with_us prove "$repository" fetched
        echo "$(report prove) nan" >>"$scratch/prove.times"
        cmp <(gzip -dc "$scratch/git.tar.gz") <(gzip -dc "$scratch/us.tar.gz")
    done
    git_wall=$(column "$scratch/git.times" 1) git_cpu=$(column "$scratch/git.times" 2)
    git_size=$(stat -c %s "$scratch/git.tar.gz")
    row() {
        local way=$1 size=$2 peak=$3
        awk -v t="$name" -v w="$way" -v wall="$(column "$scratch/$way.times" 1)" \
            -v cpu="$(column "$scratch/$way.times" 2)" -v gw="$git_wall" -v gc="$git_cpu" -v s="$size" \
            -v gs="$git_size" -v p="$peak" 'BEGIN {
            printf "%-8s %-8s %8.3f %8.3f %7.3f %7.3f %12d %7.4f %8s\n", t, w, wall, cpu, wall/gw, cpu/gc, s, s/gs, p}'
    }
    our_size=$(stat -c %s "$scratch/us.tar.gz")
    row git "$git_size" -
    row fetched "$our_size" "$fetched_peak"
    row in-place "$our_size" "$in_place_peak"
    row prove "$our_size" -
done
