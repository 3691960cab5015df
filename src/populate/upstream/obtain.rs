//! Brings the released tarball of an order: the one step before population that may use the network.
//!
//! It is looked for, and the first place that has it is taken:
//!
//! 1. the operator's folder (`--upstream DIR`);
//! 2. the lookaside cache, by its digest, where dist-git's `sources` lists it for this tag already;
//! 3. `population.upstream.url`;
//! 4. Source0 of the spec.
//!
//! What came is copied into the run's own folder while it is hashed, so that what is judged is what is used, and
//! compared with everything that was written down about it ([`super::pin`]).

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::compression::{self, Expansion};
use super::download::{self, download};
use super::pin::{Claims, Pinning};
use super::source0::Wanted;
use super::tarball::Limits;
use crate::config::{Mechanism, UpstreamSignature};
use crate::decide::Order;
use crate::digest::{Digest, HashType, Hasher, Sha512};
use crate::ledger;
use crate::lookaside::Lookaside;
use crate::names::{FileName, Fingerprint, ObjectId};
use crate::observe::DistGit;
use crate::openpgp::Keyring;
use crate::outcome::{Fault, Problem, Refusal, Result};
use crate::populate::DraftArchive;
use crate::signer_id::Signer;
use crate::sources::SourcesFile;
use crate::trailers::Trailers;

/// The largest signature that is read.
const LARGEST_SIGNATURE: u64 = 64 * 1024;

/// How far clocks may differ.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Where released tarballs are looked for, and how they are judged.
pub struct Releases<'a> {
    /// A folder of tarballs at hand; they win over downloading.
    pub folder: Option<&'a Path>,
    /// The rules of downloads.
    pub downloads: download::Rules,
    /// The lookaside cache, where there is one.
    pub lookaside: Option<&'a Lookaside>,
    /// Folders of certificates besides the branch's own `keys/`.
    pub keyring: &'a [PathBuf],
    /// The time by which keys are judged.
    pub now: SystemTime,
}

/// A released tarball in the run's own folder.
#[derive(Debug, Clone)]
pub struct ReleaseTarball {
    /// Where it lies.
    pub path: PathBuf,
    /// Its name in `sources`.
    pub file: FileName,
    /// Its digest.
    pub sha512: Sha512,
    /// Its size.
    pub size: u64,
    /// What pins it.
    pub pinning: Pinning,
    /// Its signature, where one was checked.
    pub signature: Option<DraftArchive>,
    /// What a person might want to know.
    pub notes: Vec<String>,
}

/// Brings the tarball; `None` where the mechanism takes none.
///
/// # Errors
/// Refuses what contradicts a pin, and what download rules forbid; a file that is not there yet is a temporary
/// problem.
pub async fn obtain(
    order: &Order,
    dist_git: &DistGit,
    releases: &Releases<'_>,
    work: &Path,
) -> Result<Option<ReleaseTarball>> {
    if order.config.population.mechanism != Mechanism::UpstreamTarball {
        return Ok(None);
    }
    let search = Search {
        order,
        dist_git,
        releases,
        work,
        wanted: Wanted::of(order)?,
        listed: Listed::read(order, dist_git)?,
    };
    search.run().await.map(Some)
}

/// What `sources` says of earlier releases and of this one.
struct Listed {
    now: SourcesFile,
    before: SourcesFile,
}

impl Listed {
    /// Reads `sources` at the tip, less what the last publication of another tag or mechanism listed there: a
    /// Source0 without a version in its name is another file for each release.
    fn read(order: &Order, dist_git: &DistGit) -> Result<Listed> {
        let read = |tree: &ObjectId| -> Result<SourcesFile> {
            let objects = dist_git.store.objects();
            let entry = objects.entry_at(tree, "sources")?;
            let bytes = entry.map(|entry| objects.blob(&entry.id)).transpose()?;
            Ok(SourcesFile::parse(&bytes.unwrap_or_default())?)
        };
        let mut now = read(&dist_git.tip.tree)?;
        let tag = &order.release.tag;
        let of_other = order.published.as_ref().filter(|published| {
            published.publication.release_tag != (tag.name.clone(), tag.object)
                || published.publication.population != order.population()
        });
        let Some(published) = of_other else {
            return Ok(Listed { now, before: SourcesFile::default() });
        };
        let before = read(&published.tree)?;
        for entry in before.entries() {
            if now.digest_of(&entry.file) == Some(&entry.digest) {
                now.remove(&entry.file);
            }
        }
        Ok(Listed { now, before })
    }
}

struct Search<'a> {
    order: &'a Order,
    dist_git: &'a DistGit,
    releases: &'a Releases<'a>,
    work: &'a Path,
    wanted: Wanted,
    listed: Listed,
}

/// A file in the run's own folder, and its digest.
struct AtHand {
    path: PathBuf,
    sha512: Sha512,
    size: u64,
}

impl Search<'_> {
    async fn run(&self) -> Result<ReleaseTarball> {
        let file = &self.wanted.file;
        let claims = self.claims()?;
        let tarball = self.tarball().await?;
        self.must_be_new(&tarball)?;
        let signature = self.signature(&claims).await?;
        let verify = || -> Result<Fingerprint> {
            let (asked, signature) =
                signature.as_ref().expect("it is asked for with a signature only");
            self.verify(asked, signature, &tarball)
        };
        let verify: Option<&dyn Fn() -> Result<Fingerprint>> =
            if signature.is_some() { Some(&verify) } else { None };
        let pinning = claims.judge(file, &tarball.sha512, verify)?;
        let AtHand { path, sha512, size } = tarball;
        let signature = signature.map(|(_, signature)| signature.line());
        let notes = self.notes();
        Ok(ReleaseTarball { path, file: file.clone(), sha512, size, pinning, signature, notes })
    }

    fn claims(&self) -> Result<Claims> {
        let upstream = self.order.config.population.upstream.as_ref();
        let config = upstream.and_then(|upstream| upstream.sha512.as_deref());
        let config: Option<Sha512> =
            config.map(str::parse).transpose().map_err(|error: crate::names::NameError| {
                Refusal::config("upstream-pin-malformed", error.to_string())
            })?;
        let trailers = Trailers::parse(&self.order.source_commit.message);
        let trailers: Vec<String> = trailers.all("Upstream-sha512").map(str::to_owned).collect();
        let listed = Some(&self.listed.now);
        Ok(Claims::collect(&self.wanted.file, config.as_ref(), &trailers, listed)?)
    }

    async fn tarball(&self) -> Result<AtHand> {
        let destination = self.work.join(self.wanted.file.as_str());
        let names = std::iter::once(self.wanted.file.clone()).chain(self.wanted.name_there());
        if let Some(found) = self.in_folder(names) {
            return copy(&found, &destination);
        }
        if let Some(found) = self.in_lookaside(&destination).await? {
            return Ok(found);
        }
        let Some(address) = &self.wanted.address else { return Err(self.nowhere().into()) };
        let came = download(&self.releases.downloads, address, &destination).await?;
        Ok(AtHand { path: destination, sha512: came.sha512, size: came.size })
    }

    /// Finds the first of these names in the operator's folder.
    fn in_folder(&self, mut names: impl Iterator<Item = FileName>) -> Option<PathBuf> {
        let folder = self.releases.folder?;
        names.find_map(|name| Some(folder.join(name.as_str())).filter(|path| path.is_file()))
    }

    /// Takes from the lookaside cache what `sources` lists for this release.
    async fn in_lookaside(&self, destination: &Path) -> Result<Option<AtHand>> {
        let file = &self.wanted.file;
        let Some(lookaside) = self.releases.lookaside else { return Ok(None) };
        let Some(digest) = self.listed.now.digest_of(file) else { return Ok(None) };
        let package = &self.order.target.package;
        match lookaside.download(package, file, digest, destination).await {
            Ok(_) => hashed(destination).map(Some),
            // Somebody removed it; it may still be had from upstream, and must be the same file.
            Err(Fault::Refused(refusal)) if self.wanted.address.is_some() => {
                tracing::info!(%file, %refusal, "not in the lookaside cache");
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    fn nowhere(&self) -> Refusal {
        let file = &self.wanted.file;
        let folder = match self.releases.folder {
            Some(folder) => format!("is not in {}, ", folder.display()),
            None => String::new(),
        };
        let words =
            format!("{file} {folder}has no address in Source0, and `sources` does not list it");
        Refusal::new("upstream-nowhere", words).hint(
            "write the address into Source0 or population.upstream.url, or put the file into a folder named with \
             --upstream",
        )
    }

    /// Refuses the very file that was published for another tag: a Source0 that does not follow the version.
    fn must_be_new(&self, tarball: &AtHand) -> Result<(), Refusal> {
        let digest = Digest::from(&tarball.sha512);
        let is_old = self.listed.before.entries().iter().any(|entry| entry.digest == digest);
        let published = self.order.published.as_ref().map(|published| &published.publication);
        let tag = &self.order.release.tag.name;
        match published.filter(|published| is_old && published.release_tag.0 != *tag) {
            None => Ok(()),
            Some(published) => Err(Refusal::new(
                "upstream-not-new",
                format!(
                    "{} is byte for byte what was published for the tag {}, and the release is {tag} now",
                    self.wanted.file, published.release_tag.0
                ),
            )
            .hint("write Source0 with %{version}, or population.upstream.url with {version}")),
        }
    }

    /// Brings the detached signature, where the config asks for one. A tarball that `sources` lists was judged
    /// when it was listed; then the signature is looked at only where it is at hand.
    async fn signature(&self, claims: &Claims) -> Result<Option<(UpstreamSignature, Signature)>> {
        let upstream = self.order.config.population.upstream.as_ref();
        let Some(asked) = upstream.and_then(|upstream| upstream.signature.clone()) else {
            return Ok(None);
        };
        if let Some(found) = self.in_folder(self.wanted.signature_names().into_iter()) {
            return Ok(Some((asked, Signature::read(&found, self.work)?)));
        }
        if claims.are_listed() {
            return Ok(None);
        }
        let address = self.wanted.signature.as_deref().unwrap_or(&asked.url);
        let name = self.wanted.signature_names().into_iter().next();
        let name =
            name.ok_or_else(|| signature_refused(&self.wanted.file, "it has no file name"))?;
        let rules = download::Rules { cap: LARGEST_SIGNATURE, ..self.releases.downloads.clone() };
        let destination = self.work.join(name.as_str());
        download(&rules, address, &destination).await?;
        Ok(Some((asked, Signature::read(&destination, self.work)?)))
    }

    /// Judges the signature over the tarball; some projects sign the tar inside, before it is compressed.
    fn verify(
        &self,
        asked: &UpstreamSignature,
        signature: &Signature,
        tarball: &AtHand,
    ) -> Result<Fingerprint> {
        let (objects, config) = (self.dist_git.store.objects(), &self.order.config);
        let tip = &self.dist_git.tip;
        let (certificates, _) = ledger::certificates(&objects, tip, config, self.releases.keyring)?;
        let keyring = Keyring::new(asked.keys.iter().cloned(), certificates);
        let judge = |content: &mut dyn Read| {
            keyring.verify_detached(&signature.bytes, content, self.releases.now, TOLERANCE)
        };
        let whole = judge(&mut open(&tarball.path)?);
        let good = match whole {
            Err(refusal) if refusal.code.0 == "bad-signature" => {
                let Limits { total, ratio, .. } = Limits::default();
                let inside = compression::open(open(&tarball.path)?, Expansion { total, ratio });
                inside.ok().and_then(|mut inside| judge(&mut inside).ok()).ok_or(refusal)
            }
            judged => judged,
        };
        match good.map_err(|refusal| signature_refused(&self.wanted.file, &refusal.message))?.signer
        {
            Signer::OpenPgp { listed, .. } => Ok(listed),
            _ => Err(signature_refused(&self.wanted.file, "it is no OpenPGP signature").into()),
        }
    }

    fn notes(&self) -> Vec<String> {
        let version = self.order.plan.evr.version.as_str();
        let plain = version.split(['~', '^']).next().unwrap_or(version);
        let names = |text: &str| text.contains(plain);
        let is_named =
            names(self.wanted.file.as_str()) || self.wanted.address.as_deref().is_some_and(names);
        let words = format!("nothing in the name of {} says {version}", self.wanted.file);
        if is_named { Vec::new() } else { vec![words] }
    }
}

/// A detached signature in the run's own folder.
struct Signature {
    name: FileName,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Signature {
    /// Reads a signature, and keeps a copy where it is not in the run's folder yet.
    fn read(found: &Path, work: &Path) -> Result<Signature> {
        let name =
            found.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let name: FileName = name.expect("it was found by a name of this kind");
        let mut bytes = Vec::new();
        let read = open(found)?.take(LARGEST_SIGNATURE + 1).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(found, error))?;
        if bytes.len() as u64 > LARGEST_SIGNATURE {
            return Err(signature_refused(&name, "it is larger than 64 KiB").into());
        }
        let path = work.join(name.as_str());
        if path != found {
            std::fs::write(&path, &bytes).map_err(|error| unreadable(&path, error))?;
        }
        Ok(Signature { name, path, bytes })
    }

    /// Returns its line in `sources`.
    fn line(self) -> DraftArchive {
        DraftArchive {
            name: self.name,
            sha512: Sha512::of(&self.bytes),
            size: Some(self.bytes.len() as u64),
            path: Some(self.path),
        }
    }
}

fn signature_refused(file: &FileName, why: &str) -> Refusal {
    Refusal::new(
        "upstream-signature-bad",
        format!("the signature over {file} does not hold: {why}"),
    )
    .hint(
        "bring tarball and signature again; list the key that upstream signs with under \
         population.upstream.signature.keys, and its certificate in keys/",
    )
}

fn open(path: &Path) -> Result<File, Problem> {
    File::open(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: std::io::Error) -> Problem {
    let words = format!("cannot read or copy {}: {error}", path.display());
    Problem::permanent("upstream-file-unreadable", words).because(error)
}

/// Copies a file that is at hand into the run's own folder, and hashes it on the way.
fn copy(found: &Path, destination: &Path) -> Result<AtHand> {
    let failed = |error| unreadable(found, error);
    let mut copied = File::create(destination).map_err(failed)?;
    let (sha512, size) = pass(found, &mut copied)?;
    Ok(AtHand { path: destination.to_owned(), sha512, size })
}

fn hashed(path: &Path) -> Result<AtHand> {
    let (sha512, size) = pass(path, &mut std::io::sink())?;
    Ok(AtHand { path: path.to_owned(), sha512, size })
}

/// Reads a file once, hands it on, and returns digest and size.
fn pass(path: &Path, copied: &mut dyn Write) -> Result<(Sha512, u64)> {
    let failed = |error| unreadable(path, error);
    let (mut file, mut hasher, mut size) = (open(path)?, Hasher::new(HashType::Sha512), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            let digest = hasher.finish();
            let sha512 = digest.hex().parse().expect("a digest of the type that was asked for");
            return Ok((sha512, size));
        }
        hasher.update(&buffer[..count]);
        copied.write_all(&buffer[..count]).map_err(failed)?;
        size += count as u64;
    }
}
