//! "Did you mean": finds the known word that is nearest to an unknown one.

/// Returns the known word that is nearest to this one, if one is near enough to be a slip of the pen.
///
/// Capitals and the separators `_`, `-` and space do not count, so `activationRequires` finds `activation_requires`.
/// Of the rest, one letter in three may be wrong, missing, too many or exchanged with its neighbour.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let sent = plain(word);
    let distance = |candidate: &str| strsim::damerau_levenshtein(&sent, &plain(candidate));
    let nearest = known.into_iter().map(|candidate| (distance(candidate), candidate));
    let (distance, found) = nearest.min_by_key(|(distance, _)| *distance)?;
    let near = distance <= sent.chars().count().div_ceil(3) && distance < plain(found).chars().count();
    near.then_some(found)
}

/// Returns the end of a sentence that refuses a word: `; did you mean 'x'?`, or nothing if no known word is near.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|found| format!("; did you mean '{found}'?")).unwrap_or_default()
}

/// Maximum number of letters that are compared, so that a long word costs no more time than one of this length.
const LONGEST_WORD: usize = 100;

/// Returns a word in lower case and without separators, as it is compared.
fn plain(word: &str) -> String {
    let letters = word.chars().take(LONGEST_WORD).filter(|letter| !['_', '-', ' '].contains(letter));
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] =
        ["activation_requires", "model", "log.level", "users:admin", "users:read", "/account_groups"];

    #[test]
    fn slips_of_the_pen_find_what_was_meant() {
        for (word, meant) in [
            ("activationRequires", "activation_requires"),
            ("ACTIVATION-REQUIRE", "activation_requires"),
            ("modle", "model"),
            ("log_level", "log.level"),
            ("log.levl", "log.level"),
            ("user:admin", "users:admin"),
            ("users:raed", "users:read"),
            ("/account_group", "/account_groups"),
        ] {
            assert_eq!(nearest(word, KNOWN), Some(meant), "{word}");
        }
        assert_eq!(did_you_mean("mode", KNOWN), "; did you mean 'model'?");
    }

    #[test]
    fn other_words_find_nothing() {
        for word in ["", "x", "colour", "users", "-_", &"z".repeat(100_000)] {
            assert_eq!(nearest(word, KNOWN), None, "{word}");
        }
        assert_eq!(nearest("model", []), None);
        assert_eq!(did_you_mean("colour", KNOWN), "");
    }
}
