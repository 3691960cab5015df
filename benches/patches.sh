#!/bin/sh
# Times the patches of a line of commits against `git format-patch` of the same range.
#
#   benches/patches.sh [GIT_REPOSITORY [COMMITS]]
#
# Always: generated histories of 500 and 5,000 commits (fixtures/patch-history.sh). With the path of a
# repository, also its newest COMMITS (1000) that are no merges, as format-patch picks them. Needs a release build of the example:
#   cargo build --release --example patch_series
# Prints a table: median wall and CPU seconds of ROUNDS (9) interleaved rounds, whole processes, output
# thrown away. git runs with what patches are made of here (--no-renames --full-index --binary), once as
# format-patch does it by itself and once without the diffstat, which our patches have not.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
program=${PATCH_SERIES:-$here/target/release/examples/patch_series}
rounds=${ROUNDS:-9}
[ -x "$program" ] || { echo "$program is missing: cargo build --release --example patch_series" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null

# time_all LABEL REPOSITORY APPLY RANGE...
time_all() {
    python3 - "$program" "$rounds" "$work" "$@" <<'PY'
import os, resource, shutil, statistics, subprocess, sys, time

program, rounds, work, label, repository, apply, *ranges = sys.argv[1:]
git = ["git", "-C", repository]
ids = subprocess.run(git + ["rev-list", "--no-merges", "--reverse"] + ranges,
                     capture_output=True, text=True, check=True).stdout.split()
all_ids, but_one = os.path.join(work, "all"), os.path.join(work, "but-one")
open(all_ids, "w").write("\n".join(ids))
open(but_one, "w").write("\n".join(ids[:-1]))
plain = ["--stdout", "--full-index", "--binary", "--no-renames"]
cold = os.path.join(work, "cold")
warm = os.path.join(work, "warm")
one_new = os.path.join(work, "one-new")
ours = [program, repository, all_ids]
silent = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)

def without_newest():
    fresh(one_new)
    subprocess.run([program, repository, but_one, "--cache", one_new], **silent)

fresh(warm)
subprocess.run(ours + ["--cache", warm], **silent)
ways = [
    ("git format-patch --stdout", git + ["format-patch", "--stdout"] + ranges, None),
    ("git format-patch, full index, binary, no renames", git + ["format-patch"] + plain + ranges, None),
    ("the same without diffstat", git + ["format-patch", "--no-stat"] + plain + ranges, None),
    ("ours, 1 worker", ours + ["--workers", "1"], None),
    ("ours, 2 workers", ours, None),
    ("ours, 2 workers, filling the cache", ours + ["--cache", cold], lambda: fresh(cold)),
    ("ours, cached but for one commit", ours + ["--cache", one_new], without_newest),
    ("ours, all cached", ours + ["--cache", warm], None),
]
seen = {name: [] for name, _, _ in ways}
for round_number in range(int(rounds) + 1):
    for name, command, prepare in ways:
        if prepare:
            prepare()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run(command, **silent)
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if round_number:
            seen[name].append((wall, cpu))
said = subprocess.run(ours + ["--repeat"] + ["--apply"] * (apply == "apply"), stdout=subprocess.DEVNULL,
                      stderr=subprocess.PIPE, text=True, check=True).stderr
print(f"\n{label}: {len(ids)} commits")
print(f"{'':52}{'wall s':>9}{'CPU s':>9}{'of git':>9}")
git_wall = None
for name, _, _ in ways:
    wall = statistics.median(wall for wall, _ in seen[name])
    cpu = statistics.median(cpu for _, cpu in seen[name])
    git_wall = git_wall or wall
    print(f"{name:52}{wall:9.3f}{cpu:9.3f}{wall / git_wall:8.2f}x")
print("".join("  " + line + "\n" for line in said.splitlines()), end="")
PY
}

for commits in 500 5000; do
    "$here/fixtures/patch-history.sh" "$work/$commits" "$commits"
    time_all "generated history" "$work/$commits" apply v1.0.0..work
done
if [ $# -gt 0 ]; then
    time_all "$1" "$1" write "--max-count=${2:-1000}" HEAD
fi
