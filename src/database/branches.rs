//! The index of branches: what every dist-git branch tracks, as it was at the tip that was looked at.
//!
//! A branch without a config has a row as well: as long as its tip is the same, nobody needs to look again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::Database;
use super::jobs::key;
use super::runs::RunId;
use super::session::{Row, Session, Value, values};
use super::trouble::Answer;
use crate::names::{BranchName, InstanceName, ObjectId, PackageName};
use crate::queue::JobKey;

/// What a dist-git branch was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BranchEntry {
    /// The branch.
    pub key: JobKey,
    /// Its tip, as it was looked at.
    pub tip: ObjectId,
    /// What it tracks.
    pub tracking: Tracking,
}

/// What a dist-git branch tracks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tracking {
    /// It has no config, or is retired.
    Nothing,
    /// It has a config that cannot be used.
    Faulty {
        /// What is wrong with it, in words.
        why: String,
    },
    /// It has opted in.
    Source {
        /// The source repository, normalised: what is compared.
        source: String,
        /// Its address as the config has it: what is fetched from.
        address: String,
        /// The branch in it.
        branch: BranchName,
        /// A digest of the config: another one means that it was changed.
        config: String,
    },
}

/// A branch of the index, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BranchRecord {
    /// What it was found to be.
    pub entry: BranchEntry,
    /// When it was looked at.
    pub looked_at: Timestamp,
    /// Its last run that ended, where there is one.
    pub standing: Option<BranchStanding>,
}

/// A branch's last run that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BranchStanding {
    /// The run.
    pub run: RunId,
    /// What came of it.
    pub outcome: String,
    /// The code of its reason.
    pub code: Option<String>,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// Which branches to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BranchFilter {
    /// Only this dist-git's.
    pub instance: Option<InstanceName>,
    /// Only packages whose name begins so.
    pub package_prefix: Option<String>,
    /// Only this branch of each package.
    pub branch: Option<BranchName>,
    /// Only those whose last run ended so.
    pub outcome: Option<String>,
    /// Only those that have opted in, or have a faulty config.
    pub opted_in: bool,
}

const COLUMNS: &str = "branches.instance, branches.package, branches.branch, tip, config, fault, source, source_branch, \
     address, looked_at, latest.run, latest.outcome, latest.code, latest.finished_at";
const TABLES: &str = "branches LEFT JOIN latest ON latest.instance = branches.instance \
     AND latest.package = branches.package AND latest.branch = branches.branch";

impl Database {
    /// Puts what was found into the index, in transactions of a few hundred, so that nobody waits long behind it.
    ///
    /// # Errors
    /// As for every change to the database; what came before the failure is in.
    pub async fn put_branches(&self, entries: Vec<BranchEntry>, now: Timestamp) -> Answer<()> {
        for chunk in entries.chunks(200) {
            let mut chunk = chunk.to_vec();
            chunk.sort_by(|left, right| left.key.cmp(&right.key));
            self.write(move |session| {
                Box::pin(async move {
                    for entry in &chunk {
                        put(session, entry, now).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Takes branches out of the index that are no more.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn remove_branches(&self, mut keys: Vec<JobKey>) -> Answer<()> {
        const SQL: &str =
            "DELETE FROM branches WHERE instance = $1 AND package = $2 AND branch = $3";
        keys.sort();
        self.write(move |session| {
            Box::pin(async move {
                for JobKey { instance, package, branch } in &keys {
                    let values = values![instance.as_str(), package.as_str(), branch.as_str()];
                    session.change(SQL, values).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Returns the tips of a package's branches, as they were looked at: only where one moved is there news.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn tips(
        &self,
        instance: &InstanceName,
        package: &PackageName,
    ) -> Answer<BTreeMap<BranchName, ObjectId>> {
        const SQL: &str = "SELECT branch, tip FROM branches WHERE instance = $1 AND package = $2";
        let rows = self.rows(SQL, values![instance.as_str(), package.as_str()]).await?;
        rows.iter().map(|row| Ok((row.parsed(0)?, row.parsed(1)?))).collect()
    }

    /// Returns the packages of an instance that are in the index, by name.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn indexed_packages(&self, instance: &InstanceName) -> Answer<Vec<PackageName>> {
        const SQL: &str =
            "SELECT DISTINCT package FROM branches WHERE instance = $1 ORDER BY package";
        let rows = self.rows(SQL, values![instance.as_str()]).await?;
        rows.iter().map(|row| row.parsed(0)).collect()
    }

    /// Returns the dist-git branches that track a source branch; the address must be normalised.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn by_source(&self, source: &str, branch: &BranchName) -> Answer<Vec<BranchEntry>> {
        const SQL: &str = "SELECT instance, package, branch, tip, config, fault, source, source_branch, address \
             FROM branches WHERE source = $1 AND source_branch = $2 ORDER BY instance, package, branch";
        let rows = self.rows(SQL, values![source, branch.as_str()]).await?;
        rows.iter().map(entry).collect()
    }

    /// Returns the dist-git branches that track any branch of a source repository: for tags, which belong to all.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn by_source_repository(&self, source: &str) -> Answer<Vec<BranchEntry>> {
        const SQL: &str = "SELECT instance, package, branch, tip, config, fault, source, source_branch, address \
             FROM branches WHERE source = $1 ORDER BY instance, package, branch";
        let rows = self.rows(SQL, values![source]).await?;
        rows.iter().map(entry).collect()
    }

    /// Returns one branch of the index.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn branch(&self, key: &JobKey) -> Answer<Option<BranchRecord>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM {TABLES} WHERE branches.instance = $1 AND branches.package = $2 \
             AND branches.branch = $3"
        );
        let JobKey { instance, package, branch } = key;
        let values = values![instance.as_str(), package.as_str(), branch.as_str()];
        self.rows(sql, values).await?.first().map(record).transpose()
    }

    /// Returns branches of the index in the order of their names, those after `after`.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn branches(
        &self,
        filter: &BranchFilter,
        after: Option<&JobKey>,
        limit: u32,
    ) -> Answer<Vec<BranchRecord>> {
        let (conditions, mut values) = conditions(filter, after);
        values.push(limit.into());
        let sql = format!(
            "SELECT {COLUMNS} FROM {TABLES} WHERE {} \
             ORDER BY branches.instance, branches.package, branches.branch LIMIT ${}",
            conditions.join(" AND "),
            values.len()
        );
        self.rows(sql, values).await?.iter().map(record).collect()
    }

    /// Counts the branches of the index that have opted in, and those whose config cannot be used.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn branch_counts(&self) -> Answer<BranchCounts> {
        const SQL: &str = "SELECT COUNT(source), COUNT(fault), COUNT(*) FROM branches";
        let rows = self.rows(SQL, values![]).await?;
        let Some(row) = rows.first() else { return Ok(BranchCounts::default()) };
        Ok(BranchCounts { tracking: row.count(0)?, faulty: row.count(1)?, all: row.count(2)? })
    }
}

/// How many branches the index has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BranchCounts {
    /// That track a source.
    pub tracking: u32,
    /// Whose config cannot be used.
    pub faulty: u32,
    /// That were looked at.
    pub all: u32,
}

/// Returns the conditions of a list and their parameters, numbered in order.
fn conditions(filter: &BranchFilter, after: Option<&JobKey>) -> (Vec<String>, Vec<Value>) {
    let (mut conditions, mut values) = (vec!["1 = 1".to_owned()], values![]);
    let mut add = |condition: &str, value: &str| {
        values.push(Value::from(value));
        conditions.push(condition.replace('?', &format!("${}", values.len())));
    };
    if let Some(instance) = &filter.instance {
        add("branches.instance = ?", instance.as_str());
    }
    if let Some(prefix) = &filter.package_prefix {
        add("branches.package >= ?", prefix);
        // The last character that there is: names are ASCII, so everything with the prefix lies before it.
        add("branches.package < ?", &format!("{prefix}\u{10ffff}"));
    }
    if let Some(branch) = &filter.branch {
        add("branches.branch = ?", branch.as_str());
    }
    if let Some(outcome) = &filter.outcome {
        add("latest.outcome = ?", outcome);
    }
    if filter.opted_in {
        conditions.push("(source IS NOT NULL OR fault IS NOT NULL)".to_owned());
    }
    if let Some(JobKey { instance, package, branch }) = after {
        let first = values.len() + 1;
        let names = [instance.as_str(), package.as_str(), branch.as_str()];
        values.extend(names.map(Value::from));
        conditions.push(format!(
            "(branches.instance, branches.package, branches.branch) > (${first}, ${}, ${})",
            first + 1,
            first + 2
        ));
    }
    (conditions, values)
}

async fn put(session: &mut Session, entry: &BranchEntry, now: Timestamp) -> Answer<()> {
    const SQL: &str = "INSERT INTO branches (instance, package, branch, tip, config, fault, source, source_branch, \
             address, looked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (instance, package, branch) DO UPDATE SET tip = excluded.tip, config = excluded.config, \
             fault = excluded.fault, source = excluded.source, source_branch = excluded.source_branch, \
             address = excluded.address, looked_at = excluded.looked_at";
    let JobKey { instance, package, branch } = &entry.key;
    let (config, fault, source, source_branch, address) = match &entry.tracking {
        Tracking::Nothing => (None, None, None, None, None),
        Tracking::Faulty { why } => (None, Some(why.as_str()), None, None, None),
        Tracking::Source { source, address, branch, config } => (
            Some(config.as_str()),
            None,
            Some(source.as_str()),
            Some(branch.as_str()),
            Some(address.as_str()),
        ),
    };
    let values = values![
        instance.as_str(),
        package.as_str(),
        branch.as_str(),
        entry.tip.to_string(),
        config,
        fault,
        source,
        source_branch,
        address,
        now
    ];
    session.change(SQL, values).await.map(drop)
}

fn entry(row: &Row) -> Answer<BranchEntry> {
    let tracking = match (row.maybe_text(5)?, row.maybe_text(6)?) {
        (Some(why), _) => Tracking::Faulty { why },
        (None, Some(source)) => {
            let (address, config) = (row.text(8)?, row.text(4)?);
            Tracking::Source { source, address, branch: row.parsed(7)?, config }
        }
        (None, None) => Tracking::Nothing,
    };
    Ok(BranchEntry { key: key(row, 0)?, tip: row.parsed(3)?, tracking })
}

fn record(row: &Row) -> Answer<BranchRecord> {
    let standing = match row.maybe_number(10)? {
        None => None,
        Some(run) => Some(BranchStanding {
            run: RunId(run),
            outcome: row.text(11)?,
            code: row.maybe_text(12)?,
            finished_at: row.time(13)?,
        }),
    };
    Ok(BranchRecord { entry: entry(row)?, looked_at: row.time(9)?, standing })
}
