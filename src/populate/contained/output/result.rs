//! `/output/result.json`: the few things that files cannot say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::{FileName, Version};
use crate::outcome::{Refusal, printable};

/// The largest result that is read.
pub(super) const LARGEST: u64 = 64 * 1024;

/// The most notes, and the most characters of one.
const MOST_NOTES: usize = 50;
const LONGEST_NOTE: usize = 1000;

/// What a container may say beside its files: `/output/result.json`. The file may be left out, and so may each key; any other key is refused.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Lockkeeper container result")]
pub struct ResultFile {
    /// A version instead of that of the release tag. It passes the same checks: legal for rpm, and not below what was published.
    version: Option<String>,
    /// Whether `/output/dist-git/NAME.spec` is still to be edited.
    spec: SpecState,
    /// The file in `/output/lookaside` that Source0 names; by default `archive.file` of the request, or the only file there.
    source0: Option<String>,
    /// The patches in `/output/dist-git` that are the bot's to list, in order; by default those of the request's `patches` that are there.
    patches: Option<Vec<String>>,
    /// Sentences for people: told with the outcome. At most 50, of 1000 characters.
    notes: Vec<String>,
}

/// What becomes of the spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpecState {
    /// The bot sets version, release, sources, patches and changelog.
    #[default]
    Edit,
    /// It is taken as it is; its version and release are what is published, and pass the same checks.
    Final,
}

/// A result, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// The version.
    pub version: Option<Version>,
    /// What becomes of the spec.
    pub spec: SpecState,
    /// The file that Source0 names.
    pub source0: Option<FileName>,
    /// The patches.
    pub patches: Option<Vec<FileName>>,
    /// What a person might want to know, harmless.
    pub notes: Vec<String>,
}

impl Said {
    /// Reads a result.
    ///
    /// # Errors
    /// Refuses (`result-malformed`) what is no result.
    pub(super) fn parse(bytes: &[u8]) -> Result<Said, Refusal> {
        // serde would take a list for the fields in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(malformed("is not one JSON object"));
        }
        let file: ResultFile = serde_json::from_slice(bytes)
            .map_err(|error| malformed(&format!("is not what the contract says: {error}")))?;
        if file.notes.len() > MOST_NOTES {
            return Err(malformed(&format!("has more than {MOST_NOTES} notes")));
        }
        let note = |note: &String| printable(note, LONGEST_NOTE);
        Ok(Said {
            version: file.version.map(|text| checked("version", &text)).transpose()?,
            spec: file.spec,
            source0: file.source0.map(|text| checked("source0", &text)).transpose()?,
            patches: file.patches.map(|texts| patches(&texts)).transpose()?,
            notes: file.notes.iter().map(note).collect(),
        })
    }
}

fn patches(texts: &[String]) -> Result<Vec<FileName>, Refusal> {
    let patches: Vec<FileName> =
        texts.iter().map(|text| checked("patches", text)).collect::<Result<_, _>>()?;
    let mut once: Vec<&FileName> = patches.iter().collect();
    once.sort();
    match once.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(patches),
        Some(pair) => Err(malformed(&format!("lists the patch {} twice", pair[0]))),
    }
}

fn checked<T: std::str::FromStr<Err = crate::names::NameError>>(
    key: &str,
    text: &str,
) -> Result<T, Refusal> {
    text.parse().map_err(|error: crate::names::NameError| {
        malformed(&format!("has `{key}: {}`, which {}", printable(text, 200), error.why))
    })
}

fn malformed(words: &str) -> Refusal {
    Refusal::new(
        "result-malformed",
        format!("the container's result.json {}", printable(words, 500)),
    )
    .hint("write it as bot-config/container-result.schema.json says, or leave it out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_contract_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            "7",
            "{",
            "{\"versoin\": \"1\"}",
            "{\"version\": 1}",
            "{\"version\": \"1 2\"}",
            "{\"version\": \"\"}",
            "{\"version\": \"%{x}\"}",
            "{\"spec\": \"Final\"}",
            "{\"source0\": \"../x\"}",
            "{\"patches\": [\"a.patch\", \"a.patch\"]}",
            "{\"patches\": [\"a/b.patch\"]}",
            "{\"version\": \"1\", \"version\": \"2\"}",
            "{\"notes\": \"x\"}",
            "{} {}",
        ] {
            let refused = Said::parse(text.as_bytes()).expect_err(text);
            assert_eq!(refused.code.0, "result-malformed", "{text}");
        }
        let many = format!("{{\"notes\": [{}\"x\"]}}", "\"x\",".repeat(50));
        assert!(Said::parse(many.as_bytes()).is_err());
        assert!(Said::parse("[".repeat(10_000).as_bytes()).is_err());
    }

    #[test]
    fn everything_may_be_left_out() {
        assert_eq!(Said::parse(b"{}").unwrap(), Said::default());
        let said = Said::parse(
            b"{\"version\": \"1.2\", \"spec\": \"final\", \"notes\": [\"a\\u001b[2J\"]}",
        );
        let said = said.unwrap();
        assert_eq!((said.version.unwrap().as_str(), said.spec), ("1.2", SpecState::Final));
        assert!(!said.notes[0].contains('\u{1b}'));
    }
}
