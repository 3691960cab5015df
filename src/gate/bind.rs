//! Whether a commit was meant for this branch: the trailer `Lockkeeper-target: REPOSITORY#BRANCH`.
//!
//! REPOSITORY and BRANCH are those that the branch config tracks. The signature covers the trailer, so a
//! commit that carries it cannot be replayed on another branch or in another repository.

use crate::config::Source;
use crate::names::RepositoryAddress;
use crate::outcome::{Refusal, printable};
use crate::trailers::{Trailer, Trailers};

/// The trailer's key.
pub const TRAILER: &str = "Lockkeeper-target";

/// Checks the trailer of a tip; `required` is the config's `signing.bind`.
///
/// A trailer that names another target is refused even where none is required: its author says that
/// the commit is not for here.
///
/// # Errors
/// `target-missing`, `target-repeated` or `target-mismatch`.
pub fn check(trailers: &Trailers, source: &Source, required: bool) -> Result<(), Refusal> {
    let wanted = format!("{}#{}", source.repository, source.branch);
    match trailers.find(TRAILER) {
        Trailer::Absent if !required => Ok(()),
        Trailer::Absent => Err(missing(&wanted)),
        Trailer::Repeated => Err(repeated(&wanted)),
        Trailer::Once(found) if names(found, source) => Ok(()),
        Trailer::Once(found) => Err(mismatch(found, &wanted)),
    }
}

fn names(target: &str, source: &Source) -> bool {
    let Some((repository, branch)) = target.rsplit_once('#') else { return false };
    let same_place = match repository.parse::<RepositoryAddress>() {
        Ok(address) => place(&address.to_string()) == place(&source.repository.to_string()),
        Err(_) => false,
    };
    same_place && branch == source.branch.as_str()
}

/// Returns what two spellings of one repository have in common: host and path, without scheme, user, a
/// slash or `.git` at the end.
fn place(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or(host);
    let host = match scheme {
        "ssh" => host.strip_suffix(":22").unwrap_or(host),
        _ => host,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    format!("{}/{}", host.to_ascii_lowercase(), path.trim_end_matches('/'))
}

fn missing(wanted: &str) -> Refusal {
    let words = format!("the tip has no {TRAILER} trailer, which signing.bind requires");
    Refusal::new("target-missing", words).hint(format!("add `{TRAILER}: {wanted}` and sign again"))
}

fn repeated(wanted: &str) -> Refusal {
    let words = format!("the tip has more than one {TRAILER} trailer");
    Refusal::new("target-repeated", words)
        .hint(format!("keep one, `{TRAILER}: {wanted}`, and sign again"))
}

fn mismatch(found: &str, wanted: &str) -> Refusal {
    let found = printable(found, 200);
    let words = format!("the tip is meant for {found}, but this branch tracks {wanted}");
    Refusal::new("target-mismatch", words).hint(format!(
        "sign a commit that says `{TRAILER}: {wanted}`, or one without the trailer"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source {
            repository: "https://forge.example/pkg/hello.git".parse().expect("an address"),
            branch: "main".parse().expect("a branch"),
        }
    }

    #[test]
    fn the_trailer_must_name_the_tracked_branch() {
        let cases: &[(&str, bool, Option<&str>)] = &[
            ("", false, None),
            ("", true, Some("target-missing")),
            ("https://forge.example/pkg/hello.git#main", true, None),
            ("https://forge.example/pkg/hello#main", true, None),
            ("https://Forge.Example/pkg/hello/#main", true, None),
            ("ssh://git@forge.example/pkg/hello.git#main", true, None),
            ("git@forge.example:pkg/hello.git#main", true, None),
            ("https://forge.example:443/pkg/hello#main", true, None),
            ("https://forge.example/pkg/hello.git#f44", true, Some("target-mismatch")),
            ("https://forge.example/pkg/hello.git#f44", false, Some("target-mismatch")),
            ("https://forge.example/pkg/other.git#main", false, Some("target-mismatch")),
            ("https://forge.example:8443/pkg/hello#main", true, Some("target-mismatch")),
            ("https://evil.example/pkg/hello.git#main", false, Some("target-mismatch")),
            ("https://forge.example/pkg/hello.git", false, Some("target-mismatch")),
            ("#main", false, Some("target-mismatch")),
            ("a#main\nLockkeeper-target: b#main", false, Some("target-repeated")),
        ];
        for (target, required, wanted) in cases {
            let trailer = match target.is_empty() {
                true => String::new(),
                false => format!("\nLockkeeper-target: {target}\n"),
            };
            let trailers = Trailers::parse(format!("subject\n{trailer}").as_bytes());
            let code = check(&trailers, &source(), *required).err().map(|refusal| refusal.code.0);
            assert_eq!(code, *wanted, "{target:?} {required}");
        }
    }
}
