//! The environment of a container: `LOCKKEEPER_*`, which mirror the request, and what the branch adds.

use super::request::Request;
use crate::config::Mechanism;

/// Where the folders of the contract are, inside.
pub const SOURCE: &str = "/source";
/// The dist-git tip's files.
pub const DIST_GIT: &str = "/dist-git";
/// The released tarball.
pub const UPSTREAM: &str = "/upstream";
/// The request.
pub const ASKED: &str = "/lockkeeper";
/// What the container fills.
pub const OUTPUT: &str = "/output";

/// Returns every variable that the contract names, in order.
///
/// The branch's own come first in the list and last in rank: a name that the contract uses cannot be one of them
/// (the config check refuses it), and if it were, the contract's would win.
pub(super) fn variables(request: &Request) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        vec![("HOME".to_owned(), "/tmp".to_owned()), ("LC_ALL".to_owned(), "C.UTF-8".to_owned())];
    all.push(("SOURCE_DATE_EPOCH".to_owned(), request.source.committed.max(0).to_string()));
    // The source belongs to another user than the one inside, and git would not look at it.
    all.extend(safe_folder());
    let ours = ours(request);
    let is_ours =
        |name: &String| name.starts_with("LOCKKEEPER_") || ours.iter().any(|(own, _)| own == name);
    let added = request.env.iter().filter(|(name, _)| !is_ours(name));
    for (name, value) in added {
        all.retain(|(known, _)| known != name);
        all.push((name.clone(), value.clone()));
    }
    all.extend(ours);
    all
}

fn ours(request: &Request) -> Vec<(String, String)> {
    let mechanism = match request.config.mechanism {
        Mechanism::Archive => "archive",
        Mechanism::TagArchive => "tag-archive",
        Mechanism::UpstreamTarball => "upstream-tarball",
    };
    let mut ours: Vec<(&str, String)> = vec![
        ("ARCHIVE", request.archive.file.to_string()),
        ("BRANCH", request.dist_git.branch.to_string()),
        ("CONTRACT", request.contract.to_string()),
        ("DIST", request.dist_git.dist.clone().unwrap_or_default()),
        ("DIST_GIT", DIST_GIT.to_owned()),
        ("DIST_GIT_COMMIT", request.dist_git.commit.to_string()),
        ("EPOCH", request.epoch.to_string()),
        ("MECHANISM", mechanism.to_owned()),
        ("OUTPUT", OUTPUT.to_owned()),
        ("PACKAGE", request.package.to_string()),
        ("RELEASE", request.release.clone()),
        ("REQUEST", format!("{ASKED}/request.json")),
        ("SOURCE", SOURCE.to_owned()),
        ("SOURCE_BRANCH", request.source.branch.to_string()),
        ("SOURCE_COMMIT", request.source.commit.to_string()),
        ("SPEC", request.spec.path.to_string()),
        ("TAG", request.tag.name.to_string()),
        ("TAG_COMMIT", request.tag.commit.to_string()),
        ("TOP", request.archive.top.to_string()),
        ("VERSION", request.version.clone()),
    ];
    if let Some(upstream) = &request.upstream {
        ours.push(("UPSTREAM", format!("{UPSTREAM}/{}", upstream.file)));
    }
    ours.into_iter().map(|(name, value)| (format!("LOCKKEEPER_{name}"), value)).collect()
}

fn safe_folder() -> [(String, String); 3] {
    [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_VALUE_0", SOURCE),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
}
