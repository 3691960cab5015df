//! What is written to what may be relied on.
//!
//! Each section is checked whole and gives either its checked form or faults; so every fault of a file
//! is found in one reading. A section's form is missing only where a fault says why.

use std::collections::BTreeMap;

use super::faults::{Collector, Found, KeyPath};
use super::file::{self, OneOrMore};
use super::rules::{self, Checked};
use super::tag_expression;
use super::{
    BranchConfig, Build, Changelog, ListedKey, Notify, Population, ReleaseRules, Signing, Source,
    Spec, Tags, TreeIdentity, Upstream, UpstreamSignature, Validator,
};
use crate::names::TreePath;
use crate::outcome::printable;
use crate::ssh::AllowedSigner;

/// Checks a whole file.
pub(super) fn check(file: file::File, faults: &mut Collector) -> Option<BranchConfig> {
    let source = file.source.and_then(|written| source(&written, faults));
    let signing = file.signing.and_then(|written| signing(&written, faults));
    let population = population(file.population, faults);
    let tags = tags(file.tags, faults);
    let spec = spec(file.spec, faults);
    let packaging = tree_paths(&file.packaging, "packaging", faults);
    let tests = tree_paths(&file.tests, "tests", faults);
    let build = build(file.build, faults);
    let validate = validators(&file.validate, faults);
    let gating_tag = optional(file.gating.tag, "gating.tag", faults, rules::service_name);
    let notify = notify(file.notify, faults);
    Some(BranchConfig {
        source: source?,
        signing: signing?,
        population,
        tags,
        spec,
        release: ReleaseRules { epoch: file.release.epoch, auto: file.release.auto },
        changelog: changelog(&file.changelog),
        packaging,
        tests,
        divergence: file.divergence,
        delivery: file.delivery,
        build,
        validate,
        gating_tag,
        notify,
    })
}

/// Checks each item of a list with its own path.
fn each<W, T>(
    items: &[W],
    path: &KeyPath,
    faults: &mut Collector,
    check: impl Fn(&W, &KeyPath) -> Checked<T>,
) -> Vec<T> {
    let checked = items.iter().enumerate().map(|(index, item)| check(item, &path.index(index)));
    checked.filter_map(|checked| faults.take(checked)).collect()
}

/// Checks a value that may be left out.
fn optional<T>(
    written: Option<String>,
    path: &str,
    faults: &mut Collector,
    check: impl Fn(&str, &KeyPath) -> Checked<T>,
) -> Option<T> {
    faults.take(check(&written?, &KeyPath::of(path)))
}

fn tree_paths(written: &[String], path: &str, faults: &mut Collector) -> Vec<TreePath> {
    each(written, &KeyPath::of(path), faults, |text, path| rules::tree_path(text, path))
}

fn source(written: &file::Source, faults: &mut Collector) -> Option<Source> {
    let repository =
        optional(written.repository.clone(), "source.repository", faults, rules::repository);
    let branch = optional(written.branch.clone(), "source.branch", faults, rules::branch);
    Some(Source { repository: repository?, branch: branch? })
}

fn signing(written: &file::Signing, faults: &mut Collector) -> Option<Signing> {
    let path = KeyPath::of("signing.keys");
    let mut keys = Vec::new();
    for (index, key) in written.keys.as_ref()?.iter().enumerate() {
        keys.extend(listed_key(key, &path.index(index), faults));
    }
    Some(Signing { keys, require: written.require, bind: written.bind })
}

/// Checks one listed key: OpenPGP or SSH, and beside it only what belongs to its kind.
fn listed_key(key: &file::Key, path: &KeyPath, faults: &mut Collector) -> Option<ListedKey> {
    match (&key.openpgp, &key.ssh) {
        (Some(fingerprint), None) => openpgp_key(fingerprint, key, path, faults),
        (None, Some(line)) => ssh_key(line, key, path, faults),
        (Some(_), Some(_)) => {
            let words = "is both an OpenPGP and an SSH key";
            let fault = Found::new("config-key-kind", path, words);
            faults.add(fault.hint("make it two items of the list"));
            None
        }
        (None, None) => {
            let words = "names neither an OpenPGP nor an SSH key";
            let fault = Found::new("config-key-kind", path, words);
            faults.add_unless_known(fault.hint("write `openpgp: FINGERPRINT` or `ssh: TYPE KEY`"));
            None
        }
    }
}

fn openpgp_key(
    fingerprint: &str,
    key: &file::Key,
    path: &KeyPath,
    faults: &mut Collector,
) -> Option<ListedKey> {
    if key.principals.is_some() {
        faults.add(misplaced("principals", "openpgp", "ssh", path));
    }
    let fingerprint = faults.take(rules::fingerprint(fingerprint, &path.key("openpgp")));
    let certificate = match &key.certificate {
        None => None,
        Some(text) => Some(faults.take(rules::tree_path(text, &path.key("certificate")))?),
    };
    Some(ListedKey::OpenPgp { fingerprint: fingerprint?, certificate })
}

fn ssh_key(
    line: &str,
    key: &file::Key,
    path: &KeyPath,
    faults: &mut Collector,
) -> Option<ListedKey> {
    if key.certificate.is_some() {
        faults.add(misplaced("certificate", "ssh", "openpgp", path));
    }
    let principals = match &key.principals {
        None => Vec::new(),
        Some(OneOrMore::One(one)) => vec![one.clone()],
        Some(OneOrMore::More(more)) => more.clone(),
    };
    let signer = AllowedSigner::parse(line, &principals).map_err(|why| {
        Found::new("config-bad-ssh-key", &path.key("ssh"), printable(why, 500))
            .hint("write the line of an allowed-signers file after its principals: `ssh-ed25519 AAAA… name`")
    });
    faults.take(signer).map(ListedKey::Ssh)
}

fn misplaced(key: &str, beside: &str, belongs: &str, path: &KeyPath) -> Found {
    let words = format!("means nothing beside `{beside}`");
    let fault = Found::new("config-key-kind", &path.key(key), words).at_key();
    fault.hint(format!("`{key}` belongs beside `{belongs}`"))
}

fn population(written: file::Population, faults: &mut Collector) -> Population {
    let container = optional(written.container, "population.container", faults, rules::container);
    let default_identity = match container {
        Some(_) => TreeIdentity::Report,
        None => TreeIdentity::Required,
    };
    Population {
        mechanism: written.mechanism,
        container,
        network: written.network,
        env: variables(written.env, faults),
        identity: written.identity.unwrap_or(default_identity),
        upstream: written.upstream.map(|written| upstream(written, faults)),
    }
}

fn variables(
    written: BTreeMap<String, String>,
    faults: &mut Collector,
) -> BTreeMap<String, String> {
    let path = KeyPath::of("population.env");
    for (name, value) in &written {
        let path = path.key(name);
        faults.take(rules::variable_name(name, &path));
        faults.take(rules::argument("config-bad-env", value, &path));
    }
    written
}

fn upstream(written: file::Upstream, faults: &mut Collector) -> Upstream {
    Upstream {
        url: optional(written.url, "population.upstream.url", faults, rules::download),
        sha512: optional(written.sha512, "population.upstream.sha512", faults, rules::sha512),
        signature: written.signature.and_then(|written| upstream_signature(written, faults)),
    }
}

fn upstream_signature(
    written: file::UpstreamSignature,
    faults: &mut Collector,
) -> Option<UpstreamSignature> {
    let url = optional(written.url, "population.upstream.signature.url", faults, rules::download);
    let path = KeyPath::of("population.upstream.signature.keys");
    let keys = each(&written.keys?, &path, faults, |text, path| rules::fingerprint(text, path));
    Some(UpstreamSignature { url: url?, keys })
}

fn tags(written: file::Tags, faults: &mut Collector) -> Tags {
    let path = KeyPath::of("tags.ignore");
    let ignore = each(&written.ignore, &path, faults, |text, path| rules::glob(text, path));
    let text = written.expression.as_deref();
    let expression = text.map(|text| tag_expression::expression(text, &KeyPath::of("tags.match")));
    let expression = expression.map(|checked| faults.take(checked));
    if !matches!(expression, Some(None)) {
        let expression = expression.flatten();
        let path = KeyPath::of("tags.version");
        faults.take(tag_expression::template(&written.version, expression.as_ref(), &path));
    }
    Tags {
        require: written.require,
        ignore,
        expression: written.expression,
        version: written.version,
        prerelease: written.prerelease,
    }
}

fn spec(written: file::Spec, faults: &mut Collector) -> Spec {
    let path = KeyPath::of("spec.command");
    if written.command.first().is_some_and(String::is_empty) {
        faults.add(Found::new("config-bad-command", &path.index(0), "names no program"));
    }
    let argument =
        |text: &String, path: &KeyPath| rules::argument("config-bad-command", text, path);
    let command = each(&written.command, &path, faults, argument);
    Spec { path: optional(written.path, "spec.path", faults, rules::spec_path), command }
}

fn changelog(written: &file::Changelog) -> Changelog {
    let collapse = written.collapse.iter().copied().collect();
    Changelog { collapse, per: written.per, limit: written.limit }
}

fn build(written: file::Build, faults: &mut Collector) -> Build {
    let targets = KeyPath::of("build.targets");
    let after = KeyPath::of("build.after");
    let package =
        |text: &String, path: &KeyPath| rules::package(text, path).map(|name| name.to_string());
    Build {
        system: written.system,
        targets: each(&written.targets, &targets, faults, |text, path| {
            rules::service_name(text, path)
        }),
        after: each(&written.after, &after, faults, package),
        scratch_on_pull_request: written.scratch_on_pull_request,
    }
}

fn validators(written: &[file::Validator], faults: &mut Collector) -> Vec<Validator> {
    let path = KeyPath::of("validate");
    let checked = written.iter().enumerate();
    checked
        .filter_map(|(index, written)| validator(written, &path.index(index), faults))
        .collect()
}

/// Checks one validator: exactly one of its keys.
fn validator(
    written: &file::Validator,
    path: &KeyPath,
    faults: &mut Collector,
) -> Option<Validator> {
    match (&written.container, &written.greenwave, written.tests) {
        (Some(image), None, None) => {
            let image = rules::container(image, &path.key("container"));
            faults.take(image).map(Validator::Container)
        }
        (None, Some(context), None) => {
            let context = rules::service_name(context, &path.key("greenwave"));
            faults.take(context).map(Validator::Greenwave)
        }
        (None, None, Some(_)) => Some(Validator::Tests),
        _ => {
            let words = "must have exactly one of `container`, `greenwave` and `tests`";
            faults.add_unless_known(Found::new("config-validator-kind", path, words));
            None
        }
    }
}

fn notify(written: file::Notify, faults: &mut Collector) -> Notify {
    let path = KeyPath::of("notify.mention");
    Notify {
        status: written.status,
        comment: written.comment,
        issue: written.issue,
        mention: each(&written.mention, &path, faults, |text, path| rules::mention(text, path)),
    }
}
