//! SSH keys, certificates and signature blocks, honest ones and forgeries.

use std::fs;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lockkeeper::config::ListedKey;
use lockkeeper::ssh::AllowedSigner;
use sha2::{Digest, Sha256, Sha512};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, EcdsaCurve, PrivateKey, SigningKey};

use crate::case::{Case, hermetic, plain, run, with_signature};

pub fn ed25519() -> PrivateKey {
    PrivateKey::random(&mut OsRng, Algorithm::Ed25519).expect("a key")
}

pub fn ecdsa(curve: EcdsaCurve) -> PrivateKey {
    PrivateKey::random(&mut OsRng, Algorithm::Ecdsa { curve }).expect("a key")
}

/// Bob, listed in most cases.
pub static BOB: LazyLock<PrivateKey> = LazyLock::new(ed25519);
/// Eve, whose key is good and listed nowhere.
pub static EVE: LazyLock<PrivateKey> = LazyLock::new(ed25519);

/// A key as ssh-keygen makes it.
pub fn by_ssh_keygen(kind: &str, bits: &str) -> PrivateKey {
    let home = tempfile::tempdir().expect("a folder");
    let arguments = ["-q", "-t", kind, "-b", bits, "-N", "", "-C", "dev", "-f", "key"];
    let (made, words) = run(hermetic("ssh-keygen", home.path()).args(arguments), b"");
    assert!(made, "{words}");
    let file = fs::read(home.path().join("key")).expect("the key is there");
    PrivateKey::from_openssh(file).expect("readable")
}

/// A certificate for `key` by `authority`, as ssh-keygen makes it; returns its wire form.
pub fn certificate(authority: &PrivateKey, key: &PrivateKey, options: &[&str]) -> Vec<u8> {
    let home = tempfile::tempdir().expect("a folder");
    let ca = authority.to_openssh(ssh_key::LineEnding::LF).expect("writable");
    let path = home.path().join("ca");
    fs::write(&path, ca.as_bytes()).expect("writable");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("a mode");
    fs::write(home.path().join("key.pub"), public(key)).expect("writable");
    let mut tool = hermetic("ssh-keygen", home.path());
    let (made, words) =
        run(tool.args(["-q", "-s", "ca", "-I", "dev"]).args(options).arg("key.pub"), b"");
    assert!(made, "{words}");
    let line =
        fs::read_to_string(home.path().join("key-cert.pub")).expect("the certificate is there");
    STANDARD.decode(line.split(' ').nth(1).expect("a blob")).expect("base64")
}

pub fn public(key: &PrivateKey) -> String {
    key.public_key().to_openssh().expect("writable")
}

pub fn list(key: &PrivateKey) -> ListedKey {
    list_line(&public(key))
}

pub fn list_with(options: &str, key: &PrivateKey) -> ListedKey {
    list_line(&format!("{options} {}", public(key)))
}

pub fn list_line(line: &str) -> ListedKey {
    ListedKey::Ssh(AllowedSigner::parse(line, &[]).expect("a good line"))
}

pub fn authority(options: &str, key: &PrivateKey, principals: &[&str]) -> ListedKey {
    let principals: Vec<String> = principals.iter().map(|name| (*name).to_owned()).collect();
    let line = format!("cert-authority{options} {}", public(key));
    ListedKey::Ssh(AllowedSigner::parse(&line, &principals).expect("a good line"))
}

pub fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("short");
    [length.to_be_bytes().as_slice(), bytes].concat()
}

/// Everything in a signature block that can be forged.
#[derive(Clone)]
pub struct Block {
    pub magic: Vec<u8>,
    pub version: u32,
    pub key: Vec<u8>,
    pub namespace: String,
    /// The namespace that the signature really covers.
    pub signed_namespace: Option<String>,
    pub reserved: Vec<u8>,
    pub hash: String,
    pub algorithm: Option<String>,
    pub inner_tail: Vec<u8>,
    pub tail: Vec<u8>,
}

impl Block {
    pub fn of(key: &PrivateKey) -> Block {
        Block {
            magic: b"SSHSIG".to_vec(),
            version: 1,
            key: key.public_key().to_bytes().expect("writable"),
            namespace: "git".to_owned(),
            signed_namespace: None,
            reserved: Vec::new(),
            hash: "sha512".to_owned(),
            algorithm: None,
            inner_tail: Vec::new(),
            tail: Vec::new(),
        }
    }

    /// What is signed: never the payload itself but its digest, with the namespace.
    pub fn signed_data(&self, payload: &[u8]) -> Vec<u8> {
        let digest = match self.hash.as_str() {
            "sha256" => Sha256::digest(payload).to_vec(),
            _ => Sha512::digest(payload).to_vec(),
        };
        let namespace = self.signed_namespace.as_ref().unwrap_or(&self.namespace);
        let parts = [namespace.as_bytes(), &self.reserved, self.hash.as_bytes(), &digest];
        [b"SSHSIG".to_vec(), parts.map(string).concat()].concat()
    }

    /// The block with a signature by `key`.
    pub fn signed_by(&self, key: &PrivateKey, payload: &[u8]) -> String {
        let (algorithm, signature) = raw(key, &self.signed_data(payload));
        self.with(&algorithm, &signature)
    }

    /// The block with these signature bytes.
    pub fn with(&self, algorithm: &str, signature: &[u8]) -> String {
        let algorithm = self.algorithm.as_deref().unwrap_or(algorithm);
        let inner =
            [string(algorithm.as_bytes()), string(signature), self.inner_tail.clone()].concat();
        let bytes = [
            self.magic.clone(),
            self.version.to_be_bytes().to_vec(),
            string(&self.key),
            string(self.namespace.as_bytes()),
            string(&self.reserved),
            string(self.hash.as_bytes()),
            string(&inner),
            self.tail.clone(),
        ]
        .concat();
        armour(&bytes)
    }
}

pub fn armour(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(70).map(|line| String::from_utf8_lossy(line).into_owned());
    let body = lines.collect::<Vec<_>>().join("\n");
    format!("-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n")
}

/// A bare signature: its algorithm's name and its bytes.
pub fn raw<K: SigningKey>(key: &K, data: &[u8]) -> (String, Vec<u8>) {
    let signature = key.try_sign(data).expect("signs");
    (signature.algorithm().as_str().to_owned(), signature.as_bytes().to_vec())
}

/// The plain commit with this signature, with `key` listed.
pub fn signed_as(name: &'static str, key: ListedKey, armour: &str) -> Case {
    Case::commit(name, with_signature(plain().as_bytes(), armour)).lists(key)
}

/// The plain commit honestly signed.
pub fn honest(name: &'static str, key: &PrivateKey) -> Case {
    signed_as(name, list(key), &Block::of(key).signed_by(key, plain().as_bytes()))
}

/// A security key: its public line and what it signs with.
pub struct SecurityKey {
    inner: PrivateKey,
    blob: Vec<u8>,
    kind: &'static str,
}

const APPLICATION: &str = "ssh:";

/// The flags and the counter behind a security key's signature.
fn trailer(flags: u8) -> Vec<u8> {
    vec![flags, 0, 0, 0, 7]
}

impl SecurityKey {
    pub fn ed25519() -> SecurityKey {
        let inner = ed25519();
        let point = inner.public_key().key_data().ed25519().expect("Ed25519").0;
        let kind = "sk-ssh-ed25519@openssh.com";
        let blob = [kind.as_bytes(), &point, APPLICATION.as_bytes()].map(string).concat();
        SecurityKey { inner, blob, kind }
    }

    pub fn ecdsa() -> SecurityKey {
        let inner = ecdsa(EcdsaCurve::NistP256);
        let point = inner.public_key().key_data().ecdsa().expect("ECDSA").as_sec1_bytes().to_vec();
        let kind = "sk-ecdsa-sha2-nistp256@openssh.com";
        let parts = [kind.as_bytes(), b"nistp256", &point, APPLICATION.as_bytes()];
        SecurityKey { inner, blob: parts.map(string).concat(), kind }
    }

    pub fn list(&self, options: &str) -> ListedKey {
        let line = format!("{options} {} {} dev", self.kind, STANDARD.encode(&self.blob));
        list_line(line.trim())
    }

    pub fn sign(&self, flags: u8, payload: &[u8]) -> String {
        let (trailer, block) = (trailer(flags), Block::of(&self.inner));
        let block = Block { key: self.blob.clone(), inner_tail: trailer, ..block };
        block.with(self.kind, &self.raw(flags, &block.signed_data(payload)))
    }

    fn raw(&self, flags: u8, data: &[u8]) -> Vec<u8> {
        let parts =
            [Sha256::digest(APPLICATION).to_vec(), trailer(flags), Sha256::digest(data).to_vec()];
        raw(&self.inner, &parts.concat()).1
    }

    /// Lists this key as an authority.
    pub fn authority(&self, principal: &str) -> ListedKey {
        let line = format!("cert-authority {} {}", self.kind, STANDARD.encode(&self.blob));
        ListedKey::Ssh(AllowedSigner::parse(&line, &[principal.to_owned()]).expect("a good line"))
    }

    /// A certificate for an Ed25519 key, which ssh-keygen would not make without the device.
    pub fn certify(&self, flags: u8, key: &PrivateKey, principal: &str) -> Vec<u8> {
        let point = key.public_key().key_data().ed25519().expect("Ed25519").0;
        let signed = [
            string(b"ssh-ed25519-cert-v01@openssh.com"),
            string(&[7; 32]),
            string(&point),
            0u64.to_be_bytes().to_vec(),
            1u32.to_be_bytes().to_vec(),
            string(b"dev"),
            string(&string(principal.as_bytes())),
            0u64.to_be_bytes().to_vec(),
            u64::MAX.to_be_bytes().to_vec(),
            [string(b""), string(b""), string(b"")].concat(),
            string(&self.blob),
        ]
        .concat();
        let signature =
            [string(self.kind.as_bytes()), string(&self.raw(flags, &signed)), trailer(flags)];
        [signed, string(&signature.concat())].concat()
    }

    /// A block that calls the security key's signature a plain one.
    pub fn sign_as_plain(&self, payload: &[u8]) -> String {
        let block = Block { key: self.blob.clone(), ..Block::of(&self.inner) };
        block.signed_by(&self.inner, payload)
    }
}
