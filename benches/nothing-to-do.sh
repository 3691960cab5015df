#!/bin/sh
# Times whole `lockkeeper sync` processes that find nothing to do, on histories of several lengths.
#
#   benches/nothing-to-do.sh
#
# Needs a release build: cargo build --release
# Prints a table: median CPU (user and system, children included) and wall milliseconds of ROUNDS (15) interleaved
# rounds, as ratios of the first line too. Every project is published once before (fixtures/grown-branch.sh makes
# it); "cold" is the run that finds its caches of mirrors and walks gone, and has to fetch and walk it all.
# The last lines are programs that do a part of the same work: two `git fetch` that find nothing new are what any
# tool needs that asks two repositories by git. The source is read as a mirror (an address), where it says "path"
# in place, hashing what it reads.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
program=${LOCKKEEPER:-$here/target/release/lockkeeper}
[ -x "$program" ] || { echo "$program is missing: cargo build --release" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME="$work"

# project NAME COMMITS TAGS DIST_GIT_COMMITS
project() {
    "$here/fixtures/grown-branch.sh" "$work/$1" "$2" "$3" "$4" >/dev/null 2>&1
}

project base 300 0 20
project tagged 300 500 20
project long 1000 0 20
project longer 5000 0 20
project longer-tagged 5000 500 20
project old-branch 300 0 2000
SOURCE_ADDRESS="$work/base-path/source.git" project base-path 300 0 20
SOURCE_ADDRESS="$work/longer-path/source.git" project longer-path 5000 500 20

python3 - "$program" "${ROUNDS:-15}" "$work" <<'PY'
import os, resource, shutil, statistics, subprocess, sys, time

program, rounds, work = sys.argv[1:]
silent = dict(stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

def sync(name):
    folder = f"{work}/{name}"
    return [program, "sync", "--dist-git", f"file://{folder}/dist-git/hello.git", "--branch", "f44", "--dist", ".fc44",
            "--key", f"{folder}/bot.key", "--lookaside", f"{folder}/lookaside", "--cache", f"{folder}/cache"]

def run(command, answer=None):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or (answer and answer not in done.stdout):
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall

def fetches(name):
    bare = f"{work}/{name}/fetched.git"
    subprocess.run(["git", "init", "-q", "--bare", bare], check=True)
    each = [f"git -C {bare} fetch --quiet --no-tags --prune file://{work}/{name}/{what} '{refs}'" for what, refs in
            [("dist-git/hello.git", "+refs/heads/*:refs/heads/*"), ("source.git", "+refs/tags/*:refs/tags/*")]]
    command = ["sh", "-c", " && ".join(each)]
    run(command)
    return command

projects = [
    ("base", "300 commits since the only tag"),
    ("tagged", "300 commits, 500 tags"),
    ("long", "1,000 commits since the only tag"),
    ("longer", "5,000 commits since the only tag"),
    ("longer-tagged", "5,000 commits, 500 tags"),
    ("old-branch", "300 commits, 2,000 commits in dist-git"),
    ("base-path", "300 commits, source by path"),
    ("longer-path", "5,000 commits, 500 tags, source by path"),
]
for name, _ in projects:
    run(sync(name), "landed")

def cold(name):
    return lambda: shutil.rmtree(f"{work}/{name}/cache")

nothing = "up to date"
ways = [(words, sync(name), None, nothing) for name, words in projects]
ways += [(words + ", cold", sync(name), cold(name), nothing) for name, words in projects if name == "longer-tagged"]
ways += [
    ("two git fetch of the first line", fetches("base"), None, None),
    ("two git fetch, 5,000 commits, 500 tags", fetches("longer-tagged"), None, None),
    ("lockkeeper --version", [program, "--version"], None, None),
]
seen = {words: [] for words, *_ in ways}
for round_number in range(int(rounds) + 1):
    for words, command, prepare, answer in ways:
        if prepare:
            prepare()
        measured = run(command, answer)
        if prepare:
            run(command, answer)
        if round_number:
            seen[words].append(measured)
print(f"{'':44}{'CPU ms':>9}{'wall ms':>9}{'CPU ratio':>11}")
base = statistics.median(cpu for cpu, _ in seen[ways[0][0]])
for words, *_ in ways:
    cpu = statistics.median(cpu for cpu, _ in seen[words])
    wall = statistics.median(wall for _, wall in seen[words])
    print(f"{words:44}{cpu * 1000:9.1f}{wall * 1000:9.1f}{cpu / base:10.2f}x")
PY
