//! The languages of the console, and its texts in each of them (Fluent, <https://projectfluent.org>).

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// A language of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    German,
}

impl Language {
    /// Every language, in the order of the menu.
    pub const ALL: [Language; 2] = [Language::English, Language::German];

    /// Returns the tag of the language (RFC 5646).
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
        }
    }

    /// Returns the name of the language in itself.
    pub fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::German => "Deutsch",
        }
    }

    /// Returns the language of a tag, if the console has it.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|one| one.tag().eq_ignore_ascii_case(primary))
    }

    /// Returns the first language of the header `accept-language` (RFC 9110 section 12.5.4) that the console has;
    /// browsers send them in the order of preference.
    pub fn accepted(header: &str) -> Self {
        let mut tags = header.split(',').map(|one| one.split(';').next().unwrap_or_default().trim());
        tags.find_map(Self::of_tag).unwrap_or_default()
    }

    fn bundle(self) -> &'static FluentBundle<FluentResource> {
        match self {
            Language::English => &ENGLISH,
            Language::German => &GERMAN,
        }
    }

    /// Returns a text without variables.
    pub fn text(self, key: &str) -> String {
        self.format(key, None)
    }

    /// Returns a text with variables.
    pub fn text_with<'a>(self, key: &str, values: &[(&'a str, FluentValue<'a>)]) -> String {
        let args: FluentArgs<'a> = values.iter().map(|(name, value)| (*name, value.clone())).collect();
        self.format(key, Some(&args))
    }

    /// Returns a text if there is one of this key: for words of the API that are shown in the language of the reader,
    /// and as they are if a later version adds one.
    pub fn word(self, prefix: &str, word: &str) -> String {
        let key = format!("{prefix}-{}", word.to_lowercase().replace(['_', '.', ' '], "-"));
        if self.bundle().has_message(&key) { self.text(&key) } else { word.to_owned() }
    }

    fn format(self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let bundle = self.bundle();
        let pattern = bundle.get_message(key).and_then(|message| message.value());
        // Only for a missing key; a test checks every key of the templates.
        let Some(pattern) = pattern else { return format!("[{key}]") };
        bundle.format_pattern(pattern, args, &mut Vec::new()).into_owned()
    }
}

static ENGLISH: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle("en", include_str!("../texts/en.ftl")));
static GERMAN: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle("de", include_str!("../texts/de.ftl")));

fn bundle(tag: &str, source: &str) -> FluentBundle<FluentResource> {
    let resource = FluentResource::try_new(source.to_owned());
    let resource = resource.map_err(|(_, errors)| errors).expect("the texts are valid");
    let language: LanguageIdentifier = tag.parse().expect("the tag is valid");
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    // The marks around values would be copied with them.
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).expect("no text stands twice");
    bundle
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn keys(source: &str) -> BTreeSet<&str> {
        let lines = source.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
        lines.filter_map(|line| line.split_once(" =").map(|(key, _)| key)).collect()
    }

    const SOURCES: [&str; 2] = [include_str!("../texts/en.ftl"), include_str!("../texts/de.ftl")];

    #[test]
    fn both_languages_have_the_same_texts() {
        let [english, german] = SOURCES.map(keys);
        assert_eq!(english.symmetric_difference(&german).collect::<Vec<_>>(), [&""; 0]);
        assert_eq!(Language::English.text("find"), "Find");
        assert_eq!(Language::German.text("find"), "Suchen");
    }

    /// Every key in a template exists, and every text is used in a template or in the code of a page.
    #[test]
    fn texts_and_templates_fit() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut sources = String::new();
        for folder in ["templates", "src", "src/pages"] {
            for entry in fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap) {
                if entry.path().is_file() && entry.file_name() != "text.rs" {
                    sources += &fs::read_to_string(entry.path()).unwrap();
                }
            }
        }
        let known = keys(SOURCES[0]);
        let calls =
            [".t(\"", ".with(\"", ".count(\""].into_iter().flat_map(|call| sources.split(call).skip(1));
        let used: BTreeSet<&str> = calls.filter_map(|rest| rest.split('"').next()).collect();
        let missing: Vec<_> = used.iter().filter(|key| !known.contains(*key)).collect();
        assert!(missing.is_empty(), "no text: {missing:?}");
        let prefixes: BTreeSet<&str> =
            sources.split(".word(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let is_word = |key: &str| prefixes.iter().any(|prefix| key.starts_with(&format!("{prefix}-")));
        let idle: Vec<_> = known.iter().filter(|key| !used.contains(*key) && !is_word(key)).collect();
        assert!(idle.is_empty(), "used nowhere: {idle:?}");
    }

    #[test]
    fn the_language_is_that_of_the_browser() {
        for (header, language) in [
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("fr-FR, de;q=0.5", Language::German),
            ("en-GB", Language::English),
            ("nl", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
    }
}
