//! SSH signatures: key types, namespaces, options, security keys, certificates, forged blocks.

use std::time::SystemTime;

use lockkeeper::ssh::AllowedSigner;
use ssh_key::{EcdsaCurve, PrivateKey};

use crate::case::Git::{Accepts, NotAsked, Refuses};
use crate::case::{Case, DAY, NOW, dated, days_ago, hermetic, plain, run, with_signature};
use crate::mint;
use crate::ssh_mint::*;

pub fn all() -> Vec<Case> {
    [kinds(), listing(), namespaces(), windows(), security_keys(), certificates(), blocks()]
        .concat()
}

fn bobs(block: &Block) -> String {
    block.signed_by(&BOB, plain().as_bytes())
}

fn kinds() -> Vec<Case> {
    let rsa = |bits| by_ssh_keygen("rsa", bits);
    let small = rsa("1024");
    let small = Case {
        allowed: vec![public(&small)],
        ..signed_as("SSH RSA of 1024 bits", list(&BOB), &signed_by_ssh_keygen(&small))
    };
    let sha256 = Block { hash: "sha256".to_owned(), ..Block::of(&BOB) };
    let huge = [b"ssh-rsa".as_slice(), &[1, 0, 1], &[0x71; 1024]].map(string).concat();
    let huge = Block { key: huge, ..Block::of(&BOB) };
    let dsa = by_ssh_keygen("dsa", "1024");
    let dsa = Block { key: dsa.public_key().to_bytes().expect("writable"), ..Block::of(&BOB) };
    vec![
        honest("SSH Ed25519", &BOB).accepted(Accepts),
        honest("SSH ECDSA P-256", &ecdsa(EcdsaCurve::NistP256)).accepted(Accepts),
        honest("SSH ECDSA P-384", &ecdsa(EcdsaCurve::NistP384)).accepted(Accepts),
        honest("SSH ECDSA P-521", &ecdsa(EcdsaCurve::NistP521)).accepted(Accepts),
        by_ssh_keygen_itself("SSH RSA of 2048 bits", &rsa("2048")),
        by_ssh_keygen_itself("SSH RSA of 4096 bits", &rsa("4096")),
        small.refused("weak-key", Accepts),
        signed_as("SSH RSA of 8192 bits", list(&BOB), &huge.with("rsa-sha2-512", &[1; 1024]))
            .refused("key-unsupported", Refuses),
        signed_as("SSH DSA", list(&BOB), &dsa.with("ssh-dss", &[0; 40]))
            .refused("weak-key", Refuses),
        signed_as("SSH digest SHA-256", list(&BOB), &bobs(&sha256)).accepted(Accepts),
        by_ssh_keygen_itself("signature written by ssh-keygen, Ed25519", &BOB),
        by_ssh_keygen_itself(
            "signature written by ssh-keygen, ECDSA",
            &ecdsa(EcdsaCurve::NistP384),
        ),
    ]
}

fn by_ssh_keygen_itself(name: &'static str, key: &PrivateKey) -> Case {
    signed_as(name, list(key), &signed_by_ssh_keygen(key)).accepted(Accepts)
}

fn signed_by_ssh_keygen(key: &PrivateKey) -> String {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("key");
    let text = key.to_openssh(ssh_key::LineEnding::LF).expect("writable");
    std::fs::write(&path, text.as_bytes()).expect("writable");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("a mode");
    let mut tool = hermetic("ssh-keygen", home.path());
    let (made, words) =
        run(tool.args(["-Y", "sign", "-n", "git", "-f", "key"]), plain().as_bytes());
    assert!(made, "{words}");
    let armour = &words[words.find("-----BEGIN").expect("armour")..];
    let end = armour.find("-----END SSH SIGNATURE-----").expect("an end") + 27;
    format!("{}\n", &armour[..end])
}

fn listing() -> Vec<Case> {
    let eves = Block::of(&EVE).signed_by(&EVE, plain().as_bytes());
    let openpgp = with_signature(plain().as_bytes(), &mint::sign(&mint::ALICE, plain().as_bytes()));
    vec![
        Case { allowed: vec![public(&EVE)], ..signed_as("SSH key not listed", list(&BOB), &eves) }
            .refused("key-not-listed", Accepts),
        signed_as("no SSH key is listed", mint::list(&mint::ALICE), &bobs(&Block::of(&BOB)))
            .certificate(mint::public(&mint::ALICE))
            .refused("key-not-listed", Refuses),
        Case::commit("OpenPGP signature, only SSH keys listed", openpgp)
            .lists(list(&BOB))
            .certificate(mint::public(&mint::ALICE))
            .refused("key-not-listed", Accepts),
        signed_as(
            "SSH key listed beside an OpenPGP key",
            mint::list(&mint::ALICE),
            &bobs(&Block::of(&BOB)),
        )
        .certificate(mint::public(&mint::ALICE))
        .lists(list(&BOB))
        .accepted(Accepts),
        signed_as(
            "SSH key listed twice, once with a window that is over",
            list_with("valid-before=\"20200101Z\"", &BOB),
            &bobs(&Block::of(&BOB)),
        )
        .lists(list(&BOB))
        .accepted(NotAsked),
    ]
}

fn namespaces() -> Vec<Case> {
    let named = |name: &str| Block { namespace: name.to_owned(), ..Block::of(&BOB) };
    let claimed = Block { signed_namespace: Some("file".to_owned()), ..Block::of(&BOB) };
    let case = |name, block: &Block| signed_as(name, list(&BOB), &bobs(block));
    vec![
        case("SSH namespace file", &named("file")).refused("ssh-namespace", Refuses),
        case("SSH namespace empty", &named("")).refused("ssh-namespace", Refuses),
        case("SSH namespace Git", &named("Git")).refused("ssh-namespace", Refuses),
        case("SSH namespace git claimed, file signed", &claimed).refused("bad-signature", Refuses),
        signed_as(
            "namespaces option that covers git",
            list_with("namespaces=\"file,git\"", &BOB),
            &bobs(&Block::of(&BOB)),
        )
        .accepted(Accepts),
    ]
}

fn stamp(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).expect("a time");
    time.strftime("%Y%m%d%H%M%SZ").to_string()
}

fn windows() -> Vec<Case> {
    let case = |name, options: String, time: SystemTime| {
        let bare = dated("Subject\n", time);
        let armour = Block::of(&BOB).signed_by(&BOB, bare.as_bytes());
        Case::commit(name, with_signature(bare.as_bytes(), &armour))
            .lists(list_with(&options, &BOB))
    };
    let after = |time| format!("valid-after=\"{}\"", stamp(time));
    let before = |time| format!("valid-before=\"{}\"", stamp(time));
    let (soon, next_year) = (*NOW + DAY * 10, *NOW + DAY * 365);
    vec![
        case(
            "inside of the window",
            format!("{},{}", after(days_ago(30)), before(next_year)),
            days_ago(1),
        )
        .accepted(Accepts),
        case("window that ends soon", before(soon), days_ago(1)).warned("expires on", Accepts),
        case("window over", before(days_ago(5)), days_ago(1)).refused("key-expired", Refuses),
        case("window over, committer date put back into it", before(days_ago(5)), days_ago(9))
            .refused("key-expired", Accepts),
        case("window not begun", after(soon), days_ago(1)).refused("key-not-yet-valid", Refuses),
        case("window not begun, committer date put into it", after(soon), soon + DAY)
            .refused("key-not-yet-valid", Accepts),
        case("committed before the window began", after(days_ago(5)), days_ago(9))
            .refused("signature-outside-window", Refuses),
        case("committer date behind the window's end", before(soon), soon + DAY)
            .refused("signature-outside-window", Refuses),
    ]
}

fn security_keys() -> Vec<Case> {
    let (ed25519, ecdsa) = (SecurityKey::ed25519(), SecurityKey::ecdsa());
    let case = |name, key: &SecurityKey, options: &str, flags| {
        signed_as(name, key.list(options), &key.sign(flags, plain().as_bytes()))
    };
    let bare = ed25519.sign_as_plain(plain().as_bytes());
    vec![
        case("sk-ed25519, touched", &ed25519, "", 1).accepted(Accepts),
        case("sk-ecdsa, touched", &ecdsa, "", 1).accepted(Accepts),
        case("sk-ed25519, not touched", &ed25519, "", 0).refused("ssh-touch-missing", Accepts),
        case("sk-ecdsa, not touched", &ecdsa, "", 0).refused("ssh-touch-missing", Accepts),
        case("sk-ed25519, owner known but not touched", &ed25519, "", 4)
            .refused("ssh-touch-missing", NotAsked),
        case("sk-ed25519, not touched, no-touch-required", &ed25519, "no-touch-required", 0)
            .accepted(NotAsked),
        case("sk-ed25519, touched, verify-required", &ed25519, "verify-required", 1)
            .refused("ssh-verification-missing", NotAsked),
        case("sk-ed25519, owner known, verify-required", &ed25519, "verify-required", 5)
            .accepted(NotAsked),
        signed_as("sk-ed25519 signature that calls itself plain", ed25519.list(""), &bare)
            .refused("bad-signature", Refuses),
    ]
}

fn certificates() -> Vec<Case> {
    let ca = ed25519();
    let other_ca = ed25519();
    let sign = |certificate: Vec<u8>| bobs(&Block { key: certificate, ..Block::of(&BOB) });
    let issue = |options: &[&str]| sign(certificate(&ca, &BOB, options));
    let good = ["-n", "dev@example.org", "-V", "-30d:+300d"];
    let trusted = || authority("", &ca, &["*@example.org"]);
    let case = |name, armour: &str| signed_as(name, trusted(), armour);
    let device = SecurityKey::ed25519();
    let by_device = |flags| sign(device.certify(flags, &BOB, "dev@example.org"));
    let rsa_ca = by_ssh_keygen("rsa", "2048");
    let by_rsa =
        |algorithm| sign(certificate(&rsa_ca, &BOB, &[&good[..], &["-t", algorithm]].concat()));
    let rsa_trusted = || authority("", &rsa_ca, &["*@example.org"]);
    let forged = {
        let mut blob = certificate(&ca, &BOB, &good);
        let last = blob.len() - 1;
        blob[last] ^= 1;
        sign(blob)
    };
    vec![
        case("SSH certificate", &issue(&good)).accepted(Accepts),
        case("SSH certificate that never ends", &issue(&["-n", "dev@example.org"]))
            .accepted(Accepts),
        case(
            "SSH certificate that ends soon",
            &issue(&["-n", "dev@example.org", "-V", "-30d:+9d"]),
        )
        .warned("expires on", Accepts),
        case("SSH certificate expired", &issue(&["-n", "dev@example.org", "-V", "-30d:-9d"]))
            .refused("key-expired", Refuses),
        case("SSH certificate not begun", &issue(&["-n", "dev@example.org", "-V", "+5d:+9d"]))
            .refused("key-not-yet-valid", Refuses),
        case(
            "SSH certificate begun after the commit",
            &issue(&["-n", "dev@example.org", "-V", "-1h:+9w"]),
        )
        .refused("signature-outside-window", Refuses),
        case("SSH certificate for another principal", &issue(&["-n", "eve@example.com"]))
            .refused("ssh-principal", Refuses),
        case("SSH certificate for nobody", &issue(&[])).refused("ssh-principal", NotAsked),
        case("SSH certificate of a host", &issue(&["-h", "-n", "dev@example.org"]))
            .refused("ssh-certificate", Refuses),
        case(
            "SSH certificate with a critical option",
            &issue(&["-n", "dev@example.org", "-O", "force-command=ls"]),
        )
        .refused("ssh-certificate", NotAsked),
        case("SSH certificate with a broken signature", &forged)
            .refused("ssh-certificate", NotAsked),
        case(
            "SSH certificate of another authority",
            &sign(certificate(&other_ca, &BOB, &good)),
        )
        .refused("key-not-listed", Refuses),
        signed_as("SSH certificate, authority listed as a plain key", list(&ca), &issue(&good))
            .refused("key-not-listed", Refuses),
        signed_as("SSH certificate, its key listed as a plain key", list(&BOB), &issue(&good))
            .refused("key-not-listed", NotAsked),
        signed_as("RSA authority with SHA-512", rsa_trusted(), &by_rsa("rsa-sha2-512"))
            .accepted(Accepts),
        signed_as("RSA authority with SHA-1", rsa_trusted(), &by_rsa("ssh-rsa"))
            .refused("ssh-certificate", NotAsked),
        signed_as("authority on a touched security key", device.authority("dev@*"), &by_device(1))
            .accepted(NotAsked),
        signed_as(
            "authority on a security key that nobody touched",
            device.authority("dev@*"),
            &by_device(0),
        )
        .refused("ssh-certificate", NotAsked),
        signed_as(
            "authority signs itself",
            trusted(),
            &Block::of(&ca).signed_by(&ca, plain().as_bytes()),
        )
        .refused("key-not-listed", Refuses),
        signed_as(
            "SSH certificate, authority's window over",
            authority(",valid-before=\"20200101Z\"", &ca, &["*"]),
            &issue(&good),
        )
        .refused("key-expired", NotAsked),
        signed_as(
            "SSH certificate, principal negated",
            authority("", &ca, &["*", "!dev@*"]),
            &issue(&good),
        )
        .refused("ssh-principal", NotAsked),
    ]
}

fn blocks() -> Vec<Case> {
    let honest = Block::of(&BOB);
    let case = |name, armour: &str| signed_as(name, list(&BOB), armour);
    let good = bobs(&honest);
    let changed = |change: fn(&mut Block)| {
        let mut block = honest.clone();
        change(&mut block);
        bobs(&block)
    };
    let other = honest.signed_by(&BOB, b"something else");
    let by_eve = honest.signed_by(&EVE, plain().as_bytes());
    vec![
        case("SSH version 2", &changed(|b| b.version = 2)).refused("signature-version", Refuses),
        case("SSH version 0", &changed(|b| b.version = 0)).refused("signature-version", NotAsked),
        case("SSH other magic", &changed(|b| b.magic = b"SSHSIX".to_vec()))
            .refused("malformed-signature", Refuses),
        case("SSH bytes behind the block", &changed(|b| b.tail = vec![0]))
            .refused("malformed-signature", Refuses),
        case("SSH bytes behind the inner signature", &changed(|b| b.inner_tail = vec![0]))
            .refused("malformed-signature", Refuses),
        case("SSH reserved field used", &changed(|b| b.reserved = b"x".to_vec()))
            .refused("malformed-signature", NotAsked),
        case("SSH digest named sha1", &changed(|b| b.hash = "sha1".to_owned()))
            .refused("weak-hash", Refuses),
        case("SSH digest named md5", &changed(|b| b.hash = "md5".to_owned()))
            .refused("weak-hash", Refuses),
        case(
            "SSH algorithm ssh-rsa with SHA-1",
            &changed(|b| b.algorithm = Some("ssh-rsa".to_owned())),
        )
        .refused("weak-hash", Refuses),
        case(
            "SSH algorithm of another key type",
            &changed(|b| b.algorithm = Some("rsa-sha2-512".to_owned())),
        )
        .refused("bad-signature", Refuses),
        case("SSH algorithm unknown", &changed(|b| b.algorithm = Some("webauthn".to_owned())))
            .refused("signature-format-unsupported", Refuses),
        case("SSH signature too short", &honest.with("ssh-ed25519", &[1; 60]))
            .refused("malformed-signature", Refuses),
        case("SSH signature of zeros", &honest.with("ssh-ed25519", &[0; 64]))
            .refused("bad-signature", Refuses),
        case("SSH key cut short", &changed(|b| b.key.truncate(20)))
            .refused("malformed-signature", Refuses),
        case("SSH signature over something else", &other).refused("bad-signature", Refuses),
        case("SSH listed key named, another signed", &by_eve).refused("bad-signature", Refuses),
        case("SSH armour with CR LF", &good.replace('\n', "\r\n")).accepted(NotAsked),
        case("SSH text after the armour", &format!("{good}more\n"))
            .refused("malformed-signature", NotAsked),
        case("SSH two armours", &format!("{good}{good}")).refused("malformed-signature", NotAsked),
        case("SSH empty armour", &armour(b"")).refused("malformed-signature", Refuses),
    ]
}

#[test]
fn lines_that_cannot_be_honoured_are_refused_with_a_reason() {
    let key = public(&BOB);
    let small = public(&by_ssh_keygen("rsa", "1024"));
    let dsa = public(&by_ssh_keygen("dsa", "1024"));
    let cases: &[(String, &[&str], &str)] = &[
        (String::new(), &[], "no key"),
        ("nonsense".to_owned(), &[], "no key"),
        (format!("restrict {key}"), &[], "unknown"),
        (format!("namespaces=\"file\" {key}"), &[], "leaves out"),
        (format!("cert-authority {key}"), &[], "principals"),
        (key.clone(), &["dev"], "cert-authority only"),
        (format!("no-touch-required {key}"), &[], "sk- keys only"),
        (small, &[], "RSA of 1024 bits"),
        (dsa, &[], "DSA"),
        (format!("{key}\nssh-ed25519 AAAA"), &[], "line break"),
        ("ssh-ed25519 AAAA".to_owned(), &[], "cannot be read"),
        (format!("dev@example.org {key}"), &[], "unknown"),
    ];
    for (line, principals, part) in cases {
        let principals: Vec<String> = principals.iter().map(|name| (*name).to_owned()).collect();
        let words = AllowedSigner::parse(line, &principals).expect_err(line);
        assert!(words.contains(part), "{line}: {words}");
    }
}
