-- What a service remembers: deliveries, jobs, runs, the outbox, the index of branches, and what people set.
-- Times are milliseconds since 1970. Whatever is lost here, dist-git still knows what was published.

-- What forges delivered. The body goes after some days, the row later: it is how a duplicate is known.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    hook TEXT NOT NULL,
    delivery TEXT NOT NULL,
    kind TEXT NOT NULL,
    event TEXT NOT NULL,
    body BLOB,
    received_at INTEGER NOT NULL,
    routed_at INTEGER,
    note TEXT,
    UNIQUE (hook, delivery)
);
CREATE INDEX deliveries_unrouted ON deliveries (id) WHERE routed_at IS NULL;
-- What can be forgotten; a delivery comes into these after it was answered.
CREATE INDEX deliveries_with_body ON deliveries (received_at) WHERE routed_at IS NOT NULL AND body IS NOT NULL;
CREATE INDEX deliveries_without_body ON deliveries (received_at) WHERE routed_at IS NOT NULL AND body IS NULL;
CREATE INDEX deliveries_by_hook ON deliveries (hook, id);

-- Work that waits or runs; what has ended is in `runs`.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    instance TEXT NOT NULL,
    package TEXT NOT NULL,
    branch TEXT NOT NULL,
    -- delayed until due_at, ready to begin, or running
    state TEXT NOT NULL CHECK (state IN ('delayed', 'ready', 'running')),
    causes TEXT NOT NULL,
    absorbed INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    requested_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- when it was asked for, or is to be tried again; due_at is later where something holds it back
    not_before INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    held TEXT,
    -- the number of the package's last claim: the least lately served package goes first
    served INTEGER NOT NULL,
    run INTEGER,
    node TEXT,
    lease_until INTEGER
);
CREATE UNIQUE INDEX jobs_one_waiting ON jobs (instance, package, branch) WHERE state <> 'running';
CREATE UNIQUE INDEX jobs_one_running ON jobs (instance, package, branch) WHERE state = 'running';
CREATE INDEX jobs_ready ON jobs (served, id) WHERE state = 'ready';
CREATE INDEX jobs_delayed ON jobs (due_at) WHERE state = 'delayed';
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_held ON jobs (id) WHERE held IS NOT NULL;

-- When a package was last served, as the number of the run.
CREATE TABLE served (
    instance TEXT NOT NULL,
    package TEXT NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (instance, package)
);

-- Every claim, and what came of it. Its number is the fence: a later claim has a higher one, for ever.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL,
    instance TEXT NOT NULL,
    package TEXT NOT NULL,
    branch TEXT NOT NULL,
    node TEXT NOT NULL,
    causes TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    outcome TEXT,
    code TEXT,
    next TEXT,
    source_commit TEXT,
    dist_git_commit TEXT,
    evr TEXT,
    report TEXT
);
CREATE INDEX runs_of_branch ON runs (instance, package, branch, id);
CREATE INDEX runs_of_job ON runs (job, id);
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;

-- How each branch stands: its last run that ended.
CREATE TABLE latest (
    instance TEXT NOT NULL,
    package TEXT NOT NULL,
    branch TEXT NOT NULL,
    run INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT,
    finished_at INTEGER NOT NULL,
    PRIMARY KEY (instance, package, branch)
);
CREATE INDEX latest_by_time ON latest (finished_at);
CREATE INDEX latest_by_outcome ON latest (outcome, code);

-- What was published, for metering.
CREATE TABLE publications (
    run INTEGER PRIMARY KEY,
    instance TEXT NOT NULL,
    package TEXT NOT NULL,
    branch TEXT NOT NULL,
    published_at INTEGER NOT NULL
);
CREATE INDEX publications_of_branch ON publications (instance, package, branch, published_at);
CREATE INDEX publications_of_package ON publications (instance, package, published_at);
CREATE INDEX publications_by_time ON publications (published_at);

-- What is to be told to forges and people. One row for each thing that has a state there; the last state wins.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    subject TEXT NOT NULL,
    context TEXT NOT NULL,
    -- the number of the run that says so: what an older run says later is not taken
    rank INTEGER NOT NULL,
    version INTEGER NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'given-up')),
    attempts INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    -- whoever sends it has it until then
    lent_until INTEGER,
    put_at INTEGER NOT NULL,
    sent_at INTEGER,
    failure TEXT,
    remote_id TEXT,
    UNIQUE (sink, subject, context)
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'waiting';
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE state <> 'waiting';

-- The index: every dist-git branch that was looked at, and what it tracks where it has opted in.
CREATE TABLE branches (
    instance TEXT NOT NULL,
    package TEXT NOT NULL,
    branch TEXT NOT NULL,
    tip TEXT NOT NULL,
    config TEXT,
    fault TEXT,
    source TEXT,
    source_branch TEXT,
    -- the source as the config writes it, which is what can be fetched from
    address TEXT,
    looked_at INTEGER NOT NULL,
    PRIMARY KEY (instance, package, branch)
);
CREATE INDEX branches_by_source ON branches (source, source_branch) WHERE source IS NOT NULL;

-- What is known of a source branch, however many dist-git branches track it.
CREATE TABLE sources (
    source TEXT NOT NULL,
    source_branch TEXT NOT NULL,
    tip TEXT,
    seen_at INTEGER,
    moved_at INTEGER,
    delivered_at INTEGER,
    PRIMARY KEY (source, source_branch)
);

-- Pauses and throttles.
CREATE TABLE switches (
    scope TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- The circuit breaker; one row.
CREATE TABLE breaker (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    value TEXT NOT NULL
);

-- What syncs lean on, and whether it answers.
CREATE TABLE dependencies (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    up INTEGER NOT NULL,
    since INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    why TEXT,
    PRIMARY KEY (kind, name)
);

-- The processes that share the work.
CREATE TABLE nodes (
    name TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
);
