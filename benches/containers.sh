#!/bin/bash
# What a container adds to a population: benches/containers.sh REPOSITORY REV NAME SPEC [rounds]
#
# REPOSITORY holds a spec at SPEC and a release tag in reach of REV. The same commit is populated by the mechanism
# `archive` in the program's own process, and by its image; beside them an empty container starts and ends. The engine is
# also asked what a command asks it once, and a service once in its life: what it can do, and what it holds. Warm: each
# way ran once before. PROGRAM is the lockkeeper to measure, and the one that the image was built around
# (containers/build --program PROGRAM archive).
set -euo pipefail
repository=$(realpath "$1") rev=$2 name=$3 spec=$4 rounds=${5:-5}
root=$(cd "$(dirname "$0")/.." && pwd)
program=$(realpath "${PROGRAM:-$root/target/release/lockkeeper}")
engine=${ENGINE:-podman}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

config() {
    printf 'version: 1\nsource: {repository: "file://%s", branch: main}\nsigning: {keys: [{openpgp: %s}]}\nspec: {path: %s}\npopulation: {%s}\n' \
        "$repository" "$(printf 'A%.0s' {1..40})" "$spec" "$1"
}
config 'mechanism: archive' >builtin.yaml
config 'container: localhost/lockkeeper/archive' >image.yaml

# A container that does nothing: the same image, asked for its version.
empty() {
    "$engine" run --rm --network=none --read-only --cap-drop=all --log-driver=none \
        --entrypoint /bin/lockkeeper localhost/lockkeeper/archive --version >/dev/null
}
asked() {
    "$engine" version --format json >/dev/null
    "$engine" ps --all --no-trunc >/dev/null
    "$engine" image inspect localhost/lockkeeper/archive >/dev/null
}
populate() {
    rm -rf out
    "$program" populate --source "$repository" --rev "$rev" --config "$1.yaml" --package "$name" --dist .fc44 \
        --cache cache --engine "$engine" --output out >/dev/null
}
measure() {
    local from=$EPOCHREALTIME
    "$@"
    local to=$EPOCHREALTIME
    echo $(((${to/./} - ${from/./}) / 1000))
}

for way in empty asked "populate builtin" "populate image"; do $way; done
for _ in $(seq "$rounds"); do
    echo "$(measure empty) $(measure asked) $(measure populate builtin) $(measure populate image)"
done | awk '
    { for (i = 1; i <= 4; i++) v[i, NR] = $i }
    function median(i,   j, k, t, a) {
        for (j = 1; j <= NR; j++) a[j] = v[i, j]
        for (j = 1; j <= NR; j++) for (k = j + 1; k <= NR; k++) if (a[k] < a[j]) { t = a[j]; a[j] = a[k]; a[k] = t }
        return a[int((NR + 1) / 2)]
    }
    END {
        e = median(1); a = median(2); b = median(3); c = median(4)
        printf "empty container %d ms, questions to the engine %d ms, built in %d ms, image %d ms\n", e, a, b, c
        printf "image over built in and start: %.2f; and questions: %.2f\n", c / (b + e), c / (b + e + a)
    }'
