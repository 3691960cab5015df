//! Examples that the help shows. Every line that begins with `lockkeeper ` is run by a test, in a folder where
//! `dist-git/hello.git`, `source/hello`, `lookaside/`, `bot.key` and `source-git.yaml` are.

/// Below the list of commands.
pub const OVERVIEW: &str = "\
Exit codes: 0 done, or nothing to do; 1 failed; 2 wrong usage or config; 3 refused, a person must act;
75 temporary, try again.

See it work:  lockkeeper demo";

/// Below `demo --help`.
pub const DEMO: &str = "\
Examples:
  A small project, two people's keys, a dist-git and a lookaside cache, all in a temporary folder:
    lockkeeper demo";

/// Below `sync --help`.
pub const SYNC: &str = "\
Examples:
  Publish the source branch that the dist-git branch f44 tracks:
    lockkeeper sync --dist-git dist-git/hello.git --branch f44 --key bot.key --lookaside lookaside
  The same, for a program:
    lockkeeper sync --dist-git dist-git/hello.git --branch f44 --key bot.key --lookaside lookaside --format json
  By an operator config, which says where the package, its lookaside cache and the bot's key are:
    $ lockkeeper sync hello f44 --config /etc/lockkeeper/lockkeeper.yaml
  With the key in another process, behind a socket (see `lockkeeper signer --help`):
    $ lockkeeper sync --dist-git dist-git/hello.git --branch f44 --signer signer.socket --lookaside lookaside";

/// Below `preview --help`.
pub const PREVIEW: &str = "\
Examples:
  See what would land, without a key, and without touching dist-git:
    lockkeeper preview --dist-git dist-git/hello.git --branch f44 --output preview";

/// Below `verify --help`.
pub const VERIFY: &str = "\
Examples:
  May the tip of the tracked branch go through today?
    lockkeeper verify --dist-git dist-git/hello.git --branch f44
  Would this commit pass under that config?
    lockkeeper verify --source source/hello --rev main --config source-git.yaml --keys keys";

/// Below `populate --help`.
pub const POPULATE: &str = "\
Examples:
  Make archive, patches and spec of a commit, without asking who signed it:
    lockkeeper populate --source source/hello --rev main --config source-git.yaml --package hello --dist .fc44 --output populated";

/// Below `replay --help`.
pub const REPLAY: &str = "\
Examples:
  Does this build still make what was published on f44?
    lockkeeper replay --dist-git dist-git/hello.git --branch f44 --key bot.key --dist .fc44
  What was published since a day, with the released tarballs that the lookaside keeps:
    lockkeeper replay --dist-git dist-git/hello.git --branch f44 --key bot.key --since 2024-01-01 --lookaside lookaside";

/// Below `config --help`.
pub const CONFIG: &str = "\
Examples:
  Check a branch config before it is committed to dist-git:
    lockkeeper config check source-git.yaml
  Check the config of a service, secrets and all, before it is restarted:
    $ lockkeeper config check /etc/lockkeeper/lockkeeper.yaml
  Let an editor know the keys:
    lockkeeper config schema
    lockkeeper config schema --operator";

/// Below `index --help`.
pub const INDEX: &str = "\
Examples:
  Look at every package of the operator config, and print what is tracked:
    $ lockkeeper index --config /etc/lockkeeper/lockkeeper.yaml
  What does the service know, without a look at anything?
    $ lockkeeper index --config /etc/lockkeeper/lockkeeper.yaml --known --format json";

/// Below `container --help`.
pub const CONTAINER: &str = "\
Examples:
  Does an image of your own keep the contract?
    $ lockkeeper container check localhost/populate-hello
  What will stand in the request that it reads?
    lockkeeper container schema request";

/// Below `key --help`.
pub const KEY: &str = "\
Examples:
  A key for the bot, and its public half for everybody:
    lockkeeper key generate --name Bot --mail bot@example.org --output new-bot.key --public new-bot.asc
  What is in this file, and until when is it good?
    lockkeeper key show bot.key
  Can it sign now?
    lockkeeper key check bot.key";

/// Below `keys --help`.
pub const KEYS: &str = "\
Examples:
  Who may sign the source of this branch today, and until when?
    lockkeeper keys --dist-git dist-git/hello.git --branch f44";

/// Below `signer --help`.
pub const SIGNER: &str = "\
Examples:
  Hold the key, asked by the user 981 only, and look at dist-git for each branch's tip:
    $ lockkeeper signer --socket /run/lockkeeper-signer/socket --socket-mode group --allow-uid 981 \\
        --key /etc/lockkeeper/bot.key --dist-git 'https://dist-git.example/rpms/{name}.git'";

/// Below `init-spec --help`.
pub const INIT_SPEC: &str = "\
Examples:
  Draft a spec for a project that has none:
    lockkeeper init-spec --source source/hello --name hello --output hello.spec";

/// Below `serve --help`.
pub const SERVE: &str = "\
Examples:
  Serve what the operator config names, until SIGTERM:
    $ lockkeeper serve --config /etc/lockkeeper/lockkeeper.yaml
  Try a config on another port:
    $ lockkeeper serve --config lockkeeper.yaml --listen 127.0.0.1:9999";

/// Below `status --help`.
pub const STATUS: &str = "\
Examples:
  What is held back, what waits, what does not answer?
    $ lockkeeper status --config /etc/lockkeeper/lockkeeper.yaml";

/// Below `jobs --help`.
pub const JOBS: &str = "\
Examples (with LOCKKEEPER_CONFIG set):
  What waits and runs?
    $ lockkeeper jobs list
  What came of a branch lately, and why?
    $ lockkeeper jobs show hello f44
  Try it again now:
    $ lockkeeper jobs retry hello f44";

/// Below `pause --help`.
pub const PAUSE: &str = "\
Examples (with LOCKKEEPER_CONFIG set):
  Publish nothing during a mass rebuild:
    $ lockkeeper pause --all --reason 'mass rebuild until Monday'
  Hold one branch back:
    $ lockkeeper pause hello f44 --reason 'the maintainer asked'";

/// Below `resume --help`.
pub const RESUME: &str = "\
Examples (with LOCKKEEPER_CONFIG set):
  Let everything go on; what holds a single package stays:
    $ lockkeeper resume --all
  The same, after the cause of an open circuit breaker was mended:
    $ lockkeeper resume --all --breaker";

/// Below `throttle --help`.
pub const THROTTLE: &str = "\
Examples (with LOCKKEEPER_CONFIG set):
  At most 20 publications in an hour, all packages together:
    $ lockkeeper throttle --all --at-most 20/h --reason 'the builders are slow'";
