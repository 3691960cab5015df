//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::outcome::Refusal;

/// Where the database is: a file of our own, or a PostgreSQL that several nodes share.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// A SQLite file; its folder must be on a disk of this machine, and be ours.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(PostgresAddress),
}

/// The address of a PostgreSQL server; prints itself without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    url: url::Url,
}

impl DatabaseAddress {
    /// Reads what the operator config says: `sqlite` is a file below the `data` folder, `postgres://…` a server.
    ///
    /// A password in the address is refused, since configs are copied about: it is given in a file, see
    /// [`DatabaseAddress::with_password`].
    ///
    /// # Errors
    /// Refuses what is neither (exit code 2).
    pub fn parse(text: &str, data: &Path) -> Result<DatabaseAddress, Refusal> {
        if text == "sqlite" {
            return Ok(DatabaseAddress::Sqlite(data.join("lockkeeper.sqlite")));
        }
        let url = url::Url::parse(text).ok();
        let url = url.filter(|url| ["postgres", "postgresql"].contains(&url.scheme()));
        let Some(url) = url else {
            return Err(refusal("the database is neither `sqlite` nor an address").hint(
                "write `sqlite` for a file below the data folder, or postgres://USER@HOST/DATABASE",
            ));
        };
        match url.password() {
            Some(_) => Err(refusal("the database's address holds its password")
                .hint("put the password into a file of its own, and name the file")),
            None => Ok(DatabaseAddress::Postgres(PostgresAddress { url })),
        }
    }

    /// Adds the password, which comes from a file; SQLite has none.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> DatabaseAddress {
        if let DatabaseAddress::Postgres(address) = &mut self {
            // Fails only for addresses that cannot have a host, which these schemes can.
            let _ = address.url.set_password(Some(password));
        }
        self
    }
}

impl PostgresAddress {
    /// Returns the address with its password, for the one who connects.
    pub(super) fn with_secret(&self) -> &str {
        self.url.as_str()
    }
}

fn refusal(message: &str) -> Refusal {
    Refusal::config("database-address-wrong", message)
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        let _ = shown.set_password(None);
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseAddress::Sqlite(path) => write!(f, "{}", path.display()),
            DatabaseAddress::Postgres(address) => fmt::Display::fmt(address, f),
        }
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_sqlite_or_a_postgresql_server() {
        let data = Path::new("/var/lib/lockkeeper");
        let parse = |text| DatabaseAddress::parse(text, data);
        let file = DatabaseAddress::Sqlite("/var/lib/lockkeeper/lockkeeper.sqlite".into());
        assert_eq!(parse("sqlite"), Ok(file));
        for good in ["postgres://lk@db.example/lk", "postgresql:///lk?host=/run/postgresql"] {
            assert!(matches!(parse(good), Ok(DatabaseAddress::Postgres(_))), "{good}");
        }
        for bad in ["", "mysql://a/b", "SQLite", "postgres", "postgres://lk:hunter2@db/lk"] {
            let refusal = parse(bad).unwrap_err();
            assert_eq!(refusal.code.0, "database-address-wrong", "{bad}");
            assert!(!format!("{refusal:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_password_is_given_to_the_server_and_to_nobody_else() {
        let address = DatabaseAddress::parse("postgres://lk@db/lk", Path::new("/")).unwrap();
        let address = address.with_password("hunter2");
        assert!(!format!("{address} {address:?}").contains("hunter2"));
        let DatabaseAddress::Postgres(address) = address else { panic!() };
        assert!(address.with_secret().contains("hunter2"));
    }
}
