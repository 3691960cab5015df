//! What a commit of the bot's says of itself: the trailers of design section 6.
//!
//! They are the schema by which a later run finds out what was published. They are believed only on commits
//! that the bot's own key signed, which is not this room's business.

use std::fmt;

use crate::names::{BranchName, Evr, ObjectId, PackageName, TagName};
use crate::trailers::{Trailer, Trailers};

/// The dist-git branch that a commit was made for, written `hello#f44`.
///
/// A branch that was fast-forwarded to another one carries that one's commits; by this they are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DistGitTarget {
    /// The package.
    pub package: PackageName,
    /// The dist-git branch.
    pub branch: BranchName,
}

impl fmt::Display for DistGitTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.package, self.branch)
    }
}

/// The trailers of one publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The source commit whose content was published.
    pub source_commit: ObjectId,
    /// The source-git repository, without credentials.
    pub repository: String,
    /// The source-git branch.
    pub branch: BranchName,
    /// The key that opened the gate: `openpgp:FINGERPRINT` or `ssh:SHA256:…`.
    pub signer: String,
    /// The dist-git branch that the commit was made for.
    pub target: DistGitTarget,
    /// The release tag, and the object that it pointed to.
    pub release_tag: (TagName, ObjectId),
    /// What was published; `None` where `%autorelease` was kept and no EVR is claimed.
    pub evr: Option<Evr>,
    /// The mechanism, or the image with its digest.
    pub population: String,
    /// The program and its version.
    pub generated_by: String,
}

const SOURCE_COMMIT: &str = "From-source-git-commit";
const REPOSITORY: &str = "Source-git-repository";
const BRANCH: &str = "Source-git-branch";
const SIGNER: &str = "Source-git-signer";
const TARGET: &str = "Dist-git-target";
const RELEASE_TAG: &str = "Release-tag";
const EVR: &str = "Published-EVR";
const POPULATION: &str = "Population";
const GENERATED_BY: &str = "Generated-by";

/// What this build of the program calls itself in [`Publication::generated_by`].
pub const GENERATOR: &str = concat!("lockkeeper ", env!("CARGO_PKG_VERSION"));

impl Publication {
    /// Reads the trailers; `None` where one is missing, repeated or malformed.
    pub fn read(trailers: &Trailers) -> Option<Publication> {
        let (package, branch) = trailers.get(TARGET)?.split_once('#')?;
        let (tag, tag_object) = trailers.get(RELEASE_TAG)?.rsplit_once(' ')?;
        let evr = match trailers.find(EVR) {
            Trailer::Absent => None,
            Trailer::Once(text) => Some(text.parse().ok()?),
            Trailer::Repeated => return None,
        };
        Some(Publication {
            source_commit: trailers.get(SOURCE_COMMIT)?.parse().ok()?,
            repository: trailers.get(REPOSITORY)?.to_owned(),
            branch: trailers.get(BRANCH)?.parse().ok()?,
            signer: trailers.get(SIGNER)?.to_owned(),
            target: DistGitTarget { package: package.parse().ok()?, branch: branch.parse().ok()? },
            release_tag: (tag.parse().ok()?, tag_object.parse().ok()?),
            evr,
            population: trailers.get(POPULATION)?.to_owned(),
            generated_by: trailers.get(GENERATED_BY)?.to_owned(),
        })
    }

    /// Returns the trailers as the last paragraph of a commit message, a line each.
    pub fn to_paragraph(&self) -> String {
        let (tag, tag_object) = &self.release_tag;
        let mut lines = vec![
            format!("{SOURCE_COMMIT}: {}", self.source_commit),
            format!("{REPOSITORY}: {}", self.repository),
            format!("{BRANCH}: {}", self.branch),
            format!("{SIGNER}: {}", self.signer),
            format!("{TARGET}: {}", self.target),
            format!("{RELEASE_TAG}: {tag} {tag_object}"),
        ];
        lines.extend(self.evr.as_ref().map(|evr| format!("{EVR}: {evr}")));
        lines.push(format!("{POPULATION}: {}", self.population));
        lines.push(format!("{GENERATED_BY}: {}", self.generated_by));
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Publication {
        let id = |digit: &str| digit.repeat(40).parse::<ObjectId>().unwrap();
        Publication {
            source_commit: id("1"),
            repository: "https://forge.example/pkg/hello.git".to_owned(),
            branch: "main".parse().unwrap(),
            signer: "openpgp:ABCD".to_owned(),
            target: DistGitTarget {
                package: "hello".parse().unwrap(),
                branch: "f44".parse().unwrap(),
            },
            release_tag: ("v1.2.0".parse().unwrap(), id("2")),
            evr: Some("0:1.2.0-4".parse().unwrap()),
            population: "archive".to_owned(),
            generated_by: GENERATOR.to_owned(),
        }
    }

    fn read(message: &str) -> Option<Publication> {
        Publication::read(&Trailers::parse(message.as_bytes()))
    }

    #[test]
    fn what_is_written_is_read_again() {
        let message =
            format!("Update to 1.2.0-4 from main\n\n- item\n\n{}", example().to_paragraph());
        assert_eq!(read(&message), Some(example()));
        let kept = Publication { evr: None, ..example() };
        assert_eq!(read(&format!("Sync main\n\n{}", kept.to_paragraph())), Some(kept));
    }

    #[test]
    fn trailers_are_believed_from_the_last_paragraph_only_and_each_key_once() {
        let paragraph = example().to_paragraph();
        assert_eq!(read(&format!("subject\n\n{paragraph}\nand more words\n")), None);
        let doubled = format!("subject\n\n{paragraph}Published-EVR: 0:9-9\n");
        assert_eq!(read(&doubled), None);
        assert_eq!(read("subject\n\nFrom-source-git-commit: abc\n"), None);
    }
}
