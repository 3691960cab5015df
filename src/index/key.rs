//! One repository, however its address is written.

use std::collections::BTreeMap;
use std::fmt;

use crate::names::RepositoryAddress;

/// A repository by the form of its address that is compared: `forge.example/group/project`.
///
/// Scheme, user, default port, `.git`, slashes at the end and case do not tell repositories apart here, and hosts
/// are called by the name that the operator says counts. Two repositories that share a key, such as two of a forge
/// that tells case apart, cost a look each at what the other's deliveries name, and nothing else: what is published
/// from where is read from dist-git.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryKey(String);

/// Hosts by other names than their own, from the operator config.
#[derive(Debug, Clone, Default)]
pub struct Hosts(BTreeMap<String, String>);

impl Hosts {
    /// Takes the map of the operator config: the name that is written, and the one that counts.
    pub fn new(renamed: &BTreeMap<String, String>) -> Hosts {
        let lower = renamed
            .iter()
            .map(|(written, counts)| (written.to_ascii_lowercase(), counts.to_ascii_lowercase()));
        Hosts(lower.collect())
    }

    /// Returns the name that counts; a renamed host may have been renamed again.
    fn counts<'h>(&'h self, written: &'h str) -> &'h str {
        let mut name = written;
        for _ in 0..8 {
            match self.0.get(name) {
                Some(next) if next != name => name = next,
                _ => break,
            }
        }
        name
    }
}

impl RepositoryKey {
    /// Returns the key of an address that a branch config names.
    pub fn of(address: &RepositoryAddress, hosts: &Hosts) -> RepositoryKey {
        let text = match address.local_path() {
            Some(path) => format!("file://{}", path.display()),
            None => address.to_string(),
        };
        // An address that was parsed has a scheme, and a host or a path.
        RepositoryKey::of_text(&text, hosts).unwrap_or(RepositoryKey(text))
    }

    /// Returns the key of an address from a payload; `None` where it is none.
    pub fn of_text(text: &str, hosts: &Hosts) -> Option<RepositoryKey> {
        let text = text.trim();
        if text.len() > 2000 || text.chars().any(char::is_control) {
            return None;
        }
        match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => local(rest),
            Some((scheme, rest)) => remote(&scheme.to_ascii_lowercase(), rest, hosts),
            None if text.starts_with('/') => local(text),
            // `git@host:path`, as git reads it.
            None => {
                let (host, path) = text.split_once(':').filter(|(host, _)| !host.contains('/'))?;
                remote("ssh", &format!("{host}/{}", path.trim_start_matches('/')), hosts)
            }
        }
    }

    /// Reads a key as the database holds it.
    pub fn stored(text: String) -> RepositoryKey {
        RepositoryKey(text)
    }

    /// Returns the compared form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the host, where there is one: what politeness is counted by.
    pub fn host(&self) -> Option<&str> {
        let (host, _) = self.0.split_once('/')?;
        (!host.is_empty() && !host.ends_with(':')).then_some(host)
    }
}

impl fmt::Display for RepositoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The path of a folder keeps its case: the file system tells it apart.
fn local(path: &str) -> Option<RepositoryKey> {
    let path = without_ending(path);
    path.starts_with('/').then(|| RepositoryKey(format!("file://{path}")))
}

fn remote(scheme: &str, rest: &str, hosts: &Hosts) -> Option<RepositoryKey> {
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.to_ascii_lowercase();
    let host = match (scheme, host.rsplit_once(':')) {
        ("https", Some((name, "443")))
        | ("http", Some((name, "80")))
        | ("ssh", Some((name, "22")))
        | ("git", Some((name, "9418"))) => name.to_owned(),
        _ => host,
    };
    let host = hosts.counts(host.trim_end_matches('.'));
    let path: Vec<&str> = without_ending(path).split('/').filter(|part| !part.is_empty()).collect();
    if host.is_empty() || path.is_empty() {
        return None;
    }
    Some(RepositoryKey(format!("{host}/{}", path.join("/").to_ascii_lowercase())))
}

fn without_ending(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let renamed = [
            ("old.example", "Forge.example"),
            ("older.example", "old.example"),
            ("forge.example:2222", "forge.example"),
            ("loop-a", "loop-b"),
            ("loop-b", "loop-a"),
        ];
        Hosts::new(&renamed.map(|(from, to)| (from.to_owned(), to.to_owned())).into())
    }

    #[test]
    fn spellings_of_one_repository_have_one_key() {
        for text in [
            "https://forge.example/pkg/hello.git",
            "https://forge.example/pkg/hello",
            "https://forge.example/pkg/hello/",
            "https://forge.example/pkg/hello.git/",
            "https://forge.example//pkg/hello",
            "https://Forge.Example/pkg/Hello.git",
            "https://forge.example:443/pkg/hello.git",
            "https://me:token@forge.example/pkg/hello.git",
            "http://forge.example/pkg/hello",
            "http://forge.example:80/pkg/hello",
            "ssh://git@forge.example/pkg/hello.git",
            "ssh://forge.example:22/pkg/hello.git",
            "ssh://git@forge.example:2222/pkg/hello.git",
            "git@forge.example:pkg/hello.git",
            "forge.example:/pkg/hello",
            "git://forge.example/pkg/hello.git",
            "https://old.example/pkg/hello",
            "https://older.example./pkg/hello",
            "https://forge.example/pkg/hello?x#y",
            " HTTPS://forge.example/pkg/hello ",
        ] {
            let key = RepositoryKey::of_text(text, &hosts()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(key.as_str(), "forge.example/pkg/hello", "{text}");
            assert_eq!(key.host(), Some("forge.example"));
        }
    }

    #[test]
    fn other_repositories_have_other_keys() {
        let keys: std::collections::BTreeSet<_> = [
            "https://forge.example/pkg/hello",
            "https://forge.example/hello",
            "https://forge.example:8443/pkg/hello",
            "https://other.example/pkg/hello",
            "file:///pkg/hello",
            "/pkg/Hello",
            "https://forge.example/pkg/hello.git.git",
            "https://loop-a/x",
        ]
        .into_iter()
        .map(|text| RepositoryKey::of_text(text, &hosts()).unwrap())
        .collect();
        assert_eq!(keys.len(), 8);
    }

    #[test]
    fn folders_keep_their_case_and_have_no_host() {
        let of = |text| RepositoryKey::of_text(text, &Hosts::default()).unwrap();
        assert_eq!(of("file:///Srv/hello.git"), of("/Srv/hello/"));
        assert_eq!(of("/Srv/hello").as_str(), "file:///Srv/hello");
        assert_eq!(of("/Srv/hello").host(), None);
    }

    #[test]
    fn what_is_no_address_has_no_key() {
        for text in ["", "hello", "https://", "https:///x", "https://forge.example/", "a/b:c", "\n"]
        {
            assert_eq!(RepositoryKey::of_text(text, &hosts()), None, "{text:?}");
        }
    }

    #[test]
    fn an_address_of_a_config_has_the_key_of_its_text() {
        for text in ["git@forge.example:pkg/hello.git", "https://forge.example/pkg/hello", "/srv/x"]
        {
            let address: RepositoryAddress = text.parse().unwrap();
            let of_text = RepositoryKey::of_text(text, &hosts());
            assert_eq!(Some(RepositoryKey::of(&address, &hosts())), of_text);
        }
    }
}
