//! The checks at the start: everything that is needed is opened, and everything that is wrong is said at once.
//!
//! What is not there and not needed keeps nobody from starting: neither a container engine nor a forge that is down.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;

use super::workshop::Workshop;
use super::{listen, mailroom};
use crate::database::Database;
use crate::forge::Account;
use crate::operator::Operator;
use crate::outbox::Addresses;
use crate::outcome::{Fault, Lasting, Problem, Result};

/// Everything that a service needs, open.
pub struct Prepared {
    /// What all workers share.
    pub workshop: Arc<Workshop>,
    /// The accounts at forges.
    pub accounts: Vec<Account>,
    /// Whom the courier can go to.
    pub addresses: Addresses,
    /// The database.
    pub database: Database,
    /// The sockets.
    pub listeners: Vec<TcpListener>,
    /// Held as long as the service runs.
    pub lock: File,
}

/// Opens everything.
///
/// # Errors
/// All faults, so that a person mends them in one go.
pub async fn prepare(operator: &Operator, agent: Option<&Path>) -> Result<Prepared, Vec<Fault>> {
    let mut faults = Vec::new();
    // Whatever lies below it would be one more fault for the same reason.
    let lock = data_folder(&operator.data).map_err(|fault| vec![fault])?;
    let workshop = keep(&mut faults, Workshop::open(operator, agent));
    let accounts = keep(&mut faults, mailroom::accounts(operator)).unwrap_or_default();
    let addresses = keep(&mut faults, mailroom::addresses(operator, &accounts));
    let database = open_database(operator).await.map_err(|fault| vec![fault]);
    let database = keep(&mut faults, database);
    let listeners = keep(&mut faults, listeners(&operator.listen).await);
    match (workshop, addresses, database, listeners) {
        (Some(workshop), Some(addresses), Some(database), Some(listeners)) if faults.is_empty() => {
            let workshop = Arc::new(workshop);
            Ok(Prepared { workshop, accounts, addresses, database, listeners, lock })
        }
        _ => Err(faults),
    }
}

fn keep<T>(faults: &mut Vec<Fault>, opened: Result<T, Vec<Fault>>) -> Option<T> {
    opened.map_err(|more| faults.extend(more)).ok()
}

/// Opens the database that the operator config names.
///
/// # Errors
/// As [`Database::open`].
pub async fn open_database(operator: &Operator) -> Result<Database> {
    Database::open(&operator.database).await
}

/// Makes the data folder, and keeps other processes of ours out of it.
fn data_folder(data: &Path) -> Result<File> {
    let unusable = |path: PathBuf, error: std::io::Error| {
        let words = format!("cannot write {}: {error}", path.display());
        Problem::permanent("data-not-writable", words)
            .hint("make the folder that `data` names writable for this user, or name another")
            .because(error)
    };
    std::fs::create_dir_all(data).map_err(|error| unusable(data.to_owned(), error))?;
    let path = data.join("serve.lock");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.map_err(|error| unusable(path.clone(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(unusable(path, error).into()),
        Err(TryLockError::WouldBlock) => {
            let words = format!("another `lockkeeper serve` works in {}", data.display());
            Err(Problem::temporary("data-in-use", words)
                .hint("stop it first; nodes that share a database have a data folder each")
                .into())
        }
    }
}

async fn listeners(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Vec<Fault>> {
    let (mut listeners, mut faults) = (Vec::new(), Vec::new());
    for address in addresses {
        match listen::bind(*address).await {
            Ok(listener) => listeners.push(listener),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(listeners) } else { Err(faults) }
}

/// Tells whether time may mend all of these.
pub fn is_temporary(faults: &[Fault]) -> bool {
    faults.iter().all(|fault| match fault {
        Fault::Failed(problem) => problem.lasting == Lasting::Temporary,
        Fault::Refused(_) => false,
    })
}
