//! The certificate now: expiry, revocation, copies that differ, bindings, self-signatures.

use std::time::{Duration, SystemTime};

use openpgp::cert::{CertRevocationBuilder, SubkeyRevocationBuilder};
use openpgp::crypto::KeyPair;
use openpgp::packet::key::{Key4, SecretParts, SubordinateRole};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::signature::subpacket::{Subpacket, SubpacketValue};
use openpgp::packet::{Key, Signature};
use openpgp::types::{Curve, HashAlgorithm, KeyFlags, ReasonForRevocation, SignatureType};
use openpgp::{Cert, Packet};
use sequoia_openpgp as openpgp;

use crate::case::Git::{Accepts, NotAsked, Refuses};
use crate::case::{Case, DAY, NOW, days_ago, plain, with_signature};
use crate::mint::*;

pub fn all() -> Vec<Case> {
    [expiry(), revocations(), designated(), subkeys(), bindings(), self_signatures()].concat()
}

/// The commit as the subkey signed it then.
fn signed_then(cert: &Cert, time: SystemTime) -> Vec<u8> {
    let signature = sign_with(at(time), &mut subkey(cert), plain().as_bytes());
    with_signature(plain().as_bytes(), &armour(&packet(signature)))
}

fn lasting(name: &str, days: u32) -> Cert {
    generate(builder(name).set_validity_period(DAY * days).add_signing_subkey())
}

/// The certificate with a new expiry for all its keys, its new self-signatures made then.
fn extended(cert: &Cert, made: SystemTime, until: Option<SystemTime>) -> Cert {
    let mut signer = primary(cert);
    let main = cert.primary_key().key();
    let renew = |old: &Signature| {
        SignatureBuilder::from(old.clone()).set_signature_creation_time(made).expect("a time")
    };
    let mut packets: Vec<Packet> = Vec::new();
    for old in cert.primary_key().self_signatures() {
        let renewed = renew(old).set_key_expiration_time(main, until).expect("a time");
        packets.push(renewed.sign_direct_key(&mut signer, None).expect("signs").into());
    }
    for user_id in cert.userids() {
        let old = user_id.self_signatures().next().expect("bound");
        let renewed = renew(old).set_key_expiration_time(main, until).expect("a time");
        let renewed = renewed.sign_userid_binding(&mut signer, None, user_id.userid());
        packets.push(renewed.expect("signs").into());
    }
    for key in cert.keys().subkeys() {
        let old = key.self_signatures().next().expect("bound");
        let renewed = renew(old).set_key_expiration_time(key.key(), until).expect("a time");
        let renewed = renewed.sign_subkey_binding(&mut signer, None, key.key());
        packets.push(renewed.expect("signs").into());
    }
    cert.clone().insert_packets(packets).expect("fits").0
}

/// The certificate with its newest self-signatures only: what a minimal export leaves.
fn minimal(cert: &Cert) -> Cert {
    let newest = |signatures: Vec<Signature>| {
        signatures.into_iter().max_by_key(|signature| signature.signature_creation_time())
    };
    let mut packets: Vec<Packet> = vec![cert.primary_key().key().clone().into()];
    for user_id in cert.userids() {
        packets.push(user_id.userid().clone().into());
        packets.extend(newest(user_id.self_signatures().cloned().collect()).map(Packet::from));
    }
    for key in cert.keys().subkeys() {
        packets.push(key.key().clone().into());
        packets.extend(newest(key.self_signatures().cloned().collect()).map(Packet::from));
    }
    Cert::from_packets(packets.into_iter()).expect("a certificate")
}

fn expiry() -> Vec<Case> {
    let gone = lasting("Egon", 300);
    let soon = lasting("Ella", 410);
    let later = lasting("Elke", 450);
    let renewed = lasting("Emma", 300);
    let extended_copy = extended(&renewed, days_ago(10), Some(*NOW + in_years(1)));
    let refreshed = extended(&lasting("Enno", 900), *NOW - DAY / 2, Some(*NOW + in_years(1)));
    let refreshed = minimal(&refreshed);
    let shortened = person("Ewa");
    let short_copy = extended(&shortened, days_ago(20), Some(days_ago(5)));
    vec![
        listed("expired key, signed after its expiry", signed_then(&gone, days_ago(50)), &gone)
            .refused("key-expired", Refuses),
        listed(
            "expired key, signature dated before its expiry",
            signed_then(&gone, days_ago(200)),
            &gone,
        )
        .refused("key-expired", Refuses),
        listed("key that expires soon", signed_then(&soon, days_ago(1)), &soon)
            .warned("expires on", Accepts),
        listed("key that expires later", signed_then(&later, days_ago(1)), &later)
            .accepted(Accepts),
        listed(
            "expiry extended, both copies at hand",
            signed_then(&renewed, days_ago(50)),
            &renewed,
        )
        .certificate(public(&extended_copy))
        .accepted(Accepts),
        listed(
            "expiry extended, the new copy comes first",
            signed_then(&renewed, days_ago(50)),
            &extended_copy,
        )
        .certificate(public(&renewed))
        .accepted(Accepts),
        listed(
            "only a refreshed copy, bound after the commit",
            signed_then(&refreshed, days_ago(1)),
            &refreshed,
        )
        .accepted(Accepts),
        listed("expiry shortened since", signed_then(&shortened, days_ago(30)), &shortened)
            .certificate(public(&short_copy))
            .refused("key-expired", Refuses),
    ]
}

fn revocation(cert: &Cert, reason: ReasonForRevocation, time: SystemTime) -> Signature {
    let builder = CertRevocationBuilder::new().set_reason_for_revocation(reason, b"told so");
    let builder = builder.and_then(|b| b.set_signature_creation_time(time)).expect("a builder");
    builder.build(&mut primary(cert), cert, None).expect("signs")
}

fn revocations() -> Vec<Case> {
    use ReasonForRevocation::*;
    let revoked = |name, owner: &str, reason, time| {
        let cert = person(owner);
        let copy = add(&cert, revocation(&cert, reason, time));
        listed(name, signed_then(&cert, days_ago(30)), &copy)
    };
    let early = days_ago(60);
    let late = days_ago(2);
    let split = person("Rosa");
    let revoked_copy = add(&split, revocation(&split, KeyCompromised, late));
    let loose = person("Rolf");
    let loose_file = packet(revocation(&loose, KeyRetired, late));
    let old_hash = person("Rafa");
    let with_sha1 = CertRevocationBuilder::new()
        .set_reason_for_revocation(KeyCompromised, b"")
        .expect("a builder")
        .build(&mut primary(&old_hash), &old_hash, HashAlgorithm::SHA1)
        .expect("signs");
    let bound_again = person("Rudi");
    let unretired = add(&bound_again, revocation(&bound_again, KeyRetired, days_ago(50)));
    let unretired = extended(&unretired, days_ago(20), None);
    let stranger = person("Rike");
    let forged = CertRevocationBuilder::new()
        .set_reason_for_revocation(KeyCompromised, b"")
        .expect("a builder")
        .build(&mut primary(&MALLORY), &stranger, None)
        .expect("signs");
    vec![
        revoked("key compromised before it signed", "Rena", KeyCompromised, early)
            .refused("key-revoked", Refuses),
        revoked("key compromised after it signed", "Rene", KeyCompromised, late)
            .refused("key-revoked", Refuses),
        revoked("key revoked without a reason", "Remo", Unspecified, late)
            .refused("key-revoked", Refuses),
        revoked("key superseded after it signed", "Rana", KeySuperseded, late)
            .refused("key-revoked", Refuses),
        revoked("key retired after it signed", "Rina", KeyRetired, late)
            .refused("key-revoked", Refuses),
        listed(
            "clean copy first, revoked copy second",
            signed_then(&split, days_ago(30)),
            &split,
        )
        .certificate(public(&revoked_copy))
        .refused("key-revoked", Refuses),
        listed(
            "revoked copy first, clean copy second",
            signed_then(&split, days_ago(30)),
            &revoked_copy,
        )
        .certificate(public(&split))
        .refused("key-revoked", Refuses),
        listed("revocation in a file of its own", signed_then(&loose, days_ago(30)), &loose)
            .certificate(armour_as(openpgp::armor::Kind::PublicKey, &loose_file).into_bytes())
            .refused("key-revoked", Refuses),
        listed(
            "revocation made with SHA-1",
            signed_then(&old_hash, days_ago(30)),
            &add(&old_hash, with_sha1),
        )
        .refused("key-revoked", Refuses),
        listed(
            "retired key bound again later",
            signed_then(&unretired, days_ago(10)),
            &unretired,
        )
        .refused("key-revoked", Refuses),
        listed(
            "revocation by a stranger",
            signed_then(&stranger, days_ago(30)),
            &add(&stranger, forged),
        )
        .accepted(Accepts),
    ]
}

/// A certificate that names Mallory as the one who may revoke it.
fn watched(name: &str) -> Cert {
    generate(builder(name).set_revocation_keys(vec![(&*MALLORY).into()]).add_signing_subkey())
}

/// The certificate's bytes and the packet behind its last subkey.
fn add_behind(cert: &Cert, signature: Signature) -> Vec<u8> {
    [public(cert), packet(signature)].concat()
}

fn by_mallory(cert: &Cert) -> Signature {
    let builder = CertRevocationBuilder::new();
    let builder = builder.set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"lost");
    builder.expect("a builder").build(&mut primary(&MALLORY), cert, None).expect("signs")
}

fn designated() -> Vec<Case> {
    let named = watched("Wanda");
    let taken = watched("Werner");
    let gone = add(&taken, by_mallory(&taken));
    let halved = watched("Walter");
    let key = halved.keys().subkeys().next().expect("a subkey").key().clone();
    let reason = SubkeyRevocationBuilder::new()
        .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"lost")
        .expect("a builder");
    let reason = reason.build(&mut primary(&MALLORY), &halved, &key, None).expect("signs");
    let half_gone = add_behind(&halved, reason);
    let forged = watched("Wilma");
    let mut fake = by_mallory(&watched("Wiebke"));
    fake.add_missing_issuers().expect("issuers");
    let forged_copy = add(&forged, fake);
    vec![
        listed(
            "designated revoker who has said nothing",
            signed_then(&named, days_ago(1)),
            &named,
        )
        .accepted(Accepts),
        listed("revoked by its designated revoker", signed_then(&taken, days_ago(1)), &gone)
            .certificate(public(&MALLORY))
            .refused("key-revoked", Refuses),
        listed(
            "revoked by a designated revoker whose certificate is missing",
            signed_then(&taken, days_ago(1)),
            &gone,
        )
        .refused("key-revoked", NotAsked),
        listed(
            "subkey revoked by the designated revoker",
            signed_then(&halved, days_ago(1)),
            &halved,
        )
        .certificate(half_gone)
        .certificate(public(&MALLORY))
        .refused("key-revoked", NotAsked),
        listed(
            "another's revocation by the same revoker",
            signed_then(&forged, days_ago(1)),
            &forged_copy,
        )
        .certificate(public(&MALLORY))
        .accepted(NotAsked),
    ]
}

fn subkeys() -> Vec<Case> {
    let revoke = |cert: &Cert, reason, time| {
        let key = cert.keys().subkeys().next().expect("a subkey").key().clone();
        let builder = SubkeyRevocationBuilder::new().set_reason_for_revocation(reason, b"");
        let builder = builder.and_then(|b| b.set_signature_creation_time(time)).expect("a builder");
        add(cert, builder.build(&mut primary(cert), cert, &key, None).expect("signs"))
    };
    let hard = person("Sara");
    let soft = person("Sven");
    let short =
        generate(builder("Sina").add_subkey(KeyFlags::empty().set_signing(), DAY * 200, None));
    let over = lasting("Sophie", 300);
    let signed = |cert: &Cert| signed_then(cert, days_ago(250));
    vec![
        listed(
            "subkey compromised",
            signed(&hard),
            &revoke(&hard, ReasonForRevocation::KeyCompromised, days_ago(2)),
        )
        .refused("key-revoked", Refuses),
        listed(
            "subkey retired after it signed",
            signed(&soft),
            &revoke(&soft, ReasonForRevocation::KeyRetired, days_ago(2)),
        )
        .refused("key-revoked", Refuses),
        listed("subkey expired, primary not", signed(&short), &short)
            .refused("key-expired", Refuses),
        listed("primary expired, subkey listed", signed(&over), &over)
            .lists(list_subkey(&over, 0))
            .refused("key-expired", NotAsked),
    ]
}

/// How a subkey is bound: each part can be left out or done badly.
pub struct Binding {
    flags: KeyFlags,
    hash: HashAlgorithm,
    back: Back,
    back_hash: HashAlgorithm,
}

enum Back {
    Missing,
    Own,
    ByAnother(Box<KeyPair>),
    /// The key's own, and one with a strong hash by another beside it.
    OwnAndForged(Box<KeyPair>),
}

impl Binding {
    pub fn honest() -> Binding {
        Binding {
            flags: KeyFlags::empty().set_signing(),
            hash: HashAlgorithm::SHA256,
            back: Back::Own,
            back_hash: HashAlgorithm::SHA256,
        }
    }
}

/// Adds `key` to `cert` as a subkey, bound as told 300 days ago.
pub fn bind(cert: &Cert, key: &Key<SecretParts, SubordinateRole>, binding: Binding) -> Cert {
    let primary_key = cert.primary_key().key().clone();
    let then = |builder: SignatureBuilder| {
        builder.set_signature_creation_time(days_ago(299)).expect("a time")
    };
    let back = then(SignatureBuilder::new(SignatureType::PrimaryKeyBinding))
        .set_hash_algo(binding.back_hash);
    let public = key.clone().take_secret().0;
    let sign_back = |back: &SignatureBuilder, mut pair: KeyPair| {
        let signed = back.clone().sign_primary_key_binding(&mut pair, &primary_key, &public);
        signed.expect("signs")
    };
    let own = || sign_back(&back, key.clone().into_keypair().expect("not locked"));
    let strong = || back.clone().set_hash_algo(HashAlgorithm::SHA256);
    let backs = match binding.back {
        Back::Missing => vec![],
        Back::Own => vec![own()],
        Back::ByAnother(pair) => vec![sign_back(&back, *pair)],
        Back::OwnAndForged(pair) => vec![own(), sign_back(&strong(), *pair)],
    };
    let mut builder = then(SignatureBuilder::new(SignatureType::SubkeyBinding))
        .set_hash_algo(binding.hash)
        .set_key_flags(binding.flags)
        .expect("flags");
    for back in backs {
        let value = SubpacketValue::EmbeddedSignature(back);
        let subpacket = Subpacket::new(value, false).expect("fits");
        let added = builder.modify_unhashed_area(|mut area| {
            area.add(subpacket)?;
            Ok(area)
        });
        builder = added.expect("fits");
    }
    let signature = builder.sign_subkey_binding(&mut primary(cert), None, &public).expect("signs");
    let packets = vec![Packet::from(key.clone()), signature.into()];
    cert.clone().insert_packets(packets).expect("fits").0
}

fn new_subkey() -> Key<SecretParts, SubordinateRole> {
    let mut key = Key::from(Key4::generate_ecc(true, Curve::Ed25519).expect("a key"));
    key.set_creation_time(days_ago(300)).expect("a time");
    key
}

fn bindings() -> Vec<Case> {
    let with = |name, owner: &str, binding: Binding| {
        let cert = bind(&handmade(owner, ed25519(), |builder| builder), &new_subkey(), binding);
        listed(name, signed_then(&cert, days_ago(1)), &cert)
    };
    let honest = Binding::honest;
    let adopted = || {
        let victim = person("Vito");
        let key = victim.keys().subkeys().next().expect("a subkey").key().clone();
        let key = key.parts_into_secret().expect("a secret");
        let thief = handmade("Thea", ed25519(), |builder| builder);
        let own = Back::ByAnother(Box::new(primary(&thief)));
        let cert = bind(&thief, &key, Binding { back: own, ..honest() });
        (victim, cert)
    };
    let (victim, thief) = adopted();
    let (other_victim, other_thief) = adopted();
    let beside = Binding {
        back: Back::OwnAndForged(Box::new(subkey(&MALLORY))),
        back_hash: HashAlgorithm::SHA1,
        ..honest()
    };
    let encrypts = Binding {
        flags: KeyFlags::empty().set_transport_encryption(),
        back: Back::Missing,
        ..honest()
    };
    vec![
        with("subkey bound by hand", "Bea", honest()).accepted(Accepts),
        with(
            "signing subkey without back signature",
            "Ben",
            Binding { back: Back::Missing, ..honest() },
        )
        .refused("key-not-bound", Refuses),
        with(
            "back signature by another key",
            "Bob",
            Binding { back: Back::ByAnother(Box::new(subkey(&MALLORY))), ..honest() },
        )
        .refused("key-not-bound", Refuses),
        with("subkey flagged for encryption only", "Bill", encrypts)
            .refused("key-not-for-signing", Refuses),
        with("subkey without flags", "Bela", Binding { flags: KeyFlags::empty(), ..honest() })
            .refused("key-not-for-signing", NotAsked),
        with(
            "subkey bound with SHA-1",
            "Bibi",
            Binding { hash: HashAlgorithm::SHA1, ..honest() },
        )
        .refused("weak-hash", Accepts),
        with(
            "back signature with SHA-1",
            "Bodo",
            Binding { back_hash: HashAlgorithm::SHA1, ..honest() },
        )
        .refused("weak-hash", Accepts),
        with("back signature with SHA-1 beside a forged strong one", "Bine", beside)
            .refused("weak-hash", NotAsked),
        listed("adopted subkey of another", signed_then(&victim, days_ago(1)), &thief)
            .refused("key-not-bound", NotAsked),
        listed(
            "subkey adopted by a thief, its true owner listed",
            signed_then(&other_victim, days_ago(1)),
            &other_victim,
        )
        .certificate(public(&other_thief))
        .accepted(NotAsked),
        Case::commit(
            "listed subkey that a thief adopted too",
            signed_then(&other_victim, days_ago(1)),
        )
        .lists(list_subkey(&other_victim, 0))
        .certificate(public(&other_thief))
        .certificate(public(&other_victim))
        .accepted(NotAsked),
    ]
}

fn self_signatures() -> Vec<Case> {
    let with = |name, owner: &str, change: fn(SignatureBuilder) -> SignatureBuilder| {
        let cert = handmade(owner, ed25519(), change);
        let mut signer = primary(&cert);
        built_by(name, binary(), &cert, &mut signer)
    };
    let bare = {
        let key = ed25519();
        let user_id = openpgp::packet::UserID::from("Uwe <uwe@example.org>");
        Cert::from_packets(vec![Packet::from(key), user_id.into()].into_iter())
            .expect("a certificate")
    };
    let flooded = |name: &str, count: usize, size: usize| {
        let cert = person(name);
        let user_id = cert.userids().next().expect("a user id").userid().clone();
        let certifications = (0..count).map(|_| {
            let builder = of_type(SignatureType::GenericCertification);
            let builder = builder.set_notation("junk@example.org", vec![7; size], None, false);
            let signed = user_id.bind(&mut primary(&MALLORY), &cert, builder.expect("fits"));
            Packet::from(signed.expect("signs"))
        });
        let certifications: Vec<Packet> = certifications.collect();
        cert.insert_packets(certifications).expect("fits").0
    };
    let unborn = generate(
        builder("Zoe").set_creation_time(*NOW + Duration::from_secs(120)).add_signing_subkey(),
    );
    let early =
        sign_with(at(*NOW + Duration::from_secs(150)), &mut subkey(&unborn), plain().as_bytes());
    let renewed_with_sha1 = |name: &str, flags: KeyFlags, days: u32| {
        let cert = handmade(name, ed25519(), |builder| builder);
        let user_id = cert.userids().next().expect("a user id").userid().clone();
        let builder = SignatureBuilder::new(SignatureType::PositiveCertification)
            .set_hash_algo(HashAlgorithm::SHA1)
            .set_signature_creation_time(days_ago(100))
            .and_then(|builder| builder.set_key_flags(flags))
            .and_then(|builder| builder.set_key_validity_period(DAY * days));
        let mut signer = primary(&cert);
        let signed = builder.expect("a builder").sign_userid_binding(&mut signer, None, &user_id);
        let packets: Vec<Packet> = vec![user_id.into(), signed.expect("signs").into()];
        cert.insert_packets(packets).expect("fits").0
    };
    let both = KeyFlags::empty().set_certification().set_signing();
    let ended = renewed_with_sha1("Hera", both, 350);
    let barred = renewed_with_sha1("Hedi", KeyFlags::empty().set_certification(), 3500);
    let (mut ended_signer, mut barred_signer) = (primary(&ended), primary(&barred));
    let mut bare_signer = primary(&bare);
    vec![
        with("self-signature with SHA-1", "Hans", |b| b.set_hash_algo(HashAlgorithm::SHA1))
            .refused("weak-hash", Accepts),
        with("self-signature with MD5", "Hugo", |b| b.set_hash_algo(HashAlgorithm::MD5))
            .refused("weak-hash", Refuses),
        with("self-signature with SHA-512", "Hella", |b| {
            b.set_hash_algo(HashAlgorithm::SHA512)
        })
        .accepted(Accepts),
        with("self-signature with a critical notation", "Hilde", |b| {
            b.set_notation("x@example.org", "y", None, true).expect("fits")
        })
        .refused("key-not-bound", NotAsked),
        built_by(
            "newer self-signature with SHA-1 that ends the key",
            binary(),
            &ended,
            &mut ended_signer,
        )
        .refused("key-expired", Refuses),
        built_by(
            "newer self-signature with SHA-1 that takes the signing flag",
            binary(),
            &barred,
            &mut barred_signer,
        )
        .refused("key-not-for-signing", Refuses),
        built_by("key without any self-signature", binary(), &bare, &mut bare_signer)
            .refused("key-not-bound", NotAsked),
        honest("certificate with three hundred junk certifications", &flooded("Fred", 300, 40))
            .accepted(Accepts),
        honest("certificate above one MiB is left out", &flooded("Felix", 40, 30_000))
            .unknown_to_gpg()
            .refused("certificate-missing", NotAsked),
        signed_as("key made two minutes from now", &unborn, &armour(&packet(early)))
            .refused("key-not-bound", NotAsked),
    ]
}
