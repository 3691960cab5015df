//! `lockkeeper verify`: the verdict on a tip, and nothing else.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::operator::{CONFIG_VARIABLE, Chosen, OperatorFlags};
use super::progress::Spinner;
use super::world::{Surroundings, TargetFlags, TrustFlags, read};
use super::{Format, print};
use crate::config::{BranchConfig, SigningScope, TagTrust};
use crate::decide::judge_tip;
use crate::gate::history::{self, Rewrite};
use crate::gate::{self, Policy};
use crate::git::{Kind, Objects, Store, Trust};
use crate::ledger;
use crate::names::{BranchName, InstanceName, ObjectId, PackageName};
use crate::observe::{self, Asked, OptedIn, Standing, observe};
use crate::openpgp::Certificates;
use crate::outcome::{Fault, Refusal, Result};
use crate::progress::Progress;
use crate::report::{Exit, Outcome, Report};
use crate::trailers::Trailers;
use crate::trigger::Target;

/// Arguments of `verify`: a dist-git branch, or a commit and a config.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The package, in a dist-git of the operator config that --config or LOCKKEEPER_CONFIG names.
    #[arg(value_name = "PACKAGE", requires = "branch_of",
          conflicts_with_all = ["dist_git", "branch", "package", "source"])]
    package_of: Option<PackageName>,
    /// Its branch.
    #[arg(value_name = "BRANCH", requires = "package_of")]
    branch_of: Option<BranchName>,
    /// The dist-git, where the operator config has several.
    #[arg(long, value_name = "NAME", requires = "package_of")]
    instance: Option<InstanceName>,
    /// The dist-git repository whose branch says what is tracked and who may sign.
    #[arg(long, value_name = "PATH|URL", requires = "branch", conflicts_with = "source")]
    dist_git: Option<String>,
    /// The dist-git branch.
    #[arg(long, value_name = "BRANCH", requires = "dist_git")]
    branch: Option<String>,
    /// The package; by default the last part of the dist-git address.
    #[arg(long, value_name = "NAME")]
    package: Option<String>,
    /// A source repository on this machine.
    #[arg(
        long,
        value_name = "PATH",
        requires = "rev",
        requires = "config",
        required_unless_present_any = ["dist_git", "package_of"]
    )]
    source: Option<PathBuf>,
    /// The revision in it: a branch, a tag or a commit id.
    #[arg(long, value_name = "REV", requires = "source")]
    rev: Option<String>,
    /// The branch config to judge by; with PACKAGE and BRANCH the operator config.
    #[arg(long, value_name = "FILE", conflicts_with = "dist_git")]
    config: Option<PathBuf>,
    /// The folder of certificates that goes with the config.
    #[arg(long, value_name = "DIR", requires = "source")]
    keys: Option<PathBuf>,
    /// The source commit that was published last: the tip must descend from it.
    #[arg(long, value_name = "ID", requires = "source")]
    last_published: Option<ObjectId>,
    #[command(flatten)]
    trust: TrustFlags,
}

impl Arguments {
    /// Returns the branch that the arguments chose.
    fn choose(&self) -> Result<Chosen> {
        let variable = || std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from);
        let flags = TargetFlags {
            package_of: self.package_of.clone(),
            branch_of: self.branch_of.clone(),
            operator: OperatorFlags {
                config: self.config.clone().or_else(variable),
                instance: self.instance.clone(),
            },
            dist_git: self.dist_git.clone(),
            branch: self.branch.clone(),
            package: self.package.clone(),
        };
        flags.choose()
    }
}

/// Runs `verify`.
pub async fn run(arguments: Arguments, format: Format) -> Exit {
    let report = match &arguments.source {
        None => verify_branch(&arguments).await,
        Some(_) => verify_commit(&arguments),
    };
    print::outcome(report, format)
}

/// Judges the tip that a dist-git branch tracks.
async fn verify_branch(arguments: &Arguments) -> Result<Report> {
    let chosen = arguments.choose()?;
    let target = chosen.target.clone();
    let surroundings = Surroundings::for_branch(&chosen, &arguments.trust, Vec::new())?;
    let mut report = Report::new(Some(&target), Outcome::Accepted);
    let spinner = Spinner::new();
    let watcher = |step| spinner.show(step);
    let observed = match observe(&target, &surroundings.lookout(), Progress::new(&watcher)).await {
        Ok(observed) => observed,
        Err(fault) => return Ok(report.fault(&fault)),
    };
    let opted_in = match observed.facts.standing {
        Standing::OptedIn(opted_in) => *opted_in,
        Standing::Retired => return Ok(report.fault(&retired(&target).into())),
        Standing::NotOptedIn => return Ok(report.fault(&not_opted_in(&target).into())),
    };
    let OptedIn { branch, source, .. } = opted_in;
    if arguments.trust.bot_cert.is_empty() && chosen.operator().is_none() {
        report.warnings.push(
            "no --bot-cert was given, so no commit in dist-git counts as the bot's, and nobody looked whether the \
             branch went back"
                .to_owned(),
        );
    }
    report.source_commit = Some(source.tip.id);
    report.warnings.extend(branch.certificate_warnings.iter().cloned());
    report.warnings.extend_from_slice(&branch.key_changes);
    match judge_tip(&branch, &source, surroundings.rules()) {
        Ok(accepted) => {
            report.signer = Some(accepted.signer().to_string());
            report.warnings.extend(accepted.warnings().iter().map(ToString::to_string));
            Ok(report)
        }
        Err(refusal) => Ok(report.fault(&refusal.into())),
    }
}

fn not_opted_in(target: &Target) -> Refusal {
    Refusal::config("config-missing", format!("{} has no source-git.yaml", target.name()))
        .hint("commit a source-git.yaml to the dist-git branch to opt it in")
}

fn retired(target: &Target) -> Refusal {
    let words = format!("{} is retired: a dead.package stands at its tip", target.name());
    Refusal::config("retired", words)
        .hint("remove dead.package from the branch to take it up again")
}

/// Judges one commit of a repository on this machine by a config file.
fn verify_commit(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::new(None, Outcome::Accepted);
    match judge(arguments, &mut report) {
        Ok(()) => Ok(report),
        Err(fault) => Ok(report.fault(&fault)),
    }
}

fn judge(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let (config, policy) = policy(arguments, report)?;
    let source = arguments.source.as_deref().unwrap_or(std::path::Path::new("."));
    let store = Store::open(source, Trust::InPlace)?;
    let objects = store.objects();
    let id = objects.resolve(arguments.rev.as_deref().unwrap_or("HEAD"))?;
    report.source_commit = Some(id);
    let raw = objects.read_kind(&id, Kind::Commit)?;
    let accepted = gate::judge_commit(&id, &raw, &policy).into_result()?;
    report.signer = Some(accepted.signer().to_string());
    report.warnings.extend(accepted.warnings().iter().map(ToString::to_string));
    let commit = objects.commit(&id)?;
    gate::bind::check(&Trailers::parse(&commit.message), &config.source, config.signing.bind)?;
    no_going_back(arguments, &objects, &commit.id)?;
    every_commit(arguments, &objects, &commit, &config, &policy)
}

/// Reads the config and the certificates that go with it.
fn policy(arguments: &Arguments, report: &mut Report) -> Result<(BranchConfig, Policy)> {
    let path = arguments.config.clone().unwrap_or_default();
    let config = BranchConfig::parse(&read(&path)?);
    let config =
        config.map_err(|faults| Refusal::from(faults.of_file(&path.display().to_string())))?;
    let mut folders: Vec<PathBuf> = arguments.keys.iter().cloned().collect();
    folders.extend(arguments.trust.keyring.iter().cloned());
    let (certificates, warnings) = Certificates::load(ledger::read_keyring(&folders)?);
    report.warnings.extend(warnings.iter().map(ToString::to_string));
    let policy = Policy::new(&config.signing.keys, certificates, SystemTime::now());
    Ok((config, policy))
}

fn no_going_back(arguments: &Arguments, objects: &Objects, tip: &ObjectId) -> Result<()> {
    let Some(published) = &arguments.last_published else { return Ok(()) };
    let relation = objects.relation(tip, published)?;
    let rewrite = if arguments.trust.accept_rewrite { Rewrite::Accepted } else { Rewrite::Refused };
    history::check(relation, published, tip, rewrite).map_err(Fault::from)
}

fn every_commit(
    arguments: &Arguments,
    objects: &Objects,
    tip: &crate::git::Commit,
    config: &BranchConfig,
    policy: &Policy,
) -> Result<()> {
    if config.signing.require != SigningScope::EveryCommit {
        return Ok(());
    }
    objects.refuse_shallow()?;
    let named =
        arguments.package.clone().unwrap_or_else(|| config.source.repository.last_component());
    let package = named.parse().map_err(|error: crate::names::NameError| {
        Refusal::config("bad-argument", error.to_string()).hint("name the package with --package")
    })?;
    let asked = Asked { package: &package, config, trust: TagTrust::Any, policy: Some(policy) };
    let release = observe::release(&asked, objects, tip, objects.tags()?)?;
    observe::every_commit(objects, &tip.id, arguments.last_published, &release, policy)?
        .map_err(Fault::from)
}
