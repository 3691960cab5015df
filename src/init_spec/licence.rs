//! Well-known licence texts, told by what only they say.

/// A licence and the phrases that its text has, in lower case with single spaces.
struct Known {
    id: &'static str,
    /// Phrases that stand in the first lines, the title first. The GNU texts name each other below their
    /// headings, so the earliest title counts.
    heading: &'static [&'static str],
    /// Phrases anywhere.
    says: &'static [&'static str],
}

const fn by_heading(id: &'static str, heading: &'static [&'static str]) -> Known {
    Known { id, heading, says: &[] }
}

const fn by_text(id: &'static str, says: &'static [&'static str]) -> Known {
    Known { id, heading: &[], says }
}

/// The licences, those that say more before those that say less.
///
/// A text alone cannot tell `-only` from `-or-later`: the notes in the sources do, which a person reads.
static KNOWN: &[Known] = &[
    by_heading("AGPL-3.0-or-later", &["gnu affero general public license", "version 3"]),
    by_heading("LGPL-3.0-or-later", &["gnu lesser general public license", "version 3"]),
    by_heading("LGPL-2.1-or-later", &["gnu lesser general public license", "version 2.1"]),
    by_heading("LGPL-2.0-or-later", &["gnu library general public license", "version 2"]),
    by_heading("GPL-3.0-or-later", &["gnu general public license", "version 3"]),
    by_heading("GPL-2.0-or-later", &["gnu general public license", "version 2"]),
    by_heading("Apache-2.0", &["apache license", "version 2.0"]),
    by_heading("MPL-2.0", &["mozilla public license", "2.0"]),
    by_heading("EPL-2.0", &["eclipse public license", "2.0"]),
    by_heading("EUPL-1.2", &["european union public licence", "1.2"]),
    by_heading("BSL-1.0", &["boost software license", "version 1.0"]),
    by_heading("CC0-1.0", &["cc0 1.0 universal"]),
    by_heading("Artistic-2.0", &["artistic license 2.0"]),
    by_text("Unlicense", &["free and unencumbered software released into the public domain"]),
    by_text(
        "X11",
        &["permission is hereby granted, free of charge", "except as contained in this notice"],
    ),
    by_text("MIT", &["permission is hereby granted, free of charge", "without restriction"]),
    by_text(
        "BSD-4-Clause",
        &["redistribution and use in source and binary", "all advertising materials"],
    ),
    by_text(
        "BSD-3-Clause",
        &["redistribution and use in source and binary", "endorse or promote"],
    ),
    by_text(
        "BSD-2-Clause",
        &["redistribution and use in source and binary", "reproduce the above copyright"],
    ),
    by_text(
        "ISC",
        &["permission to use, copy, modify, and", "provided that the above copyright notice"],
    ),
    by_text(
        "0BSD",
        &["permission to use, copy, modify, and/or distribute this software for any purpose"],
    ),
    by_text("Zlib", &["provided 'as-is', without any express", "altered source versions"]),
];

/// Returns the SPDX id of a well-known text.
pub(super) fn recognise(text: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(text).to_lowercase();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let heading: String = text.chars().take(250).collect();
    let fits = |known: &&Known| {
        known.heading.iter().all(|phrase| heading.contains(phrase))
            && known.says.iter().all(|phrase| text.contains(phrase))
    };
    let place = |known: &&Known| {
        known.heading.first().and_then(|title| heading.find(title)).unwrap_or(usize::MAX)
    };
    KNOWN.iter().filter(fits).min_by_key(place).map(|known| known.id)
}

/// Tells whether a file at the root, by its name, holds a licence.
pub(super) fn is_licence_file(path: &str) -> bool {
    let name = path.to_ascii_uppercase();
    let begins = ["LICENSE", "LICENCE", "COPYING", "UNLICENSE"].iter().any(|p| name.starts_with(p));
    let is_code =
        [".RS", ".PY", ".C", ".H", ".GO", ".JS", ".SH"].iter().any(|end| name.ends_with(end));
    begins && !is_code && !path.contains('/')
}
