//! Which file the released tarball is, and where it is said to lie; pure.

use url::Url;

use crate::config::AutoMacros;
use crate::decide::Order;
use crate::names::FileName;
use crate::outcome::{Refusal, printable};
use crate::populate::log;
use crate::spec::{Context, Edits, ReadAs, Snapshot, SpecFile, SpecSource};

/// The released tarball of an order, before anybody looked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name beside the spec and in `sources`: what Source0 ends in, as rpm reads it.
    pub file: FileName,
    /// Its address; `None` where Source0 is a name only.
    pub address: Option<String>,
    /// The address of its signature.
    pub signature: Option<String>,
}

impl Wanted {
    /// Reads it from the branch config and the spec, as the spec will be for this version.
    ///
    /// # Errors
    /// Refuses a Source0 that cannot be told, and a file name that is none.
    pub fn of(order: &Order) -> Result<Wanted, Refusal> {
        let spec = released_spec(order)?;
        let name = spec.name()?;
        let fill = |template: &str| {
            let version = order.plan.evr.version.as_str();
            template.replace("{name}", name.as_str()).replace("{version}", version)
        };
        let upstream = order.config.population.upstream.as_ref();
        let url = upstream.and_then(|upstream| upstream.url.as_deref()).map(fill);
        let signature = upstream.and_then(|upstream| upstream.signature.as_ref());
        let signature = signature.map(|signature| fill(&signature.url));
        let source0 = source0(&spec, url.as_deref())?;
        let is_address = |source: &&String| source.contains("://");
        let address = url.or_else(|| Some(&source0).filter(is_address).cloned());
        Ok(Wanted { file: file_name(&source0)?, address, signature })
    }

    /// Returns the name that the file has where it lies, if that is another one.
    pub fn name_there(&self) -> Option<FileName> {
        last_segment(self.address.as_ref()?).filter(|name| *name != self.file)
    }

    /// Returns the names under which its signature may lie beside it, the likeliest first; none is its own.
    pub fn signature_names(&self) -> Vec<FileName> {
        let endings = ["asc", "sig", "sign"].map(|ending| format!("{}.{ending}", self.file));
        let there = self.signature.as_deref().and_then(last_segment);
        let usual = endings.iter().filter_map(|name| name.parse().ok());
        there.into_iter().filter(|name| *name != self.file).chain(usual).collect()
    }
}

/// Returns the file name in an address, query and fragment aside.
fn last_segment(address: &str) -> Option<FileName> {
    let url = Url::parse(address).ok()?;
    url.path_segments()?.next_back()?.parse().ok()
}

/// Returns the spec with the version of the release in it: Source0 follows from that.
fn released_spec(order: &Order) -> Result<SpecFile, Refusal> {
    let context = Context { dist: order.dist.clone(), ..Context::default() };
    let date = log::utc_date(order.source_commit.committer.seconds);
    let edits = Edits {
        version: Some(order.plan.evr.version.clone()),
        snapshot: Some(Snapshot { commit: order.release.tag.commit, date }),
        auto: AutoMacros::Keep,
        ..Edits::default()
    };
    let edited = SpecFile::parse(order.spec.bytes.clone(), &context).edit(&edits)?;
    Ok(SpecFile::parse(edited.bytes, &context))
}

/// Returns Source0, expanded; where there is none, the address that the config gives.
fn source0(spec: &SpecFile, url: Option<&str>) -> Result<String, Refusal> {
    let sources = spec.sources();
    let mut read =
        sources.iter().filter(|source| source.number == 0 && source.read_as != ReadAs::Inactive);
    match (read.next(), url) {
        (Some(SpecSource { expanded: Some(source), .. }), _) => Ok(source.clone()),
        (_, Some(url)) => Ok(url.split(['?', '#']).next().unwrap_or(url).to_owned()),
        (Some(source), None) => Err(unknown(format!(
            "line {} of the spec: Source0 is `{}`, and what that comes to is not known here",
            source.line,
            printable(&source.raw, 200)
        ))),
        (None, None) => Err(unknown("the spec has no Source0".to_owned())),
    }
}

fn unknown(words: String) -> Refusal {
    Refusal::new("upstream-source-unknown", words).hint(
        "write Source0 with macros that the spec itself defines as plain text, or give population.upstream.url",
    )
}

/// Returns what follows the last slash: rpm takes that for the name, `#/name` included.
fn file_name(source: &str) -> Result<FileName, Refusal> {
    let name = source.rsplit('/').next().unwrap_or(source);
    name.parse().map_err(|_| {
        let (name, source) = (printable(name, 200), printable(source, 300));
        let words = format!("Source0 comes to {source}, whose last part {name:?} is no file name");
        Refusal::new("upstream-file-name", words)
            .hint("append `#/NAME.tar.gz` to the address in Source0, as rpm reads it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_addresses_as_rpm_and_servers_read_them() {
        let file = |source: &str| file_name(source).map(|name| name.to_string()).ok();
        let cases = [
            ("hello-1.0.tar.gz", Some("hello-1.0.tar.gz")),
            ("https://x.example/a/hello-1.0.tar.gz", Some("hello-1.0.tar.gz")),
            ("https://x.example/v1.0.tar.gz#/hello-1.0.tar.gz", Some("hello-1.0.tar.gz")),
            ("https://x.example/", None),
            ("https://x.example/..", None),
        ];
        for (source, wanted) in cases {
            assert_eq!(file(source).as_deref(), wanted, "{source}");
        }
    }

    #[test]
    fn signature_never_takes_the_tarballs_own_name() {
        let wanted = |signature: &str| Wanted {
            file: "h.tar.gz".parse().unwrap(),
            address: Some("https://x.example/v1.tar.gz?raw=1#/h.tar.gz".to_owned()),
            signature: Some(signature.to_owned()),
        };
        let names = |signature: &str| {
            wanted(signature).signature_names().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let usual = ["h.tar.gz.asc", "h.tar.gz.sig", "h.tar.gz.sign"];
        assert_eq!(names("https://x.example/h.tar.gz?signature=1"), usual);
        assert_eq!(names("https://x.example/v1.minisign")[0], "v1.minisign");
        let there = wanted("https://x.example/").name_there().map(|name| name.to_string());
        assert_eq!(there.as_deref(), Some("v1.tar.gz"));
    }
}
