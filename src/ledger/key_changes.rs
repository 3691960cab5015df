//! What changed among the keys since the last publication: pure, and named in every report.
//!
//! Whoever may write to dist-git may list a key of his own. The change is legitimate more often than not, so it stops
//! nothing; but it is said, each time until the next publication, so that it is not made unseen.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{ListedKey, Signing};
use crate::openpgp::Certificates;
use crate::outcome::printable;

/// The keys of one state of a branch: those that the config lists, and the certificates that lie there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyList {
    /// From a key's name to all that is written of it.
    listed: BTreeMap<String, String>,
    /// Fingerprints.
    certificates: BTreeSet<String>,
}

impl KeyList {
    /// Takes down the keys of a config and the branch's own certificates.
    pub fn new(signing: &Signing, certificates: &Certificates) -> KeyList {
        KeyList {
            listed: signing.keys.iter().map(written).collect(),
            certificates: certificates.fingerprints().iter().map(ToString::to_string).collect(),
        }
    }

    /// Says what is different in `now`, a sentence each; nothing where nothing is.
    pub fn changes(&self, now: &KeyList) -> Vec<String> {
        let mut words = Vec::new();
        for (key, line) in &now.listed {
            match self.listed.get(key) {
                None => words.push(format!("{key} may sign now, and might not then")),
                Some(then) if then != line => {
                    words.push(format!("{key} is listed as {line:?} now, and was as {then:?}"));
                }
                Some(_) => {}
            }
        }
        let gone = self.listed.keys().filter(|key| !now.listed.contains_key(*key));
        words.extend(gone.map(|key| format!("{key} might sign then, and may not now")));
        let new = now.certificates.difference(&self.certificates);
        words.extend(new.map(|fingerprint| format!("the certificate {fingerprint} is new")));
        let gone = self.certificates.difference(&now.certificates);
        words.extend(gone.map(|fingerprint| format!("the certificate {fingerprint} is gone")));
        words
    }
}

fn written(key: &ListedKey) -> (String, String) {
    match key {
        ListedKey::OpenPgp { fingerprint, .. } => {
            (format!("openpgp:{fingerprint}"), fingerprint.to_string())
        }
        ListedKey::Ssh(signer) => {
            let principals = signer.principals().join(",");
            let line = format!("{} {principals}", signer.as_str());
            (format!("ssh:{}", signer.fingerprint()), printable(line.trim(), 300))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(listed: &[(&str, &str)], certificates: &[&str]) -> KeyList {
        let pair = |(key, line): &(&str, &str)| ((*key).to_owned(), (*line).to_owned());
        KeyList {
            listed: listed.iter().map(pair).collect(),
            certificates: certificates.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn each_change_of_keys_is_a_sentence() {
        let then = list(&[("openpgp:A", "A"), ("ssh:B", "ssh-ed25519 B")], &["A", "C"]);
        assert_eq!(then.changes(&then.clone()), Vec::<String>::new());
        let table: [(KeyList, &[&str]); 4] = [
            (
                list(&[("openpgp:A", "A")], &["A", "C"]),
                &["ssh:B might sign then, and may not now"],
            ),
            (
                list(
                    &[("openpgp:A", "A"), ("ssh:B", "ssh-ed25519 B"), ("openpgp:E", "E")],
                    &["A", "C", "E"],
                ),
                &["openpgp:E may sign now, and might not then", "the certificate E is new"],
            ),
            (
                list(&[("openpgp:A", "A"), ("ssh:B", "cert-authority ssh-ed25519 B")], &["A", "C"]),
                &[
                    "ssh:B is listed as \"cert-authority ssh-ed25519 B\" now, and was as \"ssh-ed25519 B\"",
                ],
            ),
            (
                list(&[("openpgp:A", "A"), ("ssh:B", "ssh-ed25519 B")], &["A"]),
                &["the certificate C is gone"],
            ),
        ];
        for (now, wanted) in table {
            assert_eq!(then.changes(&now), wanted);
        }
    }
}
