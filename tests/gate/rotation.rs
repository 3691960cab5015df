//! The bot's own keys over time: what earlier ones signed stays the bot's.

use std::time::SystemTime;

use lockkeeper::bot_certs::BotCerts;
use lockkeeper::bot_key::BotKey;
use openpgp::Cert;
use openpgp::cert::CertRevocationBuilder;
use openpgp::serialize::SerializeInto;
use openpgp::types::{HashAlgorithm, ReasonForRevocation};
use sequoia_openpgp as openpgp;

use crate::case::{DAY, dated, days_ago, with_signature};
use crate::mint;

fn commit_by(cert: &Cert, time: SystemTime) -> Vec<u8> {
    let bare = dated("Update\n", time);
    let signature = mint::sign_with(mint::at(time), &mut mint::subkey(cert), bare.as_bytes());
    with_signature(bare.as_bytes(), &mint::armour(&mint::packet(signature)))
}

fn revoked(cert: &Cert, reason: ReasonForRevocation, time: SystemTime) -> Cert {
    let builder = CertRevocationBuilder::new().set_reason_for_revocation(reason, b"");
    let builder = builder.and_then(|builder| builder.set_signature_creation_time(time));
    let signature = builder.expect("a builder").build(&mut mint::primary(cert), cert, None);
    mint::add(cert, signature.expect("signs"))
}

fn ours(cert: &Cert, commit: &[u8]) -> bool {
    let (certs, warnings) = BotCerts::load([("bot", mint::public(cert))]);
    assert!(warnings.is_empty(), "{warnings:?}");
    certs.signed(commit).is_some()
}

#[test]
fn what_an_earlier_key_signed_in_its_time_stays_ours() {
    use ReasonForRevocation::{KeyCompromised, KeyRetired, KeySuperseded};
    let key = mint::person("Bot");
    let old =
        mint::generate(mint::builder("Old").set_validity_period(DAY * 200).add_signing_subkey());
    let retired = revoked(&key, KeyRetired, days_ago(50));
    let superseded = revoked(&key, KeySuperseded, days_ago(50));
    let lost = revoked(&key, KeyCompromised, days_ago(50));
    let cases = [
        ("current key", &key, commit_by(&key, days_ago(10)), true),
        ("expired since", &old, commit_by(&old, days_ago(300)), true),
        ("expired before it signed", &old, commit_by(&old, days_ago(100)), false),
        ("retired since", &retired, commit_by(&key, days_ago(60)), true),
        ("retired before it signed", &retired, commit_by(&key, days_ago(40)), false),
        ("superseded since", &superseded, commit_by(&key, days_ago(60)), true),
        ("compromised since", &lost, commit_by(&key, days_ago(60)), false),
        ("another's key", &key, commit_by(&mint::MALLORY, days_ago(10)), false),
        ("unsigned", &key, dated("Update\n", days_ago(10)).into_bytes(), false),
    ];
    for (name, cert, commit, wanted) in cases {
        assert_eq!(ours(cert, &commit), wanted, "{name}");
    }
}

#[test]
fn a_retirement_by_the_designated_revoker_leaves_what_was_signed_before() {
    let watched = mint::builder("Bot").set_revocation_keys(vec![(&*mint::MALLORY).into()]);
    let key = mint::generate(watched.add_signing_subkey());
    let builder = CertRevocationBuilder::new();
    let builder = builder.set_reason_for_revocation(ReasonForRevocation::KeyRetired, b"");
    let builder = builder.and_then(|builder| builder.set_signature_creation_time(days_ago(50)));
    let revoker = &mut mint::primary(&mint::MALLORY);
    let signature = builder.expect("a builder").build(revoker, &key, None).expect("signs");
    let files = [mint::public(&mint::add(&key, signature)), mint::public(&mint::MALLORY)];
    let (certs, _) = BotCerts::load(files.map(|bytes| ("bot", bytes)));
    assert!(certs.signed(&commit_by(&key, days_ago(60))).is_some());
    assert!(certs.signed(&commit_by(&key, days_ago(40))).is_none());
}

#[test]
fn a_key_revoked_with_sha1_signs_nothing_more() {
    let key = mint::person("Bot");
    let builder = CertRevocationBuilder::new();
    let builder = builder.set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"");
    let signature =
        builder.expect("a builder").build(&mut mint::primary(&key), &key, HashAlgorithm::SHA1);
    let key = mint::add(&key, signature.expect("signs"));
    let secret = key.as_tsk().to_vec().expect("serialises");
    let key = BotKey::load(&secret, None).expect("a secret key");
    let problem = key.sign(b"payload", SystemTime::now()).expect_err("revoked");
    assert_eq!(problem.code.0, "bot-key-unusable");
}

#[test]
fn a_changed_commit_is_not_ours() {
    let key = mint::person("Bot");
    let commit = String::from_utf8(commit_by(&key, days_ago(10))).expect("ASCII");
    assert!(ours(&key, commit.as_bytes()));
    assert!(!ours(&key, commit.replacen("Update", "Downdate", 1).as_bytes()));
}

#[test]
fn current_and_earlier_keys_of_both_kinds_stand_side_by_side() {
    let now = SystemTime::now();
    let first = BotKey::generate_openpgp("Bot <bot@example.org>", days_ago(20)).expect("a key");
    let second = BotKey::generate_ssh("bot").expect("a key");
    let stranger = BotKey::generate_ssh("bot").expect("a key");
    let files = [("2025.asc", first.public()), ("2026.pub", second.public())];
    let (certs, warnings) = BotCerts::load(files);
    assert!(warnings.is_empty(), "{warnings:?}");
    for (key, wanted) in [(&first, true), (&second, true), (&stranger, false)] {
        let bare = dated("Update\n", days_ago(1));
        let armour = key.sign(bare.as_bytes(), now).expect("signs");
        let commit = with_signature(bare.as_bytes(), &armour);
        let signer = certs.signed(&commit).map(|signer| signer.to_string());
        assert_eq!(signer, wanted.then(|| key.signer_id().to_string()));
        assert!(BotCerts::of(key).signed(&commit).is_some());
    }
}
