//! Tests of the branch config: bad files and what is said of them, defaults, and that nothing panics.

use super::document::LARGEST_FILE;
use super::*;
use crate::outcome::{FaultOf, Refusal};

mod properties;
mod shipped;

const FINGERPRINT: &str = "8E1B6A0C6E3A4A6A9C5D0A6B1F3D5C7E9A2B4D6F";
const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPHMHAQvwtqAGGRK00SATRmVpuGN9qbXPAGLccMTKxbi alice";

/// The smallest file that is taken; tests add lines below it. Its last line is the sixth.
fn minimal() -> String {
    format!(
        "version: 1\nsource:\n  repository: https://forge.example/pkg/hello.git\n  branch: main\n\
         signing:\n  keys: [{{openpgp: {FINGERPRINT}}}]\n"
    )
}

fn parse(text: &str) -> Result<BranchConfig, ConfigFaults> {
    BranchConfig::parse(text.as_bytes())
}

fn valid(text: &str) -> BranchConfig {
    parse(text).unwrap_or_else(|faults| panic!("refused:\n{faults}\nin:\n{text}"))
}

/// Parses the minimal file with `more` below it.
fn with(more: &str) -> BranchConfig {
    valid(&format!("{}{more}", minimal()))
}

#[test]
fn the_smallest_file_gives_the_defaults() {
    let config = valid(&minimal());
    assert_eq!(config.source.repository.to_string(), "https://forge.example/pkg/hello.git");
    assert_eq!(config.source.branch.as_str(), "main");
    assert_eq!(config.signing.require, SigningScope::Tip);
    assert!(!config.signing.bind);
    assert_eq!(config.population.mechanism, Mechanism::Archive);
    assert_eq!(config.population.identity, TreeIdentity::Required);
    assert!(!config.population.network);
    assert_eq!(config.tags.require, None);
    assert_eq!(config.tags.version, "{version}");
    assert_eq!(config.tags.prerelease, PrereleaseStyle::Tilde);
    assert_eq!(config.release, ReleaseRules { epoch: None, auto: AutoMacros::Replace });
    assert_eq!(config.changelog.collapse.len(), 3);
    assert_eq!(config.changelog.per, ChangelogItem::Commit);
    assert_eq!(config.changelog.limit, 40);
    assert!(config.packaging.is_empty() && config.tests.is_empty());
    assert_eq!(config.divergence, Divergence::Report);
    assert_eq!(config.delivery, Delivery::Push);
    assert_eq!(config.build.system, None);
    assert!(config.notify.status && !config.notify.issue);
    assert_eq!(config.notify.comment, CommentWhen::OnRefusal);
    assert_eq!(config.unsupported(), None);
}

#[test]
fn a_fingerprint_is_forgiven_its_spaces_case_and_prefix() {
    let spaced = "8e1b 6a0c 6e3a 4a6a 9c5d  0a6b 1f3d 5c7e 9a2b 4d6f";
    for written in [spaced.to_owned(), format!("0x{}", FINGERPRINT.to_lowercase())] {
        let config = valid(&minimal().replace(FINGERPRINT, &written));
        let ListedKey::OpenPgp { fingerprint, .. } = &config.signing.keys[0] else {
            panic!("no OpenPGP key")
        };
        assert_eq!(fingerprint.as_str(), FINGERPRINT);
    }
}

#[test]
fn a_fingerprint_of_digits_alone_is_no_number() {
    for digits in ["12".repeat(20), "0".repeat(40), format!("{}e{}", "1".repeat(37), "22")] {
        let config = valid(&minimal().replace(FINGERPRINT, &digits));
        let ListedKey::OpenPgp { fingerprint, .. } = &config.signing.keys[0] else {
            panic!("no OpenPGP key")
        };
        assert_eq!(fingerprint.as_str(), digits.to_uppercase());
    }
}

#[test]
fn an_ssh_key_is_listed_with_its_principals() {
    for principals in ["alice@example.com", "[alice@example.com]"] {
        let key = format!("{{ssh: \"cert-authority {SSH_KEY}\", principals: {principals}}}");
        let config = valid(&minimal().replace(&format!("{{openpgp: {FINGERPRINT}}}"), &key));
        assert!(matches!(config.signing.keys[0], ListedKey::Ssh(_)));
    }
}

#[test]
fn a_container_changes_the_default_of_identity() {
    let container = "population: {container: registry.example/ns/image:1";
    let identity = |text: String| with(&text).population.identity;
    assert_eq!(identity(format!("{container}}}\n")), TreeIdentity::Report);
    assert_eq!(identity(format!("{container}, identity: required}}\n")), TreeIdentity::Required);
}

#[test]
fn a_hash_is_kept_in_lower_case() {
    let more = format!("population: {{upstream: {{sha512: {}}}}}\n", "AB".repeat(64));
    let upstream = with(&more).population.upstream.expect("written");
    assert_eq!(upstream.sha512, Some("ab".repeat(64)));
}

/// Lines below the smallest file (the first of them is line 7), and what is said of them: code, line, and
/// a part of the words or the hint.
#[rustfmt::skip]
const BAD_LINES: &[(&str, &str, usize, &str)] = &[
    ("divergance: report", "config-unknown-key", 7, "`divergence`"),
    ("zzz: 1", "config-unknown-key", 7, "known here: build"),
    ("tags:\n  ignored: []", "config-unknown-key", 8, "`ignore`"),
    ("build: {scratch-on-pull-request: true}", "config-unknown-key", 7, "`scratch_on_pull_request`"),
    ("<<: {divergence: report}", "config-unknown-key", 7, "merge keys"),
    ("version: 1", "config-duplicate-key", 7, "`version` stands twice"),
    ("tags: {ignore: [], ignore: []}", "config-duplicate-key", 7, "`ignore` stands twice"),
    ("---\nversion: 1", "config-syntax", 0, "more than one YAML document"),
    ("tags: {ignore: [*-test*]}", "config-syntax", 7, "in quotes"),
    ("tags: !thing {}", "config-syntax", 7, "tag"),
    ("1: one", "config-syntax", 7, "key that is text"),
    ("\ttags: {}", "config-syntax", 7, "no YAML"),
    ("tags: [", "config-syntax", 8, "no YAML"),
    ("packaging: .distro", "config-wrong-type", 7, "must be a list"),
    ("packaging:", "config-wrong-type", 7, "leave the key out"),
    ("packaging: {a: b}", "config-wrong-type", 7, "is a mapping"),
    ("tags: []", "config-wrong-type", 7, "must be a mapping"),
    ("notify: {issue: yes}", "config-wrong-type", 7, "write true or false"),
    ("release: {epoch: \"1\"}", "config-wrong-type", 7, "without quotes"),
    ("release: {epoch: 1.5}", "config-wrong-type", 7, "whole number"),
    ("release: {epoch: -1}", "config-out-of-range", 7, "from 0"),
    ("release: {epoch: 4294967296}", "config-out-of-range", 7, "4294967295"),
    ("changelog: {limit: 0}", "config-out-of-range", 7, "from 1 to 1000"),
    ("gating: {tag: 1.10}", "config-wrong-type", 7, "in quotes: \"1.10\""),
    ("gating: {tag: no}", "config-wrong-type", 7, "in quotes: \"no\""),
    ("gating: {tag: 010}", "config-wrong-type", 7, "in quotes: \"010\""),
    ("gating: {tag: true}", "config-wrong-type", 7, "in quotes: \"true\""),
    ("population:\n  env:\n    FLAG: 1", "config-wrong-type", 9, "in quotes: \"1\""),
    ("population: {mechanism: archiv}", "config-unknown-value", 7, "`archive`"),
    ("delivery: pull_request", "config-unknown-value", 7, "`pull-request`"),
    ("changelog: {collapse: [fixups, merges]}", "config-unknown-value", 7, "must be one of fixups, reverts, packaging"),
    ("packaging: [.distro, /etc]", "config-bad-path", 7, "is absolute"),
    ("tests: [../x]", "config-bad-path", 7, "`..` component"),
    ("spec: {path: hello.txt}", "config-bad-path", 7, ".spec"),
    ("spec: {command: [\"\"]}", "config-bad-command", 7, "names no program"),
    ("tags: {ignore: ['[a']}", "config-bad-glob", 7, "no glob"),
    ("tags:\n  match: 'v(?P<version>'", "config-bad-regex", 8, "unclosed group"),
    ("tags: {match: '(?P<version>(?:a{500}){500}){9}'}", "config-bad-regex", 7, "too large"),
    ("tags: {match: '(?=x)(?P<version>x)'}", "config-bad-regex", 7, "look-around"),
    ("tags: {match: 'v([0-9.]+)'}", "config-bad-template", 7, "names no group"),
    ("tags: {match: 'v(?P<v>.+)'}", "config-bad-template", 7, "has v"),
    ("tags: {version: '{major}'}", "config-bad-template", 7, "`major`"),
    ("tags: {version: '1.0'}", "config-bad-template", 7, "no group"),
    ("tags: {version: '{version'}", "config-bad-template", 7, "without its"),
    ("tags: {version: '{version}-1'}", "config-bad-template", 7, "`-`"),
    ("population: {container: fedora}", "config-bad-container", 7, "registry"),
    ("population: {container: ns/fedora}", "config-bad-container", 7, "host of a registry"),
    ("population: {container: 'r.example/UP'}", "config-bad-container", 7, "lower-case"),
    ("population: {container: 'r.example/a@sha256:12'}", "config-bad-container", 7, "digest"),
    ("population: {container: 'r.example/a:-x'}", "config-bad-container", 7, "tag"),
    ("population: {container: '--privileged/a'}", "config-bad-container", 7, "registry"),
    ("population: {env: {1A: x}}", "config-bad-env", 7, "no name of a variable"),
    ("population: {env: {LOCKKEEPER_X: x}}", "config-bad-env", 7, "LOCKKEEPER_"),
    ("population: {env: {A: \"\\0\"}}", "config-bad-env", 7, "NUL"),
    ("population: {upstream: {sha512: abc}}", "config-bad-hash", 7, "sha512sum"),
    ("population: {upstream: {url: 'http://a.example/b'}}", "config-bad-url", 7, "https only"),
    ("population: {upstream: {url: 'https://u:p@a.example/b'}}", "config-bad-url", 7, "public"),
    ("population: {upstream: {url: 'https://a.example/{x}'}}", "config-bad-url", 7, "placeholder"),
    ("population: {upstream: {url: 'https://a.example/%{version}'}}", "config-bad-url", 7, "macro"),
    ("population: {upstream: {signature: {keys: []}}}", "config-missing-key", 7, "required"),
    ("build: {targets: ['-f44']}", "config-bad-name", 7, "letters, digits"),
    ("build: {after: ['a/b']}", "config-bad-name", 7, "`a/b`"),
    ("validate: [{tests: false}]", "config-out-of-range", 7, "must be true"),
    ("validate: [{}]", "config-validator-kind", 7, "exactly one"),
    ("notify: {mention: ['a b']}", "config-bad-name", 7, "user or group"),
];

#[test]
fn bad_lines_are_refused_with_code_line_and_words() {
    for (more, code, line, said) in BAD_LINES {
        assert_refused(&format!("{}{more}\n", minimal()), code, *line, said);
    }
}

fn assert_refused(text: &str, code: &str, line: usize, said: &str) {
    let Err(faults) = parse(text) else { panic!("was taken:\n{text}") };
    let fault = &faults.faults()[0];
    assert_eq!(fault.code.0, code, "{faults}\n{text}");
    assert_eq!(fault.position.map_or(0, |position| position.line), line, "{faults}\n{text}");
    let all = format!("{} {}", fault.words, fault.hint);
    assert!(all.contains(said), "{said:?} is not in {all:?}");
}

#[test]
fn bad_replacements_in_the_smallest_file_are_refused() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, usize, &str)] = &[
        ("version: 1\n", "version: 2\n", "config-unknown-version", 1, "version: 1"),
        ("version: 1\n", "version: \"1\"\n", "config-wrong-type", 1, "without quotes"),
        ("version: 1\n", "", "config-missing-key", 0, "is required"),
        ("branch: main", "brnch: main", "config-missing-key", 2, "is required"),
        ("branch: main", "branch: 1.10", "config-wrong-type", 4, "in quotes: \"1.10\""),
        ("branch: main", "branch: a..b", "config-bad-branch", 4, "a..b"),
        ("https:", "http:", "config-bad-address", 3, "use https, ssh or file"),
        ("https://", "https://me:secret@", "config-bad-address", 3, "password or token"),
        ("https://forge", "ext::sh -c x", "config-bad-address", 3, "space"),
        ("https://forge", "-upload-pack", "config-bad-address", 3, "dash"),
        ("  keys: [{openpgp: FPR}]\n", "  bind: true\n", "config-no-keys", 5, "list the keys"),
        ("[{openpgp: FPR}]", "[]", "config-no-keys", 6, "list the keys"),
        ("[{openpgp: FPR}]", "[{}]", "config-key-kind", 6, "neither"),
        ("[{openpgp: FPR}]", "[FPR]", "config-wrong-type", 6, "must be a mapping"),
        ("FPR", "9A2B4D6F", "config-short-key-id", 6, "others can forge"),
        ("FPR", "12345678", "config-short-key-id", 6, "others can forge"),
        ("FPR", "0x9A2B4D6F1F3D5C7E", "config-short-key-id", 6, "full fingerprint"),
        ("FPR", "8E1B6A0C", "config-short-key-id", 6, "full fingerprint"),
        ("FPR", "alice@example.com", "config-bad-fingerprint", 6, "no hex digit"),
        ("FPR}", "FPR, ssh: x}", "config-key-kind", 6, "two items"),
        ("FPR}", "FPR, principals: x}", "config-key-kind", 6, "belongs beside `ssh`"),
        ("FPR}", "FPR, certificate: /etc/a.asc}", "config-bad-path", 6, "absolute"),
    ];
    for (from, to, code, line, said) in cases {
        let filled = |text: &str| text.replace("FPR", FINGERPRINT);
        let text = minimal().replace(&filled(from), &filled(to));
        assert_ne!(text, minimal(), "{from} is not in the file");
        assert_refused(&text, code, *line, said);
    }
}

#[test]
fn the_secret_in_an_address_is_not_repeated() {
    for address in ["https://me:hunter2@forge.example/a", "https://me:hunter2@forge.example/a b"] {
        let text =
            minimal().replace("https://forge.example/pkg/hello.git", &format!("{address:?}"));
        let said = Refusal::from(parse(&text).unwrap_err());
        assert!(!format!("{said:?}").contains("hunter2"), "{said:?}");
    }
}

#[test]
fn more_than_100_keys_are_refused() {
    let keys = format!("{{openpgp: {FINGERPRINT}}}, ").repeat(101);
    let text = minimal().replace(&format!("{{openpgp: {FINGERPRINT}}}"), &keys);
    assert_refused(&text, "config-too-many-keys", 6, "101");
}

#[test]
fn files_that_are_no_text_are_refused() {
    let cases: [(&[u8], &str, usize); 6] = [
        (b"", "config-missing-key", 1),
        (b"# nothing\n", "config-missing-key", 2),
        (b"version: 1\nsource: \xff", "config-not-text", 2),
        (b"version: 1\n\n\0", "config-not-text", 3),
        (b"version: 1 # \x1b[2J", "config-not-text", 1),
        (b"- a\n- b\n", "config-wrong-type", 1),
    ];
    for (bytes, code, line) in cases {
        let faults = BranchConfig::parse(bytes).unwrap_err();
        let fault = &faults.faults()[0];
        assert_eq!(fault.code.0, code, "{faults}");
        assert_eq!(fault.position.map_or(0, |position| position.line), line, "{faults}");
    }
    let large = vec![b'#'; LARGEST_FILE + 1];
    let faults = BranchConfig::parse(&large).unwrap_err();
    assert_eq!(faults.faults()[0].code.0, "config-too-large");
}

#[test]
fn aliases_that_multiply_are_refused_quickly() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let below = format!("*a{}, ", level - 1).repeat(9);
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let started = std::time::Instant::now();
    let faults = parse(&bomb).unwrap_err();
    assert_eq!(faults.faults()[0].code.0, "config-too-large", "{faults}");
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn deep_nesting_is_refused() {
    let faults = parse(&"[".repeat(60_000)).unwrap_err();
    assert_eq!(faults.faults()[0].code.0, "config-syntax");
    let faults = parse(&format!("{}{}", "[".repeat(1000), "]".repeat(1000))).unwrap_err();
    assert!(faults.faults()[0].words.contains("recursion limit"), "{faults}");
}

#[test]
fn files_that_are_costly_to_judge_are_judged_quickly() {
    let padding = format!("{}\n", "#".repeat(20_000));
    let lines = |line: &str| (0..2900).map(|n| line.replace('N', &n.to_string())).collect();
    let unknown: String = lines("kN: 1\n");
    let numbers: String = lines("    kN: 1\n");
    let quoted: String = lines("    kN: \"no\"\n");
    let env = |lines: String| format!("{}population:\n  env:\n{lines}{padding}", minimal());
    for (text, is_taken) in [(unknown, false), (env(numbers), false), (env(quoted), true)] {
        let started = std::time::Instant::now();
        let parsed = parse(&text);
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
        assert_eq!(parsed.is_ok(), is_taken);
        let Err(faults) = parsed else { continue };
        assert_eq!(faults.faults().len(), 50, "{faults}");
        assert!(faults.to_string().ends_with("more"), "{faults}");
    }
}

#[test]
fn every_fault_is_told_at_once_in_the_order_of_the_file() {
    let text = "version: 1\nsource:\n  repository: http://forge.example/a\n  brnch: main\nsigning:\n  \
                keys:\n    - openpgp: 9A2B4D6F\n    - opengpg: x\n    - text\nbuild: {targets: ['-x']}\n";
    let faults = parse(text).unwrap_err();
    let found: Vec<_> = faults
        .faults()
        .iter()
        .map(|fault| {
            let at = fault.position.expect("each stands somewhere");
            (fault.code.0, fault.path.as_str(), at.line, at.column)
        })
        .collect();
    let expected = [
        ("config-missing-key", "source.branch", 2, 1),
        ("config-bad-address", "source.repository", 3, 15),
        ("config-unknown-key", "source.brnch", 4, 3),
        ("config-short-key-id", "signing.keys[0].openpgp", 7, 16),
        ("config-unknown-key", "signing.keys[1].opengpg", 8, 7),
        ("config-wrong-type", "signing.keys[2]", 9, 7),
        ("config-bad-name", "build.targets[0]", 10, 19),
    ];
    assert_eq!(found, expected, "{faults}");
    let told = Refusal::from(faults);
    assert!(told.message.contains("is no key that is known here\n  did you mean `branch`?\n"));
    assert_eq!(told.hint, "", "of several faults, each has its hint below it");
}

#[test]
fn faults_become_a_refusal_of_the_config() {
    let refusal = Refusal::from(parse(&format!("{}tagz: {{}}\n", minimal())).unwrap_err());
    assert_eq!(refusal.code.0, "config-unknown-key");
    assert_eq!(refusal.fault_of, FaultOf::Config);
    assert_eq!(refusal.message, "source-git.yaml:7:1: tagz: is no key that is known here");
    assert_eq!(refusal.hint, "did you mean `tags`?");
    let faults = parse("version: 2\n").unwrap_err().of_file("drafts/a.yaml");
    let told = "drafts/a.yaml:1:10: version: is 2, a format that this program does not know";
    assert_eq!(Refusal::from(faults).message, told);
}

#[test]
fn an_expression_matches_the_whole_tag_whatever_anchors_it_has() {
    for expression in ["v(?P<version>1|1.2)", "^v(?P<version>1|1.2)", "v(?P<version>1|1.2)$"] {
        let whole = whole_tag(expression).unwrap();
        let version = |tag| Some(whole.captures(tag)?["version"].to_owned());
        assert_eq!(version("v1.2").as_deref(), Some("1.2"), "{expression}");
        for other in ["xv1", "v1.2.3", "v1\n", "", "v1-test"] {
            assert_eq!(version(other), None, "{expression} on {other:?}");
        }
    }
    assert!(
        whole_tag("(?x) v(?P<version>1) # the end").is_err(),
        "the comment would hide the end"
    );
    assert!(whole_tag("a)|(?:b").is_err());
}

#[test]
fn other_groups_can_make_the_version() {
    let more =
        "tags: {match: 'r(?P<major>[0-9]+)_(?P<minor>[0-9]+)', version: '{major}.{minor}'}\n";
    assert_eq!(template_groups(&with(more).tags.version).unwrap(), ["major", "minor"]);
}

#[test]
fn what_this_version_lacks_is_said_in_one_refusal() {
    let cases = [
        "delivery: pull-request",
        "build: {system: koji}",
        "build: {system: follow}",
        "build: {system: command}",
        "validate: [{tests: true}]",
        "gating: {tag: f44}",
    ];
    for more in cases {
        let refusal = with(&format!("{more}\n")).unsupported().expect(more);
        assert_eq!(refusal.code.0, "unsupported");
        assert!(refusal.message.starts_with("not supported by this version: "), "{more}");
    }
    let both = with("delivery: pull-request\ngating: {tag: f44}\n").unsupported().unwrap();
    assert!(both.message.ends_with("delivery: pull-request, gating.tag"), "{}", both.message);
    assert_eq!(with("build: {system: none, targets: [f44-candidate]}\n").unsupported(), None);
}

#[test]
fn only_what_is_published_counts_as_a_change() {
    let base = valid(&minimal());
    let same = ["divergence: overwrite", "notify: {issue: true}", "build: {targets: [x]}"];
    for more in same {
        assert!(base.publication_settings_equal(&with(&format!("{more}\n"))), "{more}");
    }
    let changed = [
        "population: {mechanism: tag-archive}",
        "spec: {path: a.spec}",
        "tags: {prerelease: drop}",
        "release: {epoch: 1}",
        "packaging: [.distro]",
        "tests: [t]",
        "changelog: {per: merge}",
    ];
    for more in changed {
        assert!(!base.publication_settings_equal(&with(&format!("{more}\n"))), "{more}");
    }
}
