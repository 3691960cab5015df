//! Which key: listed, at hand, the right one of its certificate, strong enough.

use std::sync::LazyLock;

use openpgp::cert::CertBuilder;
use openpgp::packet::key::Key4;
use openpgp::types::{Curve, HashAlgorithm, KeyFlags};
use openpgp::{Cert, Profile};
use sequoia_openpgp as openpgp;

use crate::case::Git::{Accepts, NotAsked, Refuses};
use crate::case::{Case, days_ago, plain, with_signature};
use crate::mint::*;

/// A certificate with two signing subkeys, one for encryption.
static CAROL: LazyLock<Cert> = LazyLock::new(|| {
    let builder = builder("Carol").add_signing_subkey().add_signing_subkey();
    generate(builder.add_transport_encryption_subkey())
});

/// A version 6 certificate, which GnuPG 2.2 does not know.
static VERA: LazyLock<Cert> = LazyLock::new(|| {
    let builder = CertBuilder::new().set_profile(Profile::RFC9580).expect("a profile");
    let builder = builder.set_creation_time(days_ago(400)).add_userid("Vera <vera@example.org>");
    generate(builder.add_signing_subkey())
});

pub fn all() -> Vec<Case> {
    [listing(), certificates(), subkeys(), strength(), versions()].concat()
}

fn alices_commit() -> Vec<u8> {
    with_signature(plain().as_bytes(), &sign(&ALICE, plain().as_bytes()))
}

fn by(cert: &Cert, index: usize) -> Vec<u8> {
    let signature = sign_with(binary(), &mut nth_subkey(cert, index), plain().as_bytes());
    with_signature(plain().as_bytes(), &armour(&packet(signature)))
}

fn listing() -> Vec<Case> {
    let fingerprint = ALICE.fingerprint().to_hex();
    let spaced = format!("0x{} {}", &fingerprint[..20], fingerprint[20..].to_lowercase());
    let twin = person("Alice");
    vec![
        honest("listed key", &ALICE).accepted(Accepts),
        Case::commit(
            "good key, not listed",
            with_signature(plain().as_bytes(), &sign(&MALLORY, plain().as_bytes())),
        )
        .lists(list(&ALICE))
        .certificate(public(&ALICE))
        .certificate(public(&MALLORY))
        .refused("key-not-listed", Accepts),
        Case::commit(
            "same user id, other key",
            with_signature(plain().as_bytes(), &sign(&twin, plain().as_bytes())),
        )
        .lists(list(&ALICE))
        .certificate(public(&ALICE))
        .certificate(public(&twin))
        .refused("key-not-listed", Accepts),
        Case::commit("no key is listed", alices_commit())
            .certificate(public(&ALICE))
            .refused("key-not-listed", Accepts),
        Case::commit("only another's key is listed", alices_commit())
            .lists(list(&MALLORY))
            .certificate(public(&MALLORY))
            .certificate(public(&ALICE))
            .refused("key-not-listed", Accepts),
        Case::commit("fingerprint written with 0x, space and lower case", alices_commit())
            .lists(list_text(&spaced))
            .certificate(public(&ALICE))
            .accepted(Accepts),
        Case::commit("one of two listed keys", alices_commit())
            .lists(list(&MALLORY))
            .lists(list(&ALICE))
            .certificate(public(&MALLORY))
            .certificate(public(&ALICE))
            .accepted(Accepts),
    ]
}

fn certificates() -> Vec<Case> {
    let nobody = person("Nobody");
    let hidden = with_signature(plain().as_bytes(), &sign(&nobody, plain().as_bytes()));
    let armoured = openpgp::serialize::SerializeInto::to_vec(&ALICE.armored()).expect("serialises");
    let two = [public(&MALLORY), public(&ALICE)].concat();
    let junk = [public(&ALICE), vec![0xff; 1 << 20], vec![0; 4 << 20]].concat();
    vec![
        Case::commit("certificate of the listed key is missing", hidden.clone())
            .lists(list(&nobody))
            .refused("certificate-missing", Refuses),
        Case::commit("a file with another's certificate in place of the listed one", hidden)
            .lists(list(&nobody))
            .certificate(public(&MALLORY))
            .refused("certificate-missing", Refuses),
        Case::commit("armoured certificate", alices_commit())
            .lists(list(&ALICE))
            .certificate(armoured.clone())
            .accepted(Accepts),
        Case::commit("two armoured certificates in one file", alices_commit())
            .lists(list(&ALICE))
            .certificate(
                [
                    armour_as(openpgp::armor::Kind::PublicKey, &public(&MALLORY)).into_bytes(),
                    armoured,
                ]
                .concat(),
            )
            .accepted(Accepts),
        Case::commit("keyring of two binary certificates in one file", alices_commit())
            .lists(list(&ALICE))
            .certificate(two)
            .accepted(Accepts),
        Case::commit("file above four MiB is left out", alices_commit())
            .lists(list(&ALICE))
            .certificate(junk)
            .unknown_to_gpg()
            .refused("certificate-missing", NotAsked),
    ]
}

fn subkeys() -> Vec<Case> {
    let carol = |name, raw: Vec<u8>| listed(name, raw, &CAROL);
    let pinned = |name, raw: Vec<u8>, index| {
        Case::commit(name, raw).lists(list_subkey(&CAROL, index)).certificate(public(&CAROL))
    };
    let dave = generate(builder("Dave").add_authentication_subkey());
    let by_primary = sign_with(binary(), &mut primary(&CAROL), plain().as_bytes());
    let by_primary = with_signature(plain().as_bytes(), &armour(&packet(by_primary)));
    let both =
        builder("Bert").set_primary_key_flags(KeyFlags::empty().set_certification().set_signing());
    let both = generate(both.add_signing_subkey());
    let berts = sign_with(binary(), &mut primary(&both), plain().as_bytes());
    let berts = with_signature(plain().as_bytes(), &armour(&packet(berts)));
    vec![
        carol("listed primary, first subkey signed", by(&CAROL, 0)).accepted(Accepts),
        carol("listed primary, second subkey signed", by(&CAROL, 1)).accepted(Accepts),
        honest("authentication subkey signed", &dave).refused("key-not-for-signing", Refuses),
        carol("certify-only primary signed", by_primary.clone())
            .refused("key-not-for-signing", Refuses),
        pinned("listed subkey signed", by(&CAROL, 1), 1).accepted(Accepts),
        pinned("another subkey than the listed one signed", by(&CAROL, 0), 1)
            .refused("key-not-listed", Accepts),
        pinned("listed subkey, primary signed", by_primary, 1).refused("key-not-listed", Refuses),
        listed("listed primary that signs itself", berts.clone(), &both).accepted(Accepts),
        Case::commit("listed subkey, signing primary signed", berts)
            .lists(list_subkey(&both, 0))
            .certificate(public(&both))
            .refused("key-not-listed", Accepts),
    ]
}

/// A certificate of one self-made key that signed the plain commit.
fn of_key(
    name: &'static str,
    owner: &str,
    key: openpgp::packet::Key<openpgp::packet::key::SecretParts, openpgp::packet::key::PrimaryRole>,
) -> Case {
    // gpg wants a digest as long as the curve.
    let cert = handmade(owner, key, |builder| builder.set_hash_algo(HashAlgorithm::SHA512));
    let mut signer = primary(&cert);
    built_by(name, binary().set_hash_algo(HashAlgorithm::SHA512), &cert, &mut signer)
}

fn ecc(
    curve: Curve,
) -> openpgp::packet::Key<openpgp::packet::key::SecretParts, openpgp::packet::key::PrimaryRole> {
    aged(Key4::generate_ecc(true, curve).expect("a key"))
}

fn strength() -> Vec<Case> {
    let weak_primary = handmade("Rita", rsa(1024), |builder| builder);
    let strong_subkey = bind_subkey(&weak_primary);
    let huge = openpgp::packet::Key::<_, openpgp::packet::key::PrimaryRole>::from(
        Key4::import_public_rsa(&[1, 0, 1], &[0xf1; 1024], Some(days_ago(400))).expect("a key"),
    );
    let (huge_issuer, user_id) = (huge.fingerprint(), openpgp::packet::UserID::from("Hulk"));
    let huge = openpgp::Cert::from_packets(vec![huge.into(), user_id.into()].into_iter());
    let as_huge = binary().set_issuer_fingerprint(huge_issuer.clone()).expect("fits");
    let as_huge = as_huge.set_issuer(huge_issuer.into()).expect("fits");
    let dsa = aged(Key4::generate_dsa(2048).expect("a key"));
    vec![
        of_key("RSA of 1024 bits", "Ron", rsa(1024)).refused("weak-key", Accepts),
        built_by("RSA of 8192 bits", as_huge, &huge.expect("a certificate"), &mut subkey(&ALICE))
            .refused("key-unsupported", NotAsked),
        of_key("RSA of 2048 bits", "Ruth", rsa(2048)).accepted(Accepts),
        of_key("DSA of 2048 bits", "Dora", dsa).refused("weak-key", Accepts),
        of_key("ECDSA on P-256", "Nina", ecc(Curve::NistP256)).accepted(Accepts),
        of_key("ECDSA on P-384", "Nora", ecc(Curve::NistP384)).accepted(Accepts),
        of_key("ECDSA on P-521", "Nele", ecc(Curve::NistP521)).accepted(Accepts),
        of_key("EdDSA on Ed25519", "Edda", ed25519()).accepted(Accepts),
        signed_as(
            "strong subkey below an RSA primary of 1024 bits",
            &strong_subkey,
            &sign(&strong_subkey, plain().as_bytes()),
        )
        .refused("weak-key", Accepts),
    ]
}

/// Adds an Ed25519 signing subkey with its back signature.
fn bind_subkey(cert: &Cert) -> Cert {
    let mut key = openpgp::packet::Key::from(
        Key4::<_, openpgp::packet::key::SubordinateRole>::generate_ecc(true, Curve::Ed25519)
            .expect("a key"),
    );
    key.set_creation_time(days_ago(300)).expect("a time");
    crate::certificate_cases::bind(cert, &key, crate::certificate_cases::Binding::honest())
}

fn versions() -> Vec<Case> {
    let signature = |name| signed_as(name, &VERA, &sign(&VERA, plain().as_bytes()));
    vec![
        signature("version 6 key").unknown_to_gpg().accepted(Refuses),
        Case::commit("version 6 subkey listed", by(&VERA, 0))
            .lists(list_subkey(&VERA, 0))
            .certificate(public(&VERA))
            .unknown_to_gpg()
            .accepted(Refuses),
    ]
}
