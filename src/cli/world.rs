//! Flags that describe the world, shared by the commands, and what is built from them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;

use super::operator::{Chosen, OperatorFlags};
use super::secret::{agent_key, passphrase};
use crate::bot_certs::BotCerts;
use crate::bot_key::{BotKey, describe};
use crate::config::TagTrust;
use crate::container::{self, EngineChoice, ImageReference};
use crate::decide::Rules;
use crate::git::{Mirrors, Transport};
use crate::land::{Door, Signer, SignerClient};
use crate::ledger::Trusted;
use crate::lookaside::Lookaside;
use crate::names::{BranchName, PackageName};
use crate::observe::Lookout;
use crate::operator::{KeySource, LookasideAccess, Operator};
use crate::outcome::{Problem, Refusal, Result};
use crate::populate::contained::Containers;
use crate::populate::identity::Method;
use crate::populate::upstream::download;
use crate::populate::upstream::network::Reach;
use crate::populate::upstream::obtain::Releases;
use crate::progress::Progress;
use crate::secret::Secret;
use crate::sync::World;
use crate::trigger::Target;

/// Which dist-git branch: PACKAGE and BRANCH, where an operator config says where they are; else --dist-git.
#[derive(Debug, Args)]
pub struct TargetFlags {
    /// The package, in a dist-git of the operator config.
    #[arg(value_name = "PACKAGE", requires = "branch_of", conflicts_with_all = ["dist_git", "branch", "package"])]
    pub package_of: Option<PackageName>,
    /// Its branch.
    #[arg(value_name = "BRANCH", requires = "package_of")]
    pub branch_of: Option<BranchName>,
    #[command(flatten)]
    pub operator: OperatorFlags,
    /// The package's dist-git repository: a path, or an https://, ssh:// or file:// address.
    #[arg(
        long,
        value_name = "PATH|URL",
        requires = "branch",
        required_unless_present = "package_of"
    )]
    pub dist_git: Option<String>,
    /// The dist-git branch.
    #[arg(long, value_name = "BRANCH", requires = "dist_git")]
    pub branch: Option<String>,
    /// The package; by default the last part of the dist-git address.
    #[arg(long, value_name = "NAME")]
    pub package: Option<String>,
}

/// Whose keys count, and what the branch's distribution is called.
#[derive(Debug, Clone, Args)]
pub struct TrustFlags {
    /// A public key whose commits in dist-git are the bot's own; may be repeated, for earlier keys.
    /// The public half of --key counts too; with neither, the branch counts as never published.
    #[arg(long, value_name = "FILE")]
    pub bot_cert: Vec<PathBuf>,
    /// A folder of certificates besides the branch's own keys/; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub keyring: Vec<PathBuf>,
    /// The branch's dist tag, such as .fc44.
    #[arg(long, value_name = "TAG")]
    pub dist: Option<String>,
    /// Where copies of remote repositories are kept; by default ~/.cache/lockkeeper.
    #[arg(long, value_name = "DIR", env = "LOCKKEEPER_CACHE")]
    pub cache: Option<PathBuf>,
    /// Takes a rewound or rewritten source branch as it is, once.
    #[arg(long)]
    pub accept_rewrite: bool,
}

/// Where released tarballs come from, and how the tree is proved.
#[derive(Debug, Args)]
pub struct ContentFlags {
    /// A folder of released tarballs (and their signatures) at hand; they win over downloading.
    #[arg(long, value_name = "DIR")]
    pub upstream: Option<PathBuf>,
    /// How tree identity is proved: in git terms, or by running %prep in a sandbox too.
    #[arg(long, value_name = "METHOD", default_value = "git")]
    pub prove: ProveBy,
}

/// How tree identity is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProveBy {
    /// In git terms.
    Git,
    /// By rpm too, in a sandbox.
    Rpm,
}

impl ContentFlags {
    /// Returns the folder of tarballs.
    ///
    /// # Errors
    /// Refuses (exit code 2) a path that is no folder.
    pub fn folder(&self) -> Result<Option<&Path>> {
        match self.upstream.as_deref() {
            Some(path) if !path.is_dir() => {
                let words = format!("--upstream {} is no folder", path.display());
                Err(Refusal::config("upstream-no-folder", words).into())
            }
            folder => Ok(folder),
        }
    }

    /// Returns how tree identity is to be proved.
    pub fn method(&self) -> Method {
        match self.prove {
            ProveBy::Git => Method::Git,
            ProveBy::Rpm => Method::Rpm,
        }
    }
}

/// How containers are run.
#[derive(Debug, Clone, Args)]
pub struct EngineFlags {
    /// What runs containers: `builtin` and `auto` look for one once a branch needs it.
    #[arg(long, value_name = "ENGINE", env = "LOCKKEEPER_ENGINE")]
    pub engine: Option<EngineChoice>,
    /// Refuses an image that a branch names without its digest.
    #[arg(long)]
    pub require_digest: bool,
    /// Gives the network to a container whose branch asks for it.
    #[arg(long)]
    pub allow_network: bool,
    /// The image that spec.command runs in where the branch names none.
    #[arg(long, value_name = "IMAGE")]
    pub tool_image: Option<ImageReference>,
    /// The image in which rpm proves tree identity, where --prove rpm asks for that.
    #[arg(long, value_name = "IMAGE")]
    pub prover_image: Option<ImageReference>,
}

impl EngineFlags {
    /// Returns the settings of a command that is about nothing but containers: one engine or the other is wanted.
    pub fn options_with_engine(&self) -> container::Options {
        let wanted = container::Options { engine: EngineChoice::Auto, ..Default::default() };
        self.options(wanted)
    }

    /// Returns where containers are run: as the operator config says, where there is one, and the flags.
    pub fn containers(&self, operator: Option<&Operator>) -> Containers {
        let operators = operator.map(|operator| operator.population.clone());
        Containers::new(self.options(operators.unwrap_or_default()))
    }

    /// Returns the operator's settings, or the defaults, with what the flags change.
    pub fn options(&self, operators: container::Options) -> container::Options {
        container::Options {
            engine: self.engine.unwrap_or(operators.engine),
            require_digest: self.require_digest || operators.require_digest,
            allow_network: self.allow_network || operators.allow_network,
            tool_image: self.tool_image.clone().or(operators.tool_image),
            prover_image: self.prover_image.clone().or(operators.prover_image),
            ..operators
        }
    }
}

/// The bot's key.
#[derive(Debug, Args)]
pub struct KeyFlags {
    /// The bot's secret key: OpenPGP, or OpenSSH's private key format.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// A file that holds the key's passphrase.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub key_passphrase_file: Option<PathBuf>,
    /// A systemd credential that holds the key's passphrase ($CREDENTIALS_DIRECTORY/NAME).
    #[arg(long, value_name = "NAME", requires = "key", conflicts_with = "key_passphrase_file")]
    pub key_passphrase_credential: Option<String>,
    /// The public line of an SSH key that the agent at $SSH_AUTH_SOCK holds instead.
    #[arg(long, value_name = "TYPE KEY", conflicts_with = "key")]
    pub key_agent: Option<String>,
    /// The socket of a `lockkeeper signer` that holds the key instead.
    #[arg(long, value_name = "SOCKET", conflicts_with_all = ["key", "key_agent"])]
    pub signer: Option<PathBuf>,
    /// The bot's name as committer; by default that of an OpenPGP key.
    #[arg(long, value_name = "NAME")]
    pub bot_name: Option<String>,
    /// The bot's mail address as committer; by default that of an OpenPGP key.
    #[arg(long, value_name = "MAIL")]
    pub bot_mail: Option<String>,
}

/// What signs: a key in this process, or a signer in another.
pub enum Hand {
    /// The key is here.
    Key(BotKey),
    /// The key is there.
    Signer(SignerClient),
}

/// The lookaside cache.
#[derive(Debug, Args)]
pub struct LookasideFlags {
    /// The lookaside cache: a folder or file: address, or a server (URL/upload.cgi is posted to).
    #[arg(long, value_name = "URL|PATH")]
    pub lookaside: Option<String>,
    /// The base of download addresses, where it is not that of uploads.
    #[arg(long, value_name = "URL")]
    pub lookaside_download: Option<String>,
    /// A client certificate and its key, in one PEM file.
    #[arg(long, value_name = "FILE")]
    pub lookaside_cert: Option<PathBuf>,
    /// The certificate authority of the lookaside server, in PEM.
    #[arg(long, value_name = "FILE")]
    pub lookaside_ca: Option<PathBuf>,
    /// How long a lookaside server may take for an answer, in seconds; by default 120. An upload may stand still for
    /// as long, and for a minute at most.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub lookaside_timeout: Option<u64>,
    /// How often a lookaside server that fails for a while is asked in all; by default 4 times.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub lookaside_attempts: Option<u32>,
}

impl TargetFlags {
    /// Returns what the arguments chose.
    ///
    /// # Errors
    /// Refuses (exit code 2) names and addresses that are not legal, and operator configs that are not right.
    pub fn choose(&self) -> Result<Chosen> {
        if let (Some(package), Some(branch)) = (&self.package_of, &self.branch_of) {
            return self.operator.choose(package, branch);
        }
        let folder = working_folder()?;
        let (dist_git, branch) = (self.dist_git.as_deref(), self.branch.as_deref());
        let (dist_git, branch) = (dist_git.unwrap_or_default(), branch.unwrap_or_default());
        let target = Target::from_arguments(dist_git, branch, self.package.as_deref(), &folder)?;
        Ok(Chosen { target, place: None })
    }
}

impl KeyFlags {
    /// Reads the key, or asks the signer who it is; without a flag the operator config says where it is.
    pub fn load(&self, chosen: &Chosen) -> Result<Hand> {
        if let Some(socket) = &self.signer {
            return Ok(Hand::Signer(SignerClient::connect(socket)?));
        }
        if let Some(line) = &self.key_agent {
            return Ok(Hand::Key(agent_key(line)?));
        }
        let Some(file) = &self.key else { return of_operator(chosen) };
        let (file_of, credential) = (&self.key_passphrase_file, &self.key_passphrase_credential);
        let passphrase = passphrase(file_of.as_deref(), credential.as_deref())?;
        Ok(Hand::Key(BotKey::load(&read(file)?, passphrase.as_deref())?))
    }

    /// Returns the bot's name and mail address, where a flag or the operator config gives them.
    pub fn name_and_mail<'a>(&'a self, chosen: &'a Chosen) -> (Option<&'a str>, Option<&'a str>) {
        let key = chosen.operator().map(|operator| &operator.key);
        let name = self.bot_name.as_deref().or(key.and_then(|key| key.name.as_deref()));
        let mail = self.bot_mail.as_deref().or(key.and_then(|key| key.mail.as_deref()));
        (name, mail)
    }
}

fn of_operator(chosen: &Chosen) -> Result<Hand> {
    match chosen.operator().map(|operator| &operator.key.source) {
        Some(KeySource::Key(key)) => Ok(Hand::Key(key.clone())),
        Some(KeySource::Agent(line)) => Ok(Hand::Key(agent_key(line)?)),
        Some(KeySource::Signer(socket)) => Ok(Hand::Signer(SignerClient::connect(socket)?)),
        None => Err(Refusal::config("bad-argument", "there is no key to sign with")
            .hint("give --key, --key-agent or --signer")
            .into()),
    }
}

impl Hand {
    /// Returns the public halves that count as the bot's beside those of --bot-cert.
    pub fn public(&self) -> Vec<String> {
        match self {
            Hand::Key(key) => vec![key.public()],
            Hand::Signer(client) => client.certificates().to_vec(),
        }
    }

    /// Returns the door to it; `certs` tells which earlier commits are the bot's own.
    pub fn door(self, certs: Arc<BotCerts>, keyring: Vec<PathBuf>) -> Box<dyn Door> {
        match self {
            Hand::Key(key) => Box::new(Signer::new(key, certs, keyring)),
            Hand::Signer(client) => Box::new(client),
        }
    }
}

impl LookasideFlags {
    /// Returns the cache: that of the chosen dist-git, with what the flags change.
    pub fn open(&self, chosen: &Chosen) -> Result<Lookaside> {
        let mut access = match (&self.lookaside, chosen.instance()) {
            (Some(text), _) => LookasideAccess::of(Self::absolute(text)?),
            (None, Some(instance)) => instance.lookaside.clone(),
            (None, None) => {
                return Err(Refusal::config("bad-argument", "there is no lookaside cache")
                    .hint("give --lookaside")
                    .into());
            }
        };
        if let Some(download) = &self.lookaside_download {
            access.download = Some(download.clone());
        }
        if let Some(file) = &self.lookaside_cert {
            access.client_certificate = Secret::from_file(&read(file)?);
        }
        if let Some(file) = &self.lookaside_ca {
            access.certificate_authority = Some(file.clone());
        }
        if let Some(seconds) = self.lookaside_timeout {
            access.timeout = Duration::from_secs(seconds);
        }
        access.attempts = self.lookaside_attempts.unwrap_or(access.attempts);
        access.open()
    }

    fn absolute(text: &str) -> Result<String> {
        let is_address = text.contains("://") || text.starts_with("file:");
        match is_address {
            true => Ok(text.to_owned()),
            false => Ok(working_folder()?.join(text).to_string_lossy().into_owned()),
        }
    }
}

/// What a run that lands nothing takes: `preview` and `populate`.
#[derive(Debug, Args)]
pub struct DraftFlags {
    /// The bot's key; only its public half is used, to know the bot's commits.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    #[command(flatten)]
    pub trust: TrustFlags,
    #[command(flatten)]
    pub content: ContentFlags,
    #[command(flatten)]
    pub engine: EngineFlags,
    /// Where to leave the result: dist-git/, lookaside/ and the report as preview.json or populate.json.
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
}

impl DraftFlags {
    /// Returns the public half of the key, where one is named; a locked key need not be opened for that.
    pub fn own(&self) -> Result<Vec<String>> {
        let Some(path) = &self.key else { return Ok(Vec::new()) };
        Ok(vec![describe(&read(path)?, SystemTime::now())?.public])
    }
}

/// What the commands look at the world with; it owns what [`Lookout`] borrows.
pub struct Surroundings {
    mirrors: Mirrors,
    /// The way to remote repositories.
    pub transport: Transport,
    bot_certs: Arc<BotCerts>,
    keyring: Vec<PathBuf>,
    rules: Rules,
    tag_trust: TagTrust,
    local_sources: bool,
    work: tempfile::TempDir,
    /// The time by which keys are judged.
    pub now: SystemTime,
}

impl Surroundings {
    /// Builds them from the flags; `own` is the certificate of the bot's own key, where it is at hand.
    pub fn new(flags: &TrustFlags, own: Vec<String>) -> Result<Surroundings> {
        let work = tempfile::Builder::new().prefix("lockkeeper-").tempdir().map_err(|error| {
            Problem::permanent("no-temporary-folder", "cannot make a temporary folder")
                .because(error)
        })?;
        Ok(Surroundings {
            mirrors: Mirrors::at(cache_folder(flags.cache.as_deref())?.join("mirrors"))?,
            transport: Transport::new()?,
            bot_certs: bot_certs(&flags.bot_cert, own)?,
            keyring: flags.keyring.clone(),
            rules: Rules { accept_rewrite: flags.accept_rewrite, dist: flags.dist.clone() },
            tag_trust: TagTrust::Any,
            local_sources: true,
            work,
            now: SystemTime::now(),
        })
    }

    /// Builds them for a branch: what the operator config says of its dist-git counts too, as in the service.
    pub fn for_branch(
        chosen: &Chosen,
        flags: &TrustFlags,
        own: Vec<String>,
    ) -> Result<Surroundings> {
        let own = if own.is_empty() { chosen.public()? } else { own };
        let surroundings = Surroundings::new(&chosen.trust(flags), own)?;
        Ok(match chosen.instance() {
            None => surroundings,
            Some(instance) => Surroundings {
                tag_trust: instance.tag_trust,
                local_sources: instance.allow_file_sources,
                ..surroundings
            },
        })
    }

    /// Returns the world of a run.
    ///
    /// # Errors
    /// As [`ContentFlags::folder`].
    pub fn world<'a>(
        &'a self,
        content: &'a ContentFlags,
        lookaside: Option<&'a Lookaside>,
        containers: &'a Containers,
        progress: Progress<'a>,
    ) -> Result<World<'a>> {
        Ok(World {
            lookout: self.lookout(),
            rules: self.rules.clone(),
            work: self.work.path(),
            releases: self.releases(content, lookaside)?,
            containers,
            container_log: self.work.path().join("container.log"),
            method: content.method(),
            progress,
        })
    }

    /// Returns where released tarballs come from.
    ///
    /// # Errors
    /// As [`ContentFlags::folder`].
    pub fn releases<'a>(
        &'a self,
        content: &'a ContentFlags,
        lookaside: Option<&'a Lookaside>,
    ) -> Result<Releases<'a>> {
        Ok(Releases {
            folder: content.folder()?,
            downloads: download::Rules::new(Reach::public()),
            lookaside,
            keyring: &self.keyring,
            now: self.now,
        })
    }

    /// Returns how to look.
    pub fn lookout(&self) -> Lookout<'_> {
        Lookout {
            mirrors: &self.mirrors,
            transport: &self.transport,
            trusted: Trusted {
                bot_certs: &self.bot_certs,
                keyring: &self.keyring,
                dist: self.rules.dist.as_deref(),
            },
            tag_trust: self.tag_trust,
            local_sources: self.local_sources,
            now: self.now,
        }
    }

    /// Returns the public halves of the bot's keys.
    pub fn bot_certs(&self) -> Arc<BotCerts> {
        Arc::clone(&self.bot_certs)
    }

    /// Returns the folder for archives on their way.
    pub fn work(&self) -> &Path {
        self.work.path()
    }

    /// Returns what is allowed.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// Reads the bot's public halves: its own, and those that were named, for its earlier keys.
///
/// All go into one keyring, so that a copy with a revocation counts whichever file it is in.
fn bot_certs(files: &[PathBuf], own: Vec<String>) -> Result<Arc<BotCerts>> {
    let own = own.into_iter().map(|public| ("the bot's key".to_owned(), public.into_bytes()));
    let mut read_files: Vec<(String, Vec<u8>)> = own.collect();
    for path in files {
        read_files.push((path.display().to_string(), read(path)?));
    }
    Ok(Arc::new(bot_certs_of(read_files)?))
}

/// Reads public halves, by the names and contents of their files; one that cannot be read is refused.
pub fn bot_certs_of(files: Vec<(String, Vec<u8>)>) -> Result<BotCerts, Refusal> {
    let (certs, warnings) = BotCerts::load(files);
    match warnings.first() {
        None => Ok(certs),
        Some(warning) => Err(Refusal::config("bot-cert-unreadable", warning.to_string())
            .hint("give the public half: an armoured certificate, or an SSH public key line")),
    }
}

/// Reads a file that an argument names.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    std::fs::read(path).map_err(|error| {
        Refusal::config("file-unreadable", format!("cannot read {}: {error}", path.display()))
            .into()
    })
}

/// Returns the working folder, against which relative paths are read.
pub fn working_folder() -> Result<PathBuf> {
    std::env::current_dir().map_err(|error| {
        Problem::permanent(
            "no-working-folder",
            format!("the working folder cannot be told: {error}"),
        )
        .because(error)
        .into()
    })
}

fn cache_folder(named: Option<&Path>) -> Result<PathBuf> {
    let from =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = named.map(Path::to_owned);
    let folder = folder.or_else(|| from("XDG_CACHE_HOME").map(|home| home.join("lockkeeper")));
    let folder = folder.or_else(|| from("HOME").map(|home| home.join(".cache/lockkeeper")));
    let folder = folder.ok_or_else(|| {
        Refusal::config("no-cache-folder", "neither HOME nor XDG_CACHE_HOME is set")
            .hint("name a folder with --cache")
    })?;
    // git runs in the mirrors themselves, where a relative path would mean another place.
    Ok(working_folder()?.join(folder))
}

/// Makes the folder that results are left in; what stands in it already is not overwritten.
///
/// # Errors
/// Refuses (exit code 2) a folder that is not empty, and a path that is no folder.
pub fn output_folder(path: &Path) -> Result<()> {
    let refuse = |words: String| {
        Refusal::config("output-not-empty", words).hint("name a folder that is new or empty")
    };
    match std::fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(refuse(format!("{} is not empty", path.display())).into()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => std::fs::create_dir_all(path)
            .map_err(|error| {
                Refusal::config(
                    "output-not-made",
                    format!("cannot make {}: {error}", path.display()),
                )
                .into()
            }),
        Err(error) => Err(refuse(format!("{} is no folder: {error}", path.display())).into()),
    }
}
