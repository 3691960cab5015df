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
    lockkeeper sync --dist-git dist-git/hello.git --branch f44 --key bot.key --lookaside lookaside --format json";

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

/// Below `config --help`.
pub const CONFIG: &str = "\
Examples:
  Check a branch config before it is committed to dist-git:
    lockkeeper config check source-git.yaml
  Let an editor know the keys:
    lockkeeper config schema";
