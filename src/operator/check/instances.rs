//! The dist-gits of a file.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::super::instance::{DistTags, Instance, LookasideAccess, Packages, RepositoryTemplate};
use super::super::{file, rules};
use super::Desk;
use crate::config::TagTrust;
use crate::config::faults::{Found, KeyPath};
use crate::config::rules::{Checked, branch, package};
use crate::names::{ForgeName, InstanceName};
use crate::outcome::printable;

/// Checks all of them; `forges` are the names that packages may be listed from.
pub(super) fn instances(
    written: &[file::Instance],
    forges: &[&str],
    desk: &mut Desk<'_>,
) -> Vec<Instance> {
    let mut seen = HashSet::new();
    let mut instances = Vec::new();
    for (index, written) in written.iter().enumerate() {
        let at = KeyPath::of("instances").index(index);
        desk.unique(&mut seen, written.name.as_ref(), &at);
        instances.extend(instance(written, forges, &at, desk));
    }
    instances
}

fn instance(
    written: &file::Instance,
    forges: &[&str],
    at: &KeyPath,
    desk: &mut Desk<'_>,
) -> Option<Instance> {
    let name = desk.optional(written.name.as_deref(), &at.key("name"), rules::name::<InstanceName>);
    let git = desk.optional(written.git.as_deref(), &at.key("git"), template);
    let lookaside = written.lookaside.as_ref();
    let lookaside = lookaside.and_then(|written| lookaside_of(written, &at.key("lookaside"), desk));
    let packages = written.packages.as_ref();
    let packages =
        packages.and_then(|written| packages_of(written, forges, &at.key("packages"), desk));
    let branches = rules::globs(&written.branches, &at.key("branches"));
    let branches = desk.take(branches);
    let dist_tags = dist_tags(&written.dist_tags, &at.key("dist_tags"), desk);
    Some(Instance {
        name: name?,
        git: git?,
        lookaside: lookaside?,
        packages: packages?,
        branches: branches?,
        dist_tags,
        allow_file_sources: written.allow_file_sources,
        tag_trust: written.tags.unwrap_or(TagTrust::Signed),
    })
}

/// Checks the address of repositories. Credentials in it would stand in every log of git's; they come from git's own
/// configuration.
fn template(text: &str, at: &KeyPath) -> Checked<RepositoryTemplate> {
    let refuse = |words: String, hint: &str| {
        Err(Found::new("operator-bad-address", at, words).hint(hint.to_owned()))
    };
    match text.parse::<RepositoryTemplate>() {
        Err(error) => refuse(
            error.why,
            "write an https, ssh or file address with {name}, such as https://dist-git.example/rpms/{name}.git",
        ),
        Ok(template) if template.holds_credentials() => refuse(
            "holds a password or token".to_owned(),
            "let git find it: a credential helper, or ssh",
        ),
        Ok(template) => Ok(template),
    }
}

fn lookaside_of(
    written: &file::Lookaside,
    at: &KeyPath,
    desk: &mut Desk<'_>,
) -> Option<LookasideAccess> {
    let upload_at = at.key("upload");
    let upload = match written.upload.as_deref()? {
        text if text.contains("://") && !text.starts_with("file:") => {
            desk.optional(Some(text), &upload_at, rules::web).map(|url| url.to_string())
        }
        text => {
            let path = text.strip_prefix("file://").unwrap_or(text);
            desk.path(path, &upload_at).map(|path| path.to_string_lossy().into_owned())
        }
    };
    let download = desk.optional(written.download.as_deref(), &at.key("download"), rules::web);
    let certificate = written.certificate_file.as_deref();
    let certificate = certificate.map(|text| desk.secret(text, &at.key("certificate_file")));
    let authority = written.ca.as_deref().map(|text| desk.path(text, &at.key("ca")));
    let timeout = desk.time(
        written.timeout.as_deref(),
        &at.key("timeout"),
        Duration::from_secs(120),
        Duration::from_secs(1)..=Duration::from_secs(86_400),
    );
    Some(LookasideAccess {
        upload: upload?,
        download: download.map(|url| url.to_string()),
        client_certificate: match certificate {
            Some(certificate) => Some(certificate?),
            None => None,
        },
        certificate_authority: match authority {
            Some(authority) => Some(authority?),
            None => None,
        },
        timeout,
        attempts: written.attempts.unwrap_or(4),
    })
}

fn packages_of(
    written: &file::Packages,
    forges: &[&str],
    at: &KeyPath,
    desk: &mut Desk<'_>,
) -> Option<Packages> {
    let matching = rules::globs(&written.matching, &at.key("match"));
    let matching = desk.take(matching)?;
    let is_listed = written.list.is_some() || written.file.is_some();
    if is_listed && !written.matching.is_empty() {
        let words = "belongs beside `directory` or `forge`";
        desk.fault("operator-choice", &at.key("match"), words, "list the names that you mean");
    }
    if written.namespace.is_some() && written.forge.is_none() {
        let words = "belongs beside `forge`";
        desk.fault("operator-choice", &at.key("namespace"), words, "name an entry of `forges`");
    }
    match (&written.directory, &written.list, &written.file, &written.forge) {
        (Some(folder), None, None, None) => {
            let folder = desk.path(folder, &at.key("directory"))?;
            Some(Packages::Directory { folder, matching })
        }
        (None, Some(names), None, None) => {
            Some(Packages::List(desk.each(names, &at.key("list"), package)))
        }
        (None, None, Some(file), None) => desk.path(file, &at.key("file")).map(Packages::File),
        (None, None, None, Some(forge)) => namespace(forge, written, matching, forges, at, desk),
        _ => {
            let words = "must have exactly one of `directory`, `list`, `file` and `forge`";
            desk.fault("operator-choice", at, words, "");
            None
        }
    }
}

fn namespace(
    forge: &str,
    written: &file::Packages,
    matching: globset::GlobSet,
    forges: &[&str],
    at: &KeyPath,
    desk: &mut Desk<'_>,
) -> Option<Packages> {
    let forge_at = at.key("forge");
    if !forges.contains(&forge) {
        let words = format!("`{}` is no entry of `forges`", printable(forge, 60));
        let hint = format!("known there: {}", forges.join(", "));
        desk.fault("operator-unknown-forge", &forge_at, &words, &hint);
    }
    let name = desk.optional(Some(forge), &forge_at, rules::name::<ForgeName>);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let namespace = written.namespace.as_deref().filter(|text| {
        !text.is_empty()
            && text.chars().all(plain)
            && !text.split('/').any(|part| part == ".." || part.is_empty())
    });
    if namespace.is_none() {
        let words = "beside `forge`, a namespace is needed: letters, digits and . _ - /";
        desk.fault("config-missing-key", &at.key("namespace"), words, "write namespace: rpms");
    }
    Some(Packages::Namespace { forge: name?, namespace: namespace?.to_owned(), matching })
}

fn dist_tags(written: &BTreeMap<String, String>, at: &KeyPath, desk: &mut Desk<'_>) -> DistTags {
    let mut tags = BTreeMap::new();
    for (name, tag) in written {
        let at = at.key(name);
        let (name, tag) = (branch(name, &at), rules::dist_tag(tag, &at));
        if let (Some(name), Some(tag)) = (desk.take(name), desk.take(tag)) {
            tags.insert(name, tag);
        }
    }
    DistTags(tags)
}
