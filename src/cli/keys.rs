//! `lockkeeper keys`: who may sign a branch's source today, until when, and what is about to end.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde::Serialize;

use super::world::{Surroundings, TargetFlags, TrustFlags};
use super::{Format, print};
use crate::gate::Policy;
use crate::ledger::{self, Entry};
use crate::observe;
use crate::openpgp::KeyState;
use crate::outcome::{Refusal, Result, printable};
use crate::report::Exit;
use crate::trigger::Target;
use crate::words::{date, timestamp};

/// How long before its end a key is warned about.
const SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Arguments of `keys`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetFlags,
    /// A public key whose commits in dist-git are the bot's own, to find the last publication; may be repeated.
    #[arg(long, value_name = "FILE")]
    bot_cert: Vec<PathBuf>,
    /// A folder of certificates besides the branch's own keys/; may be repeated.
    #[arg(long, value_name = "DIR")]
    keyring: Vec<PathBuf>,
    /// Where copies of remote repositories are kept; by default ~/.cache/lockkeeper.
    #[arg(long, value_name = "DIR", env = "LOCKKEEPER_CACHE")]
    cache: Option<PathBuf>,
}

/// What is known of one listed key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    /// `openpgp:FINGERPRINT` or `ssh:SHA256:…`.
    key: String,
    /// The subkey that would sign, where the primary is listed.
    subkey: Option<String>,
    /// Whose it is, by its own words.
    user_id: Option<String>,
    /// Whether it opens the gate today.
    may_sign: bool,
    /// When it begins to count, where the config says so.
    from: Option<String>,
    /// When it ends to count; `null` where nothing ends it.
    until: Option<String>,
    /// Why it may not sign, or what a person should know.
    note: Option<String>,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Listing {
    package: String,
    branch: String,
    keys: Vec<Line>,
    warnings: Vec<String>,
}

/// Runs `keys`.
pub async fn run(arguments: Arguments, format: Format) -> Exit {
    match list(arguments).await {
        Ok(listing) => show(&listing, format),
        Err(fault) => print::fault(&fault),
    }
}

async fn list(arguments: Arguments) -> Result<Listing> {
    let chosen = arguments.target.choose()?;
    let target = chosen.target.clone();
    let trust = TrustFlags {
        bot_cert: arguments.bot_cert,
        keyring: arguments.keyring,
        dist: None,
        cache: arguments.cache,
        accept_rewrite: false,
    };
    let surroundings = Surroundings::for_branch(&chosen, &trust, Vec::new())?;
    let lookout = surroundings.lookout();
    let dist_git = observe::fetch(&target, &lookout).await?;
    let objects = dist_git.store.objects();
    let tip = &dist_git.tip;
    let Entry::OptedIn(config) = ledger::enter(&objects, tip)? else {
        return Err(not_opted_in(&target).into());
    };
    let (certificates, mut warnings) =
        ledger::certificates(&objects, tip, &config, &trust.keyring)?;
    let policy = Policy::new(&config.signing.keys, certificates, surroundings.now);
    let (published, _) =
        ledger::since_published(&objects, &target, tip, lookout.trusted.bot_certs)?;
    warnings.extend(ledger::key_changes(&objects, tip, &config, published.as_ref())?);
    let keys = lines(&policy, surroundings.now);
    Ok(Listing {
        package: target.package.to_string(),
        branch: target.branch.to_string(),
        keys,
        warnings,
    })
}

fn not_opted_in(target: &Target) -> Refusal {
    Refusal::config(
        "config-missing",
        format!("{} has no source-git.yaml, or is retired", target.name()),
    )
    .hint("commit a source-git.yaml to the dist-git branch to opt it in")
}

/// Describes every listed key as it stands at `now`.
fn lines(policy: &Policy, now: SystemTime) -> Vec<Line> {
    let states = policy.openpgp_states();
    let openpgp = states.iter().filter(|key| !is_beside_the_point(key, &states)).map(|key| {
        let (until, note) = match &key.state {
            Ok(until) => (*until, until.and_then(|until| soon(until, now))),
            Err(refusal) => (None, Some(format!("{} [{}]", refusal.message, refusal.code))),
        };
        Line {
            key: format!("openpgp:{}", key.listed),
            subkey: (key.key != key.listed).then(|| key.key.to_string()),
            user_id: key.user_id.clone(),
            may_sign: key.state.is_ok(),
            from: None,
            until: until.and_then(timestamp),
            note,
        }
    });
    let missing = policy.missing_certificates().iter().map(|fingerprint| Line {
        key: format!("openpgp:{fingerprint}"),
        subkey: None,
        user_id: None,
        may_sign: false,
        from: None,
        until: None,
        note: Some(
            "its certificate is neither in keys/ nor in the keyring [certificate-missing]".into(),
        ),
    });
    let ssh = policy.ssh_keys().iter().map(|signer| {
        let (may_sign, note) = window(signer.valid_after(), signer.valid_before(), now);
        let kind = if signer.is_authority() { "authority for certificates" } else { "" };
        let comment = printable(signer.comment(), 200);
        Line {
            key: format!("ssh:{}", signer.fingerprint()),
            subkey: None,
            user_id: Some(comment).filter(|comment| !comment.is_empty()),
            may_sign,
            from: signer.valid_after().and_then(timestamp),
            until: signer.valid_before().and_then(timestamp),
            note: note.or_else(|| Some(kind.to_owned()).filter(|kind| !kind.is_empty())),
        }
    });
    openpgp.chain(missing).chain(ssh).collect()
}

/// Tells whether a key is not meant for signing while others of the same listing are: nobody expects it to.
fn is_beside_the_point(key: &KeyState, all: &[KeyState]) -> bool {
    let not_meant = |key: &KeyState| {
        key.state.as_ref().is_err_and(|refusal| refusal.code.0 == "key-not-for-signing")
    };
    not_meant(key) && all.iter().any(|other| other.listed == key.listed && !not_meant(other))
}

/// Tells whether `now` lies in a window, and what there is to say of it.
fn window(
    from: Option<SystemTime>,
    until: Option<SystemTime>,
    now: SystemTime,
) -> (bool, Option<String>) {
    if let Some(from) = from.filter(|from| *from > now) {
        return (false, Some(format!("counts from {} [key-not-yet-valid]", date(from))));
    }
    match until {
        Some(until) if until <= now => {
            (false, Some(format!("counted until {} [key-expired]", date(until))))
        }
        Some(until) => (true, soon(until, now)),
        None => (true, None),
    }
}

fn soon(until: SystemTime, now: SystemTime) -> Option<String> {
    let left = until.duration_since(now).ok().filter(|left| *left <= SOON)?;
    Some(format!("ends in {} days", left.as_secs() / (24 * 60 * 60)))
}

fn show(listing: &Listing, format: Format) -> Exit {
    let text = match format {
        Format::Text => describe(listing),
        Format::Json => {
            serde_json::to_string_pretty(listing).expect("a listing holds text only") + "\n"
        }
    };
    print::to_stdout(&text);
    match listing.keys.iter().any(|line| line.may_sign) {
        true => Exit::Done,
        false => Exit::Refused,
    }
}

fn describe(listing: &Listing) -> String {
    let keys: BTreeSet<&str> = listing.keys.iter().map(|line| line.key.as_str()).collect();
    let able = listing.keys.iter().filter(|line| line.may_sign).map(|line| line.key.as_str());
    let able = able.collect::<BTreeSet<_>>().len();
    let mut text = format!(
        "{}#{}: {able} of {} listed keys may sign today\n",
        listing.package,
        listing.branch,
        keys.len()
    );
    for line in &listing.keys {
        let mark = if line.may_sign { "may sign" } else { "may not" };
        let whose = line.user_id.as_deref().unwrap_or("-");
        text.push_str(&format!("  {mark:<9} {}  {whose}\n", line.key));
        if let Some(from) = &line.from {
            text.push_str(&format!("            from {from}\n"));
        }
        let until = line.until.as_deref().map(|until| format!("until {until}"));
        if let Some(subkey) = &line.subkey {
            text.push_str(&format!("            with subkey {subkey}\n"));
        }
        let words: Vec<&str> =
            [until.as_deref(), line.note.as_deref()].into_iter().flatten().collect();
        if !words.is_empty() {
            text.push_str(&format!("            {}\n", words.join("; ")));
        }
    }
    text.extend(listing.warnings.iter().map(|warning| format!("  warning  {warning}\n")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_says_when_it_opens_and_when_it_is_about_to_close() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let day = |days: i64| match u64::try_from(days) {
            Ok(days) => now + Duration::from_secs(days * 86_400),
            Err(_) => now - Duration::from_secs(days.unsigned_abs() * 86_400),
        };
        let table = [
            (None, None, true, ""),
            (Some(-1), Some(90), true, ""),
            (Some(1), None, false, "key-not-yet-valid"),
            (None, Some(-1), false, "key-expired"),
            (None, Some(0), false, "key-expired"),
            (None, Some(29), true, "ends in 29 days"),
        ];
        for (from, until, may, words) in table {
            let (may_sign, note) = window(from.map(day), until.map(day), now);
            assert_eq!(may_sign, may, "{from:?} {until:?}");
            assert_eq!(note.is_some(), !words.is_empty(), "{note:?}");
            assert!(note.unwrap_or_default().contains(words));
        }
    }
}
