//! Index: which dist-git branches are opted in, and which source branch each of them tracks.
//!
//! 1. `packages` lists the packages of a dist-git: a folder, a list, a file of names, or a namespace of a forge.
//! 2. [`Lookout::refresh`] looks at each package's branches, and reads `source-git.yaml` only where a tip moved since
//!    the last look; [`Lookout::refresh_package`] does it for one, after an event of dist-git.
//! 3. The database keeps what was found; a source is kept by its [`RepositoryKey`], so that all spellings of an
//!    address find it.
//! 4. [`find()`] says what a notice is about: source branches that are tracked, or a package of a dist-git.
//! 5. [`Lookout::reconcile`] looks at every tracked source, since forges lose events, and says which moved and
//!    which hook seems dead.
//!
//! Hosts are asked politely: `polite` bounds how many questions one gets at once and in a second, and gives up on one
//! that does not answer.

mod find;
mod key;
mod packages;
mod polite;
mod reconcile;
mod refresh;

use std::path::Path;

pub use find::{Found, find};
pub use key::{Hosts, RepositoryKey};
pub use packages::packages;
pub use reconcile::{DeadHook, MovedSource, Reconciled};
pub use refresh::{PackageChanges, Refreshed};

use crate::database::Database;
use crate::git::{Store, Transport};
use crate::operator::Operator;
use crate::outcome::{Problem, Result};

/// Where the index looks from.
pub struct Lookout<'a> {
    operator: &'a Operator,
    database: &'a Database,
    transport: &'a Transport,
    hosts: Hosts,
    /// An empty repository, for git to stand in, and folders for what is fetched.
    work: tempfile::TempDir,
}

impl<'a> Lookout<'a> {
    /// Prepares one; `work` is a folder for what is fetched and thrown away.
    ///
    /// # Errors
    /// Fails where the folder cannot be written.
    pub fn new(
        operator: &'a Operator,
        database: &'a Database,
        transport: &'a Transport,
        work: &Path,
    ) -> Result<Lookout<'a>> {
        let made = tempfile::Builder::new().prefix("index-").tempdir_in(work);
        let work = made.map_err(|error| {
            let words = format!("cannot make a folder in {}", work.display());
            Problem::temporary("work-not-writable", words).because(error)
        })?;
        Store::init_bare(&work.path().join("empty.git"))?;
        Ok(Lookout { operator, database, transport, hosts: Hosts::new(&operator.hosts), work })
    }

    /// Returns the repository that git stands in when it asks another one.
    fn standing(&self) -> std::path::PathBuf {
        self.work.path().join("empty.git")
    }
}
