//! Which hosts and addresses a download may reach; pure.
//!
//! The address of a tarball is written by whoever may write the spec or the branch config. Without these rules
//! it could make the bot speak to what only the bot can reach: its own services, the cloud's metadata
//! address, machines behind the firewall.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use globset::{Glob, GlobSet, GlobSetBuilder};
use url::Url;

use crate::outcome::{Refusal, printable};

/// The hosts that the operator allows.
#[derive(Debug, Clone)]
pub enum AllowedHosts {
    /// Every host with a public address.
    Any,
    /// Those that match one of these globs, such as `*.example.org`.
    Listed(GlobSet),
}

impl AllowedHosts {
    /// Reads the operator's list; no list at all is [`AllowedHosts::Any`], an empty one allows nothing.
    ///
    /// # Errors
    /// Refuses what is no glob.
    pub fn parse(globs: &[String]) -> Result<AllowedHosts, Refusal> {
        let refuse = |glob: &str, error: globset::Error| {
            let message =
                format!("{:?} is no pattern for host names: {error}", printable(glob, 100));
            Refusal::config("host-pattern-wrong", message).hint("write it as *.example.org")
        };
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let parsed = Glob::new(&glob.to_ascii_lowercase());
            set.add(parsed.map_err(|error| refuse(glob, error))?);
        }
        Ok(AllowedHosts::Listed(set.build().map_err(|error| refuse("the list", error))?))
    }

    /// Tells whether this host is among them.
    pub fn allows(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        match self {
            AllowedHosts::Any => true,
            AllowedHosts::Listed(set) => set.is_match(host),
        }
    }
}

/// Where downloads may go.
#[derive(Debug, Clone)]
pub struct Reach {
    /// The hosts.
    pub hosts: AllowedHosts,
    /// Addresses that may be reached although they are not public, and without encryption: an operator's
    /// own mirror.
    pub allow_private: Vec<SocketAddr>,
}

impl Reach {
    /// Every public host over https, and nothing else.
    pub fn public() -> Reach {
        Reach { hosts: AllowedHosts::Any, allow_private: Vec::new() }
    }

    /// Checks what can be seen in an address before any name is resolved.
    ///
    /// # Errors
    /// Refuses schemes other than http(s), credentials, and hosts off the operator's list.
    pub fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(forbidden(url, "it holds credentials"));
        }
        if url.scheme() != "https" && (url.scheme() != "http" || self.allow_private.is_empty()) {
            return Err(forbidden(url, "it is not https"));
        }
        match url.host_str() {
            Some(host) if self.hosts.allows(host) => Ok(()),
            Some(_) => Err(forbidden(url, "the operator's list has no such host")),
            None => Err(forbidden(url, "it has no host")),
        }
    }

    /// Checks every address that the host of `url` has.
    ///
    /// # Errors
    /// Refuses it where one of them is not public, and http to any but an own mirror.
    pub fn check_addresses(&self, url: &Url, addresses: &[SocketAddr]) -> Result<(), Refusal> {
        for address in addresses.iter().filter(|address| !self.allow_private.contains(address)) {
            if let Some(kind) = not_public(address.ip()) {
                let why = format!("its host has the address {}, which is {kind}", address.ip());
                return Err(forbidden(url, &why));
            }
            if url.scheme() != "https" {
                return Err(forbidden(url, "it is not https"));
            }
        }
        Ok(())
    }
}

/// Says that an address is not to be downloaded from; credentials in it are not shown.
pub fn forbidden(url: &Url, why: &str) -> Refusal {
    let mut shown = url.clone();
    let _ = shown.set_password(None).and_then(|()| shown.set_username(""));
    let message =
        format!("the tarball is not downloaded from {}: {why}", printable(shown.as_str(), 300));
    Refusal::new("upstream-address-forbidden", message)
        .hint("give an https address on a public host that the operator allows")
}

/// Returns what kind of address this is, where it is not one that the whole Internet can reach.
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

/// The special-purpose blocks of RFC 6890 and its registry.
fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("of this very network"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("private"),
        [100, 64..=127, ..] => Some("shared by a carrier's customers"),
        [127, ..] => Some("this machine itself"),
        [169, 254, ..] => Some("link-local"),
        [192, 0, 0, _] | [192, 88, 99, _] => Some("reserved for protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("for documentation"),
        [198, 18..=19, ..] => Some("for benchmarks"),
        [224..=239, ..] => Some("multicast"),
        [240..=255, ..] => Some("reserved"),
        _ => None,
    }
}

/// Of IPv6 only 2000::/3 is public, without its tunnels and examples; and NAT64, as what it leads to.
fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => not_public_v4(embedded(high, low)),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("this machine itself"),
        [0, 0, 0, 0, 0, 0xffff, ..] => Some("an IPv4 address in disguise"),
        [0xfc00..=0xfdff, ..] => Some("unique-local"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        [0x2001, 0..=0x1ff, ..] | [0x2002, ..] => Some("reserved for protocols and tunnels"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("for documentation"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("reserved"),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_public_or_something_else() {
        let table = [
            ("8.8.8.8", None),
            ("1.1.1.1", None),
            ("9.255.255.255", None),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.128.0.0", None),
            ("172.15.255.255", None),
            ("172.32.0.0", None),
            ("192.167.255.255", None),
            ("192.0.1.1", None),
            ("198.17.255.255", None),
            ("198.20.0.0", None),
            ("223.255.255.255", None),
            ("0.0.0.0", Some("this very network")),
            ("10.0.0.1", Some("private")),
            ("172.16.0.1", Some("private")),
            ("172.31.255.255", Some("private")),
            ("192.168.1.1", Some("private")),
            ("100.64.0.1", Some("carrier")),
            ("100.127.255.255", Some("carrier")),
            ("127.0.0.1", Some("this machine")),
            ("127.255.255.254", Some("this machine")),
            ("169.254.169.254", Some("link-local")),
            ("192.0.0.170", Some("protocols")),
            ("192.88.99.1", Some("protocols")),
            ("192.0.2.1", Some("documentation")),
            ("198.51.100.1", Some("documentation")),
            ("203.0.113.1", Some("documentation")),
            ("198.18.0.1", Some("benchmarks")),
            ("198.19.255.255", Some("benchmarks")),
            ("224.0.0.1", Some("multicast")),
            ("239.255.255.255", Some("multicast")),
            ("240.0.0.1", Some("reserved")),
            ("255.255.255.255", Some("reserved")),
            ("2606:4700::1111", None),
            ("2a00:1450:4001::1", None),
            ("2001:4860:4860::8888", None),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b::10.0.0.1", Some("private")),
            ("64:ff9b::7f00:1", Some("this machine")),
            ("64:ff9b:1::8.8.8.8", Some("reserved")),
            ("::", Some("reserved")),
            ("::1", Some("this machine")),
            ("::8.8.8.8", Some("reserved")),
            ("::ffff:8.8.8.8", Some("disguise")),
            ("::ffff:127.0.0.1", Some("disguise")),
            ("fc00::1", Some("unique-local")),
            ("fd12:3456::1", Some("unique-local")),
            ("fe80::1", Some("link-local")),
            ("febf::1", Some("link-local")),
            ("fec0::1", Some("reserved")),
            ("ff02::1", Some("multicast")),
            ("2001::1", Some("tunnels")),
            ("2001:10::1", Some("tunnels")),
            ("2002:7f00:1::", Some("tunnels")),
            ("2001:db8::1", Some("documentation")),
            ("3fff:1::1", Some("documentation")),
            ("100::1", Some("reserved")),
            ("5f00::1", Some("reserved")),
            ("4000::1", Some("reserved")),
        ];
        for (text, wanted) in table {
            let found = not_public(text.parse().unwrap());
            match (found, wanted) {
                (None, None) => {}
                (Some(found), Some(wanted)) => assert!(found.contains(wanted), "{text}: {found}"),
                (found, wanted) => panic!("{text}: {found:?}, not {wanted:?}"),
            }
        }
    }

    #[test]
    fn addresses_of_tarballs_are_judged_before_anything_is_resolved() {
        let listed = |globs: &[&str]| {
            let globs: Vec<_> = globs.iter().map(|glob| (*glob).to_owned()).collect();
            Reach { hosts: AllowedHosts::parse(&globs).unwrap(), allow_private: Vec::new() }
        };
        let table = [
            (Reach::public(), "https://x.example/a.tar.gz", None),
            (Reach::public(), "http://x.example/a.tar.gz", Some("not https")),
            (Reach::public(), "ftp://x.example/a.tar.gz", Some("not https")),
            (Reach::public(), "file:///etc/passwd", Some("not https")),
            (Reach::public(), "https://me:secret@x.example/", Some("credentials")),
            (Reach::public(), "https://me@x.example/", Some("credentials")),
            (listed(&["*.example"]), "https://x.example/", None),
            (listed(&["*.example"]), "https://X.EXAMPLE./", None),
            (listed(&["*.example"]), "https://a.b.example/", None),
            (listed(&["*.example"]), "https://example/", Some("no such host")),
            (listed(&["*.example"]), "https://x.example.org/", Some("no such host")),
            (listed(&["x.example", "y.example"]), "https://y.example/", None),
            (listed(&[]), "https://x.example/", Some("no such host")),
        ];
        for (reach, text, wanted) in table {
            let found = reach.check_url(&Url::parse(text).unwrap()).err();
            let found = found.map(|refusal| refusal.message);
            assert!(!found.as_deref().unwrap_or_default().contains("secret"));
            match (found, wanted) {
                (None, None) => {}
                (Some(found), Some(wanted)) => assert!(found.contains(wanted), "{text}: {found}"),
                (found, wanted) => panic!("{text}: {found:?}, not {wanted:?}"),
            }
        }
        assert!(AllowedHosts::parse(&["[".to_owned()]).is_err());
    }

    #[test]
    fn one_private_address_among_public_ones_is_enough_to_refuse() {
        let url = Url::parse("https://x.example/").unwrap();
        let addresses = ["8.8.8.8:443", "10.0.0.1:443"].map(|text| text.parse().unwrap());
        assert!(Reach::public().check_addresses(&url, &addresses[..1]).is_ok());
        let refusal = Reach::public().check_addresses(&url, &addresses).unwrap_err();
        assert!(refusal.message.contains("10.0.0.1, which is private"), "{}", refusal.message);
        let own = Reach { allow_private: vec![addresses[1]], ..Reach::public() };
        assert!(own.check_addresses(&url, &addresses).is_ok());
        let plain = Url::parse("http://x.example/").unwrap();
        assert!(own.check_url(&plain).is_ok());
        assert!(own.check_addresses(&plain, &addresses[1..]).is_ok());
        assert!(own.check_addresses(&plain, &addresses).is_err(), "http to a public address");
        let other_port = ["10.0.0.1:80".parse().unwrap()];
        assert!(own.check_addresses(&plain, &other_port).is_err());
    }
}
