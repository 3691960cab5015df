//! The dist-git objects by which a signer checks a commit, to be carried to a process that has no repository.
//!
//! They are carried, not looked up in a shared mirror: a mirror that the asking process can write to would have to be
//! hashed again anyway, and one that it cannot write to would need a fetch of its own. Each object gets its id from
//! its content where it arrives, so an object can be left out but not replaced: what the parent commit's id stands
//! for is all that the signer can ever see.

use std::collections::HashSet;

use crate::bot_certs::BotCerts;
use crate::config::{FILE_NAME, ListedKey};
use crate::gate::CommitObject;
use crate::git::{Commit, EntryMode, Object, Objects, Store};
use crate::ledger::{self, Entry, KEYS};
use crate::names::ObjectId;
use crate::outcome::Result;

use super::SigningRequest;

/// Gathers what the signer will read: the parent and the commits below it down to the bot's last publication, the
/// config, and the certificates.
///
/// # Errors
/// Refuses objects that cannot be read.
pub(super) fn gather(request: &SigningRequest<'_>, bot_certs: &BotCerts) -> Result<Vec<Object>> {
    let mut bag = Bag { objects: request.dist_git, known: HashSet::new(), found: Vec::new() };
    let commit = CommitObject::parse(request.unsigned_commit)?;
    // Any other number of parents is for the signer to refuse.
    let [parent] = commit.parents() else { return Ok(Vec::new()) };
    let parent = bag.commit(parent)?;
    bag.path(&parent.tree, FILE_NAME)?;
    bag.folder(&parent.tree, KEYS)?;
    for path in named_certificates(request.dist_git, &parent)? {
        bag.path(&parent.tree, &path)?;
    }
    let mut current = parent;
    while ledger::own_publication(&current, request.target, bot_certs).is_none() {
        let Some(next) = current.parents.first().copied() else { break };
        current = bag.commit(&next)?;
    }
    Ok(bag.found)
}

/// Returns the paths of the certificates that the config names itself.
fn named_certificates(objects: &Objects, parent: &Commit) -> Result<Vec<String>> {
    let Entry::OptedIn(config) = ledger::enter(objects, parent)? else { return Ok(Vec::new()) };
    let named = config.signing.keys.iter().filter_map(|key| match key {
        ListedKey::OpenPgp { certificate, .. } => certificate.as_ref().map(ToString::to_string),
        ListedKey::Ssh(_) => None,
    });
    Ok(named.collect())
}

/// Makes carried objects readable under the ids that their content gives them, in memory only.
///
/// # Errors
/// Refuses an object that is part of a SHA-1 collision.
pub(super) fn unpack(store: &Store, carried: &[Object]) -> Result<Objects> {
    let objects = store.scratch();
    for object in carried {
        objects.write(object.kind, &object.data)?;
    }
    Ok(objects)
}

/// Objects gathered so far, each once.
struct Bag<'a> {
    objects: &'a Objects,
    known: HashSet<ObjectId>,
    found: Vec<Object>,
}

impl Bag<'_> {
    fn add(&mut self, id: &ObjectId) -> Result<()> {
        if self.known.insert(*id) {
            self.found.push(self.objects.read(id)?);
        }
        Ok(())
    }

    fn commit(&mut self, id: &ObjectId) -> Result<Commit> {
        self.add(id)?;
        self.objects.commit(id)
    }

    /// Adds the trees on the way to `path` and what stands there.
    fn path(&mut self, root: &ObjectId, path: &str) -> Result<()> {
        let mut folder = *root;
        for component in path.split('/') {
            let entries = self.objects.tree(&folder)?;
            // Nobody needs to be told what the empty tree holds, and git keeps it nowhere.
            if entries.is_empty() {
                return Ok(());
            }
            self.add(&folder)?;
            let Some(entry) = entries.into_iter().find(|entry| entry.name == component) else {
                return Ok(());
            };
            if entry.mode != EntryMode::Tree && entry.mode != EntryMode::Submodule {
                return self.add(&entry.id);
            }
            folder = entry.id;
        }
        Ok(())
    }

    /// Adds a folder and everything right in it.
    fn folder(&mut self, root: &ObjectId, name: &str) -> Result<()> {
        self.path(root, name)?;
        let Some(folder) = self.objects.entry_at(root, name)? else { return Ok(()) };
        if folder.mode != EntryMode::Tree {
            return Ok(());
        }
        self.add(&folder.id)?;
        for entry in self.objects.tree(&folder.id)? {
            if entry.mode != EntryMode::Submodule {
                self.add(&entry.id)?;
            }
        }
        Ok(())
    }
}
