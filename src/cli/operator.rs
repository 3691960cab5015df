//! The operator config on the command line: found, read, and asked where a package and a branch are.

use std::path::{Path, PathBuf};

use clap::Args;

use super::secret::agent_key;
use super::world::{TrustFlags, read, working_folder};
use crate::land::SignerClient;
use crate::names::{BranchName, InstanceName, PackageName};
use crate::operator::{Instance, KeySource, Layers, Operator, Places};
use crate::outcome::{Refusal, Result};
use crate::trigger::Target;

/// The variable that names the operator config.
pub const CONFIG_VARIABLE: &str = "LOCKKEEPER_CONFIG";

/// Which operator config.
#[derive(Debug, Clone, Args)]
pub struct ConfigFlag {
    /// The operator config.
    #[arg(long, value_name = "FILE", env = CONFIG_VARIABLE)]
    pub config: Option<PathBuf>,
}

/// Reads an operator config, with what the environment and `flags` say.
///
/// # Errors
/// Refuses (exit code 2) where none is named, and one that is not right.
pub fn load(config: Option<&Path>, flags: impl Fn(Layers) -> Layers) -> Result<Operator> {
    let path = config.ok_or_else(|| {
        Refusal::config("no-operator-config", "no operator config is named")
            .hint("name it with --config or LOCKKEEPER_CONFIG; it is the file lockkeeper.yaml of the service")
    })?;
    let bytes = read(path)?;
    let layers = flags(Layers::from_environment(|name| std::env::var(name).ok()));
    let read = Operator::parse(&bytes, &layers, &places(path)?);
    Ok(read.map_err(|faults| Refusal::from(faults.of_file(&path.display().to_string())))?)
}

/// Which operator config, and which of its dist-gits.
#[derive(Debug, Clone, Args)]
pub struct OperatorFlags {
    /// The operator config that says where PACKAGE and BRANCH are, and what else is not given here.
    #[arg(long, value_name = "FILE", env = CONFIG_VARIABLE)]
    pub config: Option<PathBuf>,
    /// The dist-git, where the operator config has several.
    #[arg(long, value_name = "NAME")]
    pub instance: Option<InstanceName>,
}

impl OperatorFlags {
    /// Reads the operator config, with what the environment says.
    ///
    /// # Errors
    /// Refuses (exit code 2) where none is named, and one that is not right.
    pub fn load(&self, flags: impl Fn(Layers) -> Layers) -> Result<Operator> {
        load(self.config.as_deref(), flags)
    }

    /// Returns the branch of a package in the dist-git that is meant.
    pub fn choose(&self, package: &PackageName, branch: &BranchName) -> Result<Chosen> {
        let operator = self.load(|layers| layers)?;
        let place = self.place(&operator)?;
        let target = operator.instances[place].target(package, branch)?;
        Ok(Chosen { target, place: Some((Box::new(operator), place)) })
    }

    /// Returns which dist-git is meant: the one that is named, or the only one.
    fn place(&self, operator: &Operator) -> Result<usize, Refusal> {
        let names = || {
            let names: Vec<&str> =
                operator.instances.iter().map(|instance| instance.name.as_str()).collect();
            names.join(", ")
        };
        match &self.instance {
            None if operator.instances.len() == 1 => Ok(0),
            None => Err(Refusal::config(
                "instance-not-named",
                format!("the operator config has several dist-gits: {}", names()),
            )
            .hint("name one of them with --instance")),
            Some(name) => {
                let place = operator.instances.iter().position(|one| one.name == *name);
                place.ok_or_else(|| {
                    Refusal::config("instance-unknown", format!("there is no instance `{name}`"))
                        .hint(format!("the operator config has {}", names()))
                })
            }
        }
    }
}

/// Returns where the files are that a config names.
pub fn places(config: &Path) -> Result<Places> {
    let config = working_folder()?.join(config);
    Ok(Places {
        folder: config.parent().map(Path::to_owned).unwrap_or_default(),
        credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        read_secrets: true,
    })
}

/// A dist-git branch, and what the operator config says of where it is.
pub struct Chosen {
    /// The branch.
    pub target: Target,
    /// The operator config and the place of the dist-git in it; `None` where the flags say it all.
    pub place: Option<(Box<Operator>, usize)>,
}

impl Chosen {
    /// Returns the operator config, where one is used.
    pub fn operator(&self) -> Option<&Operator> {
        self.place.as_ref().map(|(operator, _)| &**operator)
    }

    /// Returns the dist-git, where an operator config is used.
    pub fn instance(&self) -> Option<&Instance> {
        self.place.as_ref().map(|(operator, place)| &operator.instances[*place])
    }

    /// Returns the flags with what the operator config adds: keys and folders are added, the dist tag is taken where
    /// no flag gives one.
    pub fn trust(&self, flags: &TrustFlags) -> TrustFlags {
        let mut trust = flags.clone();
        if let (Some(operator), Some(instance)) = (self.operator(), self.instance()) {
            trust.bot_cert.extend(operator.bot_certs.iter().cloned());
            trust.keyring.extend(operator.keyring.iter().cloned());
            let of_branch = || instance.dist_tags.of(&self.target.branch).map(str::to_owned);
            trust.dist = trust.dist.or_else(of_branch);
        }
        trust
    }

    /// Returns the public halves of the operator's key, by which the bot's commits are known.
    pub fn public(&self) -> Result<Vec<String>> {
        match self.operator().map(|operator| &operator.key.source) {
            None => Ok(Vec::new()),
            Some(KeySource::Key(key)) => Ok(vec![key.public()]),
            Some(KeySource::Agent(line)) => Ok(vec![agent_key(line)?.public()]),
            Some(KeySource::Signer(socket)) => {
                Ok(SignerClient::connect(socket)?.certificates().to_vec())
            }
        }
    }
}
