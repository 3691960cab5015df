//! Which part of the service's work an argument means, and who says so.

use clap::Args;

use crate::names::{BranchName, InstanceName, PackageName};
use crate::operator::Operator;
use crate::outcome::{Refusal, Result};
use crate::queue::{JobKey, Scope};

/// One branch.
#[derive(Debug, Args)]
pub struct BranchFlags {
    /// The package.
    package: PackageName,
    /// The dist-git branch.
    branch: BranchName,
    /// The dist-git, where the operator config has several.
    #[arg(long, value_name = "NAME")]
    instance: Option<InstanceName>,
}

/// Everything, one package, or one branch.
#[derive(Debug, Args)]
pub struct ScopeFlags {
    /// The package.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    package: Option<PackageName>,
    /// The dist-git branch; without it all branches of the package.
    branch: Option<BranchName>,
    /// Everything that the service does.
    #[arg(long)]
    all: bool,
    /// The dist-git, where the operator config has several.
    #[arg(long, value_name = "NAME")]
    instance: Option<InstanceName>,
}

impl BranchFlags {
    /// Returns the branch, in the dist-git that is meant.
    ///
    /// # Errors
    /// As [`instance`].
    pub fn key(&self, operator: &Operator) -> Result<JobKey, Refusal> {
        let instance = instance(operator, self.instance.as_ref())?;
        Ok(JobKey { instance, package: self.package.clone(), branch: self.branch.clone() })
    }
}

impl ScopeFlags {
    /// Returns the scope, in the dist-git that is meant.
    ///
    /// # Errors
    /// As [`instance`].
    pub fn scope(&self, operator: &Operator) -> Result<Scope, Refusal> {
        let Some(package) = self.package.clone() else { return Ok(Scope::All) };
        let instance = instance(operator, self.instance.as_ref())?;
        Ok(match self.branch.clone() {
            None => Scope::Package { instance, package },
            Some(branch) => Scope::Branch { instance, package, branch },
        })
    }
}

/// Returns the dist-git that is meant: the one that is named, or the only one.
///
/// # Errors
/// Refuses (exit code 2) a name that the operator config does not have, and none where it has several.
pub fn instance(
    operator: &Operator,
    named: Option<&InstanceName>,
) -> Result<InstanceName, Refusal> {
    match (named, &operator.instances[..]) {
        (None, [only]) => Ok(only.name.clone()),
        (None, _) => Err(Refusal::config(
            "instance-not-named",
            "the operator config has several dist-gits",
        )
        .hint("name one of them with --instance")),
        (Some(name), _) => match operator.instance(name) {
            Some(instance) => Ok(instance.name.clone()),
            None => {
                Err(Refusal::config("instance-unknown", format!("there is no instance `{name}`")))
            }
        },
    }
}

/// Returns who asks: what was said, else the user of this terminal.
pub fn who(said: Option<&str>) -> String {
    let user = || std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).ok();
    said.map(str::to_owned).or_else(user).unwrap_or_else(|| "somebody on the host".to_owned())
}
