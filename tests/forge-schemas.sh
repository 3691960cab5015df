#!/bin/bash
# The shapes of our requests against the schemas that GitHub and Forgejo publish: every request that `src/forge`
# makes goes to a server that knows the schema and refuses what does not fit it.
#
#   tests/forge-schemas.sh
#
# Needs node with npm, and the network once: what it fetches stays in target/schemas. Schemas come from their own
# packages (npm @octokit/openapi; the crate forgejo-api carries Forgejo's) and are cut to the paths that we use,
# which makes the server start in seconds. What a schema cannot know (transitions, limits, tokens) is told by the
# forges of tests/world/forges.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
kept=${CARGO_TARGET_DIR:-$here/target}/schemas
octokit=23.0.2
prism=5.16.0
forgejo_api=0.12.0

fail() {
    echo "tests/forge-schemas.sh: $*" >&2
    exit 1
}

for tool in node npm cargo curl; do
    command -v "$tool" >/dev/null || fail "$tool is missing (Debian: nodejs npm; Fedora: nodejs-npm)"
done
mkdir -p "$kept"
cd "$kept"

# --- the schemas, and the server that knows them -------------------------------------------------------------------
if [ ! -x "prism-$prism/node_modules/.bin/prism" ]; then
    npm install --silent --no-audit --no-fund --prefix "prism-$prism" "@stoplight/prism-cli@$prism"
fi
if [ ! -f "github-$octokit.json" ]; then
    archive=$(npm pack --silent "@octokit/openapi@$octokit")
    tar xzOf "$archive" package/generated/api.github.com.json >"github-$octokit.json.part"
    mv "github-$octokit.json.part" "github-$octokit.json"
    rm "$archive"
fi
if [ ! -f "forgejo-$forgejo_api.json" ]; then
    rm -rf carrier
    cargo init --quiet --vcs none --name carrier carrier
    (cd carrier && cargo add --quiet --no-default-features "forgejo-api@=$forgejo_api" && cargo fetch --quiet)
    home=${CARGO_HOME:-$HOME/.cargo}
    cp "$home"/registry/src/*/"forgejo-api-$forgejo_api"/swagger.v1.json "forgejo-$forgejo_api.json"
fi

# Cuts a schema to the paths that begin so, puts a prefix before them, and keeps what they refer to.
cat >cut.js <<'JS'
const fs = require("fs");
const [from, to, prefix, ...wanted] = process.argv.slice(2);
const all = JSON.parse(fs.readFileSync(from));
const used = Object.keys(all.paths).filter((path) => wanted.includes(path));
const missing = wanted.filter((path) => !used.includes(path));
if (missing.length) throw new Error("the schema has no " + missing.join(", "));
const cut = { ...all, paths: Object.fromEntries(used.map((path) => [prefix + path, all.paths[path]])) };
delete cut.basePath;
delete cut["x-webhooks"];
const sections = all.components ? all.components : all;
const names = all.components ? Object.keys(all.components) : ["definitions", "responses", "parameters"];
const keep = new Map(names.map((name) => [name, {}]));
const visit = (node) => {
    if (node === null || typeof node !== "object") return;
    // The server makes up answers; numbers in them are to be numbers that a forge gives.
    if (node.type === "integer" && !("example" in node)) node.example = 7;
    if (typeof node.$ref === "string") {
        const [section, name] = node.$ref.split("/").slice(-2);
        if (keep.has(section) && !(name in keep.get(section))) {
            keep.get(section)[name] = sections[section][name];
            visit(sections[section][name]);
        }
    }
    Object.values(node).forEach(visit);
};
visit(cut.paths);
if (all.components) cut.components = Object.fromEntries(keep);
else for (const [name, value] of keep) cut[name] = value;
fs.writeFileSync(to, JSON.stringify(cut));
JS

repository='/repos/{owner}/{repo}'
node cut.js "github-$octokit.json" github.json /api/v3 \
    /user /app '/app/installations/{installation_id}/access_tokens' "$repository/installation" \
    "$repository/statuses/{sha}" "$repository/check-runs" "$repository/check-runs/{check_run_id}" \
    "$repository/commits/{ref}/check-runs" "$repository/commits/{commit_sha}/pulls" \
    "$repository/commits/{commit_sha}/comments" "$repository/comments/{comment_id}" \
    "$repository/issues" "$repository/issues/{issue_number}" "$repository/issues/{issue_number}/comments" \
    "$repository/issues/comments/{comment_id}" "$repository/collaborators/{username}/permission"
node cut.js "forgejo-$forgejo_api.json" forgejo.json /api/v1 \
    /user "$repository/statuses/{sha}" "$repository/commits/{sha}/pull" \
    "$repository/issues" "$repository/issues/{index}" "$repository/issues/{index}/comments" \
    "$repository/issues/comments/{id}" "$repository/collaborators/{collaborator}/permission"

# --- the servers ---------------------------------------------------------------------------------------------------
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true' EXIT

free_port() {
    node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => {
        console.log(s.address().port); s.close(); })'
}

# Starts a server for a schema; $1: the schema, $2: its port.
serve() {
    local schema=$1 port=$2
    "prism-$prism/node_modules/.bin/prism" mock --host 127.0.0.1 --port "$port" "$schema" >"$schema.log" 2>&1 &
    servers+=($!)
    for _ in $(seq 600); do
        if curl --silent --output /dev/null "http://127.0.0.1:$port/"; then
            return
        fi
        kill -0 "${servers[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    cat "$schema.log" >&2
    fail "the server for $schema did not start"
}

github_port=$(free_port)
serve github.json "$github_port"
forgejo_port=$(free_port)
serve forgejo.json "$forgejo_port"

# A checker that takes everything would prove nothing.
commit=1111111111111111111111111111111111111111
for place in "$github_port/api/v3" "$forgejo_port/api/v1"; do
    status=$(curl --silent --output /dev/null --write-out '%{http_code}' -H 'authorization: token x' \
        --json '{"state": ["wonderful"], "context": 7}' "http://127.0.0.1:$place/repos/ada/hello/statuses/$commit")
    [[ "$status" =~ ^4(00|22)$ ]] || fail "a request that does not fit the schema was answered $status"
done

# --- our requests --------------------------------------------------------------------------------------------------
cd "$here"
export LOCKKEEPER_SCHEMA_GITHUB=http://127.0.0.1:$github_port LOCKKEEPER_SCHEMA_FORGEJO=http://127.0.0.1:$forgejo_port
cargo test --locked --test stories shapes -- --ignored
