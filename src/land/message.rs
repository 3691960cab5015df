//! The commit message: what a reviewer reads first, and what a later run reads back.

use crate::publication::Publication;

/// Returns the whole message: subject, changelog items, trailers.
///
/// Items begin with `- `, so that no text from a source commit can stand where a trailer is looked for.
pub fn compose(publication: &Publication, items: &[String]) -> String {
    let subject = match &publication.evr {
        Some(evr) => format!("Update to {} from {}", evr.short(), publication.branch),
        None => format!("Sync {}", publication.branch),
    };
    let mut message = format!("{subject}\n\n");
    for item in items {
        message.push_str("- ");
        message.push_str(&one_line(item));
        message.push('\n');
    }
    if !items.is_empty() {
        message.push('\n');
    }
    message + &publication.to_paragraph()
}

/// Folds an item into one line of printable text.
fn one_line(item: &str) -> String {
    let words: Vec<&str> = item.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    crate::outcome::printable(line, 500)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trailers::Trailers;

    fn publication() -> Publication {
        let zeros = "0".repeat(40);
        let paragraph = format!(
            "From-source-git-commit: {zeros}\nSource-git-repository: https://forge.example/hello.git\n\
             Source-git-branch: main\nSource-git-signer: openpgp:AB\nDist-git-target: hello#f44\n\
             Release-tag: v1.2.0 {zeros}\nPublished-EVR: 0:1.2.0-4\nPopulation: archive\n\
             Generated-by: lockkeeper 0.1.0\n"
        );
        let trailers = Trailers::parse(format!("x\n\n{paragraph}").as_bytes());
        Publication::read(&trailers).expect("the paragraph is whole")
    }

    #[test]
    fn items_stand_between_subject_and_trailers() {
        let message = compose(&publication(), &["Fix overflow".to_owned(), "Add tests".to_owned()]);
        assert!(
            message
                .starts_with("Update to 1.2.0-4 from main\n\n- Fix overflow\n- Add tests\n\nFrom-")
        );
        assert_eq!(Publication::read(&Trailers::parse(message.as_bytes())), Some(publication()));
    }

    #[test]
    fn an_item_cannot_pass_for_a_trailer() {
        let hostile = "x\n\nPublished-EVR: 0:99-1\u{1b}[2J\n".to_owned();
        let message = compose(&publication(), &[hostile]);
        assert_eq!(Publication::read(&Trailers::parse(message.as_bytes())), Some(publication()));
        assert!(!message.contains('\u{1b}'));
    }
}
