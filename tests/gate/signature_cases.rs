//! The signature packet and its armour: type, hash, time, issuer, count, form.

use std::time::Duration;

use openpgp::armor::Kind;
use openpgp::crypto::Signer;
use openpgp::packet::Signature;
use openpgp::packet::signature::subpacket::{Subpacket, SubpacketTag, SubpacketValue};
use openpgp::packet::signature::{Signature3, SignatureBuilder};
use openpgp::serialize::MarshalInto;
use openpgp::types::{HashAlgorithm, SignatureType, Timestamp};
use openpgp::{Cert, Packet};
use sequoia_openpgp as openpgp;

use crate::case::Git::{Accepts, NotAsked, Refuses};
use crate::case::{Case, NOW, days_ago, plain, with_signature};
use crate::mint::*;

pub fn all() -> Vec<Case> {
    [hashes(), times(), subpackets(), types(), issuers(), packets(), blocks(), numbers()].concat()
}

fn honest_bytes() -> Vec<u8> {
    packet(sign_with(binary(), &mut subkey(&ALICE), plain().as_bytes()))
}

fn block(name: &'static str, armour: impl AsRef<str>) -> Case {
    signed_as(name, &ALICE, armour.as_ref())
}

fn hashes() -> Vec<Case> {
    let with = |name, hash| built(name, binary().set_hash_algo(hash));
    vec![
        with("data signature with MD5", HashAlgorithm::MD5).refused("weak-hash", Refuses),
        with("data signature with SHA-1", HashAlgorithm::SHA1).refused("weak-hash", Accepts),
        with("data signature with RIPEMD-160", HashAlgorithm::RipeMD)
            .refused("weak-hash", NotAsked),
        with("data signature with SHA-224", HashAlgorithm::SHA224).accepted(NotAsked),
        with("data signature with SHA-384", HashAlgorithm::SHA384).accepted(Accepts),
        with("data signature with SHA-512", HashAlgorithm::SHA512).accepted(Accepts),
    ]
}

fn times() -> Vec<Case> {
    let minutes = |count: u64| Duration::from_secs(count * 60);
    let timeless = {
        let builder = binary().suppress_signature_creation_time().expect("a builder");
        built("signature without a time", builder)
    };
    let valid_for = |name, days: u64| {
        let builder =
            at(days_ago(30)).set_signature_validity_period(Duration::from_secs(days * 86_400));
        built(name, builder.expect("a period"))
    };
    vec![
        built("signature dated a year from now", at(*NOW + in_years(1)))
            .refused("signature-in-future", Accepts),
        built("signature dated six minutes from now", at(*NOW + minutes(6)))
            .refused("signature-in-future", Accepts),
        built("signature dated four minutes from now", at(*NOW + minutes(4))).accepted(Accepts),
        older_than_its_key(),
        timeless.refused("malformed-signature", NotAsked),
        valid_for("signature that has expired", 10).refused("signature-expired", Refuses),
        valid_for("signature that expires later", 60).accepted(Accepts),
        built("signature of a year ago", at(days_ago(365))).accepted(Accepts),
    ]
}

/// sequoia will not sign before the key was made, so the key is made younger afterwards: its numbers stay.
fn older_than_its_key() -> Case {
    let young = handmade("Yuri", ed25519(), |builder| builder);
    let mut signer = primary(&young);
    let mut old_key = young.primary_key().key().clone().parts_into_secret().expect("a secret");
    old_key.set_creation_time(days_ago(500)).expect("a time");
    let mut old_signer = old_key.into_keypair().expect("not locked");
    let issuer = signer.public().fingerprint();
    let builder = at(days_ago(450)).set_issuer_fingerprint(issuer).expect("fits");
    let signature = sign_with(builder, &mut old_signer, plain().as_bytes());
    let _ = &mut signer;
    signed_as("signature older than its key", &young, &armour(&packet(signature)))
        .refused("signature-before-key", Refuses)
}

fn subpackets() -> Vec<Case> {
    let notation = |critical| {
        binary().set_notation("policy@example.org", "strict", None, critical).expect("fits")
    };
    let unknown = |critical| {
        let value = SubpacketValue::Unknown { tag: SubpacketTag::Private(101), body: vec![1] };
        let subpacket = Subpacket::new(value, critical).expect("fits");
        binary().modify_hashed_area(|mut area| {
            area.add(subpacket)?;
            Ok(area)
        })
    };
    let signers = binary().set_signers_user_id("Alice <alice@example.org>").expect("fits");
    vec![
        built("critical notation", notation(true)).refused("signature-critical", Refuses),
        built("notation that is not critical", notation(false)).accepted(Accepts),
        built("unknown critical subpacket", unknown(true).expect("fits"))
            .refused("signature-critical", Refuses),
        built("unknown subpacket that is not critical", unknown(false).expect("fits"))
            .accepted(Accepts),
        built("signer's user id", signers).accepted(Accepts),
    ]
}

fn types() -> Vec<Case> {
    use SignatureType::*;
    let with = |name, kind| built(name, of_type(kind)).refused("signature-type", NotAsked);
    vec![
        Case { git: Accepts, ..with("text signature", Text) },
        with("standalone signature", Standalone),
        with("generic certification", GenericCertification),
        with("positive certification", PositiveCertification),
        with("timestamp signature", Timestamp),
        with("key revocation as signature", KeyRevocation),
        with("direct key signature as signature", DirectKey),
    ]
}

fn issuers() -> Vec<Case> {
    let stranger = MALLORY.fingerprint();
    let claims = |builder: SignatureBuilder, fingerprint: &openpgp::Fingerprint| {
        let builder = builder.set_issuer_fingerprint(fingerprint.clone()).expect("fits");
        builder.set_issuer(fingerprint.into()).expect("fits")
    };
    let own = subkey(&ALICE).public().fingerprint();
    let bertha = person("Bertha");
    let other = subkey(&bertha).public().fingerprint();
    let as_other = sign_with(claims(binary(), &other), &mut subkey(&ALICE), plain().as_bytes());
    let two = claims(binary(), &own).set_issuer((&other).into()).expect("fits");
    let nameless = {
        let signature = sign_with(binary(), &mut subkey(&ALICE), plain().as_bytes());
        let bare = stripped_of_issuers(&signature);
        block("signature that names no issuer", armour(&bare))
    };
    let by_id_only = {
        let builder = binary().set_issuer((&own).into()).expect("fits");
        built("issuer named by key id alone", builder)
    };
    vec![
        built("issuer names an unlisted key", claims(binary(), &stranger))
            .refused("key-not-listed", Refuses),
        listed(
            "issuer names another listed key",
            with_signature(plain().as_bytes(), &armour(&packet(as_other))),
            &ALICE,
        )
        .lists(list(&bertha))
        .certificate(public(&bertha))
        .refused("bad-signature", Refuses),
        built("issuer's fingerprint and key id disagree", two).refused("key-not-listed", NotAsked),
        nameless.refused("malformed-signature", NotAsked),
        by_id_only.accepted(Accepts),
    ]
}

/// Signs again with issuer subpackets hidden: sequoia adds them, so they are cut out of the bytes.
fn stripped_of_issuers(signature: &Signature) -> Vec<u8> {
    let Signature::V4(v4) = signature else { unreachable!("version 4 keys sign so") };
    let mut hashed = v4.hashed_area().clone();
    hashed.remove_all(SubpacketTag::IssuerFingerprint);
    hashed.remove_all(SubpacketTag::Issuer);
    let unhashed = openpgp::packet::signature::subpacket::SubpacketArea::default();
    let bare = openpgp::packet::signature::Signature4::new(
        v4.typ(),
        v4.pk_algo(),
        v4.hash_algo(),
        hashed,
        unhashed,
        *v4.digest_prefix(),
        v4.mpis().clone(),
    );
    packet(Signature::V4(bare))
}

fn version_three() -> Vec<u8> {
    let mut signer = subkey(&ALICE);
    let time = Timestamp::try_from(days_ago(1)).expect("a time");
    let mut hash = HashAlgorithm::SHA256.context().expect("a hash").for_signature(3);
    hash.update(plain().as_bytes());
    hash.update(&[0]);
    hash.update(&u32::from(time).to_be_bytes());
    let digest = hash.into_digest().expect("a digest");
    let numbers = signer.sign(HashAlgorithm::SHA256, &digest).expect("signs");
    let key = signer.public();
    let signature = Signature3::new(
        SignatureType::Binary,
        time,
        key.keyid(),
        key.pk_algo(),
        HashAlgorithm::SHA256,
        [digest[0], digest[1]],
        numbers,
    );
    packet(Signature::V3(signature))
}

fn packets() -> Vec<Case> {
    let one = honest_bytes();
    let mallorys = packet(sign_with(binary(), &mut subkey(&MALLORY), plain().as_bytes()));
    let literal = MarshalInto::to_vec(&Packet::from({
        let mut literal = openpgp::packet::Literal::new(openpgp::types::DataFormat::Binary);
        literal.set_body(plain().into_bytes());
        literal
    }))
    .expect("serialises");
    let marker = vec![0xca, 3, b'P', b'G', b'P'];
    let cut = &one[..one.len() - 3];
    let mut version = one.clone();
    version[2] = 5;
    let pair = |first: &[u8], second: &[u8]| armour(&[first, second].concat());
    vec![
        block("version 3 signature", armour(&version_three()))
            .refused("signature-version", Accepts),
        block("version 5 signature", armour(&version)).refused("signature-version", Refuses),
        block("two signatures in one block, the listed first", pair(&one, &mallorys))
            .refused("signature-count", Refuses),
        block("two signatures in one block, the listed last", pair(&mallorys, &one))
            .refused("signature-count", Refuses),
        block("the same signature twice in one block", pair(&one, &one))
            .refused("signature-count", Refuses),
        block("marker packet behind the signature", pair(&one, &marker))
            .refused("malformed-signature", NotAsked),
        block("marker packet before the signature", pair(&marker, &one))
            .refused("malformed-signature", NotAsked),
        block("literal data in the block", pair(&one, &literal))
            .refused("malformed-signature", NotAsked),
        block("garbage behind the signature packet", pair(&one, b"\x00\x01"))
            .refused("malformed-signature", NotAsked),
        block("signature packet cut short", armour(cut)).refused("malformed-signature", Refuses),
        block("empty armour", armour(b"")).refused("malformed-signature", Refuses),
        block("no packet in the armour", armour(b"hello")).refused("malformed-signature", Refuses),
    ]
}

fn blocks() -> Vec<Case> {
    let good = sign(&ALICE, plain().as_bytes());
    let body = |change: &dyn Fn(&str) -> String| change(&good);
    let as_message = armour_as(Kind::Message, &honest_bytes());
    let certificate = armour_as(Kind::PublicKey, &public(&ALICE));
    let cleartext = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{}\n{good}",
        plain().replace("\n-", "\n- -")
    );
    let x509 = "-----BEGIN SIGNED MESSAGE-----\nMIIB\n-----END SIGNED MESSAGE-----\n";
    let without_checksum: String = good
        .lines()
        .filter(|line| !line.starts_with('='))
        .map(|line| format!("{line}\n"))
        .collect();
    let wrong_checksum: String = good
        .lines()
        .map(|line| if line.starts_with('=') { "=AAAA\n".to_owned() } else { format!("{line}\n") })
        .collect();
    let large = format!("{}{}", good.trim_end(), "\n ".repeat(70_000));
    vec![
        block("armour with CR LF", body(&|good| good.replace('\n', "\r\n"))).accepted(Accepts),
        block("text after the armour", format!("{good}And more.\n"))
            .refused("malformed-signature", Accepts),
        block("text before the armour", format!("Read me\n{good}"))
            .refused("malformed-signature", NotAsked),
        block("blank line before the armour", format!("\n{good}"))
            .refused("malformed-signature", Refuses),
        block("blank lines after the armour", format!("{good}\n\n")).accepted(Accepts),
        block("two armour blocks", format!("{good}{good}"))
            .refused("malformed-signature", NotAsked),
        block(
            "comment among the armour's headers",
            good.replacen("\n\n", "\nComment: hello\n\n", 1),
        )
        .accepted(Accepts),
        block("armour without its blank line", good.replacen("\n\n", "\n", 1))
            .refused("malformed-signature", NotAsked),
        block("armour without checksum", without_checksum).accepted(NotAsked),
        block("armour with a wrong checksum", wrong_checksum)
            .refused("malformed-signature", NotAsked),
        block("armour without its end", good.replace("-----END PGP SIGNATURE-----\n", ""))
            .refused("malformed-signature", NotAsked),
        block("no base64 inside", good.replace('=', "!")).refused("malformed-signature", NotAsked),
        block("signature armoured as a message", as_message)
            .refused("malformed-signature", NotAsked),
        block("certificate in place of the signature", certificate)
            .refused("malformed-signature", Refuses),
        block("cleartext framework", cleartext).refused("malformed-signature", NotAsked),
        block("X.509 signature", x509).refused("signature-format-unsupported", Refuses),
        block("format that nobody knows", "-----BEGIN MINISIGN-----\n")
            .refused("signature-format-unsupported", Refuses),
        block("empty signature", "").refused("malformed-signature", Refuses),
        block("signature above 64 KiB", large).refused("signature-too-large", NotAsked),
    ]
}

/// GitHub's own signatures write a number's length in whole octets.
fn numbers() -> Vec<Case> {
    let web_flow = handmade("GitHub", rsa(2048), |builder| builder);
    let named = web_flow_certificate();
    let sloppy = sloppy_signature(&web_flow);
    let other = sloppy_signature(&named);
    vec![
        signed_as("number length in whole octets", &web_flow, &armour(&sloppy)).accepted(Accepts),
        signed_as("web-flow's key, listed", &named, &armour(&other))
            .warned("forge's own key", Accepts),
        Case::commit(
            "web-flow's key, not listed",
            with_signature(plain().as_bytes(), &armour(&other)),
        )
        .lists(list(&ALICE))
        .certificate(public(&ALICE))
        .certificate(public(&named))
        .refused("key-not-listed", Accepts),
    ]
}

fn web_flow_certificate() -> Cert {
    let key = rsa(2048);
    let mut signer = key.clone().into_keypair().expect("not locked");
    let user_id = openpgp::packet::UserID::from("GitHub <noreply@github.com>");
    let flags = openpgp::types::KeyFlags::empty().set_certification().set_signing();
    let builder = of_type(SignatureType::PositiveCertification).set_key_flags(flags);
    let builder = builder.and_then(|b| b.set_signature_creation_time(days_ago(400)));
    let bound = builder.expect("a builder").sign_userid_binding(&mut signer, None, &user_id);
    let packets = vec![Packet::from(key), user_id.into(), bound.expect("signs").into()];
    Cert::from_packets(packets.into_iter()).expect("a certificate")
}

/// Signs until the number begins with a zero bit, then rounds its length up.
fn sloppy_signature(cert: &Cert) -> Vec<u8> {
    loop {
        let bytes = packet(sign_with(binary(), &mut primary(cert), plain().as_bytes()));
        for index in 0..bytes.len() - 256 {
            let bits = u16::from_be_bytes([bytes[index], bytes[index + 1]]);
            let reaches_end = usize::from(bits).div_ceil(8) == bytes.len() - index - 2;
            if reaches_end && (2041..2048).contains(&bits) {
                let mut sloppy = bytes.clone();
                sloppy[index..index + 2].copy_from_slice(&2048u16.to_be_bytes());
                return sloppy;
            }
        }
    }
}
