//! Titles and salutations in front of names, and degrees behind them: the lists and their recognition.
//!
//! ESMA's guidelines have titles of position, profession and academic degree dropped, and say that their own list "is
//! not limited to" its examples. The further lists contain the titles in use in the countries of the EEA and in
//! English. A title that is dropped because of a further list is an open point of the CONCAT.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::concat_note::ConcatNote;
use crate::text::{equals_lowercase, has_letters, split_word};

/// Titles in the list of the guidelines, three of them written out.
#[rustfmt::skip]
const LISTED: [&str; 26] = [
    "atty", "coach", "dame", "doctor", "dr", "fr", "gov", "honorable", "madam", "madame", "maid",
    "master", "miss", "monsieur", "mr", "mrs", "ms", "mx", "ofc", "ph.d", "phd", "pres", "prof",
    "professor", "rev", "sir",
];

/// Salutations and titles that are never a name, recognised in front of first names and surnames.
#[rustfmt::skip]
const ANYWHERE: [&str; 189] = [
    "admiral", "avv", "avvocato", "captain", "civilingenior", "civilingeniør", "civilingenjör", "cllr",
    "colonel", "commander", "councillor", "d.na", "d.ra", "ddr", "despoinida", "dhr", "dipl.ins",
    "dipling", "diplkffr", "diplkfm", "diplvw", "dkfm", "doamna", "docent", "docteur", "doctora",
    "doctoressa", "doktor", "domnişoara", "domnișoara", "domnul", "dott", "dott.ssa", "dottor", "dottore",
    "dottoressa", "dozent", "dozentin", "doña", "dr.in", "dr.ing", "dr.med", "dra", "drs", "dña", "excma",
    "excmo", "exma", "exmo", "frau", "fraulein", "frk", "frl", "froken", "fru", "fräulein", "fröken",
    "frøken", "frú", "gdč", "gospa", "gospod", "gospodica", "gospodin", "gospodična", "gospodja",
    "gospozha", "gospozhitsa", "gospođa", "gospođica", "gđa", "gđica", "herr", "herra", "herrn",
    "honourable", "hra", "härra", "icdr", "ing.arch", "ing.grad", "inż", "inżynier",
    "inž", "is.sinjur", "is.sinjura", "is.sur", "jaunkundze", "jhr", "jkvr", "joffer", "jonkheer",
    "jonkvrouw", "judr", "kundze", "kungs", "kyria", "kyrios", "licda", "licdo", "lieutenant",
    "mademoiselle", "mag.a", "maisteri", "maitre", "maître", "mddr", "mecenas", "mej", "mejuffrouw",
    "meneer", "messrs", "mevr", "mevrouw", "mgr", "missus", "mister", "mlle", "mmag", "mme", "monsignor",
    "mudr", "mvdr", "neiti", "paeddr", "panele", "panelė", "pani", "paní", "państwo", "perit", "pharmdr",
    "phdr", "phmr", "ponas", "ponia", "preili", "priv.doz", "privatdozent", "prl", "prof.in", "prof.ssa",
    "profa", "profesor", "profesora", "professeur", "professora", "professoressa", "professori",
    "professorin", "proua", "reverend", "rndr", "rouva", "rsdr", "rva", "senhor", "senhora", "senhorita",
    "senor", "senora", "senorita", "senyor", "senyora", "sergeant", "señor", "señora", "señorita",
    "sig.na", "sig.ra", "signor", "signora", "signore", "signorina", "sinjur", "sinjura", "sivilingenior",
    "sivilingeniør", "slečna", "sr", "sra", "srta", "séra", "thdr", "thlic", "tohtori", "univ.prof",
    "univprof", "weledelgeboren",
];

/// Titles that can be a surname or part of one: recognised in front of a surname only with a full stop.
#[rustfmt::skip]
const FIRST_NAMES: [&str; 36] = [
    "adm", "arq", "bacc", "baccalaureus", "bakk", "bc", "bca", "capt", "cdr", "cmdr", "cpl", "d.or",
    "dipl", "dipl.ing", "dna", "doc", "drd", "ds", "geom", "hr", "ing", "inz", "inzinierius", "ir", "lda",
    "ldo", "lic", "mag", "magister", "magistra", "mga", "mw", "padre", "pr", "sgt", "suor",
];

/// Titles that can be a name: recognised only with a full stop.
#[rustfmt::skip]
const WITH_FULL_STOP: [&str; 58] = [
    "a.o", "akad", "ao", "arh", "art", "as", "ass", "assoc", "asst", "av", "cand", "cav", "civ", "col",
    "comm", "conf", "cpt", "ec", "egr", "ekon", "em", "emer", "eng", "fil", "ft", "ga", "gen", "gent",
    "gr.uff", "hon", "hptm", "ilma", "ilmo", "ks", "lect", "lek", "lt", "maj", "me", "mec", "mgr.art", "mons", "on",
    "p.i", "prim", "priv", "rag", "rt", "sig", "siv", "spec", "stud", "tekn", "uas", "uff", "univ", "ven",
    "vve",
];

/// Words that are a title or a name: the first word of a name is kept, as an open point.
#[rustfmt::skip]
const AMBIGUOUS: [&str; 70] = [
    "baron", "barone", "baroness", "baronesse", "baronin", "bey", "brother", "comte", "comtesse", "conde",
    "condesa", "conte", "contessa", "count", "countess", "dom", "don", "duc", "duchess", "duchesse",
    "duke", "duque", "duquesa", "earl", "edle", "edler", "father", "freifrau", "freiherr", "freiin",
    "fürst", "fürstin", "general", "graf", "grafin", "gräfin", "hadji", "haji", "herzog", "herzogin",
    "judge", "justice", "lady", "lek", "lord", "major", "marchesa", "marchese", "marquesa", "marquess",
    "marquis", "marquise", "marqués", "pan", "prince", "princess", "principe", "principessa", "prinz",
    "prinzessin", "rag", "reichsgraf", "ritter", "sheikh", "sig", "sister", "syed", "vicomte",
    "vicomtesse", "vitéz",
];

/// Fields of study behind a degree, with a full stop: Dr. med. univ., Dr. rer. nat., dr n. med. Single small letters
/// are not taken for initials: Dr. h. c.
#[rustfmt::skip]
const FIELDS: [&str; 73] = [
    "agr", "arch", "art", "bact", "betriebsw", "biol", "c", "can", "canonici", "comm", "cult", "dent",
    "dipl", "disc", "e", "econ", "ekon", "farm", "fh", "forest", "geol", "h", "hab", "habil", "hc", "htl",
    "hum", "inf", "inform", "ing", "int", "iur", "iuris", "jur", "kffr", "kfm", "kultur", "leg", "ling",
    "lit", "ll", "math", "med", "merc", "mont", "mult", "mus", "n", "nat", "oec", "paed", "pharm", "phil",
    "pol", "psicol", "psych", "psychol", "publ", "public", "päd", "rer", "sc", "scient", "soc",
    "sportwiss", "tec", "techn", "theol", "univ", "verw", "vet", "wirt", "zoot",
];

/// Degrees and honours behind a surname that are never a name.
#[rustfmt::skip]
const DEGREES: [&str; 81] = [
    "acca", "art.d", "artd", "b.a", "b.a.hons", "b.b.a", "b.com", "b.ed", "b.eng", "b.s", "b.sc",
    "bahons", "bakk", "bba", "bcom", "bsc", "cfa", "cpa", "csc", "d.b.a", "d.d.s", "d.o", "d.phil",
    "d.sc", "d.v.m", "dba", "dds", "dphil", "dr", "dr.sc", "drphil", "drsc", "dsc", "dvm", "ed.d", "emba",
    "eng.d", "esq", "esquire", "fca", "fcca", "frcp", "frcs", "frics", "j.d", "jaunkundze", "kundze",
    "kungs", "lic.phil", "ll.b", "ll.d", "ll.m", "llb", "lld", "llm", "m.a", "m.a.s", "m.b.a", "m.com",
    "m.d", "m.ed", "m.eng", "m.p.a", "m.p.h", "m.phil", "m.s", "m.sc", "mag.fh", "mcom", "med.dr",
    "mphil", "mrcp", "mrics", "msc", "ph.d", "ph.lic", "phd", "prof", "s.j.d", "th.d", "thd",
];

/// Degrees and honours that are a name otherwise: recognised behind a comma, with a full stop, or in capitals behind a
/// name that is not.
#[rustfmt::skip]
const CAPITALS: [&str; 40] = [
    "aca", "ba", "bed", "beng", "bs", "cbe", "cima", "dbe", "dd", "di", "dis", "do", "edd", "fh", "gbe",
    "jd", "kbe", "kc", "ma", "mas", "mba", "mbe", "md", "med", "meng", "mep", "mp", "mpa", "mph", "ms",
    "mv", "obe", "op", "osb", "pe", "qc", "ra", "rn", "sc", "sj",
];

/// The kind of name in front of which a title is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameKind {
    FirstNames,
    Surname,
}

/// A recognised title.
#[derive(Clone, Copy)]
pub(crate) struct TitleMatch {
    /// Length in bytes.
    pub length: usize,
    /// Whether the guidelines list it.
    pub listed: bool,
}

/// The lists above. A word can be in several of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List {
    Listed,
    Anywhere,
    FirstNames,
    Stopped,
    Ambiguous,
    Fields,
    Degrees,
    Capitals,
}

/// The set of lists that contain a word, with a bit for each list.
#[derive(Clone, Copy, Default)]
struct Lists(u8);

/// An index from words to their lists: it is built once, because every name is looked up in all of them.
static LISTS: LazyLock<HashMap<&str, Lists>> = LazyLock::new(|| {
    let mut found: HashMap<&str, Lists> = HashMap::new();
    for (list, words) in ALL_LISTS {
        for word in words {
            found.entry(word).or_default().0 |= list.bit();
        }
    }
    found
});

/// All lists with their words. There may be eight at most, because [`Lists`] has eight bits.
pub(crate) const ALL_LISTS: [(List, &[&str]); 8] = [
    (List::Listed, &LISTED),
    (List::Anywhere, &ANYWHERE),
    (List::FirstNames, &FIRST_NAMES),
    (List::Stopped, &WITH_FULL_STOP),
    (List::Ambiguous, &AMBIGUOUS),
    (List::Fields, &FIELDS),
    (List::Degrees, &DEGREES),
    (List::Capitals, &CAPITALS),
];

impl List {
    /// Returns the bit of the list in [`Lists`].
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Lists {
    /// Returns the lists that contain a word, which must be in lower case.
    fn with(word: &str) -> Self {
        LISTS.get(word).copied().unwrap_or_default()
    }

    fn has(self, list: List) -> bool {
        self.0 & list.bit() != 0
    }

    /// Returns whether the guidelines list the title, or `None` if the word is no title in front of a name. `stop`
    /// means that a full stop follows.
    fn in_front(self, stop: bool, place: NameKind) -> Option<bool> {
        if self.has(List::Listed) {
            return Some(true);
        }
        let of_first_names = self.has(List::FirstNames);
        let unstopped = self.has(List::Anywhere) || (place == NameKind::FirstNames && of_first_names);
        let stopped = stop && (self.has(List::Stopped) || of_first_names);
        (unstopped || stopped).then_some(false)
    }
}

/// A text, split at full stops, commas, hyphens and blanks: "Dr.-Ing." has two segments.
struct Segments {
    /// The segments in lower case, with a full stop between two, as in the lists.
    small: String,
    /// The segments in their order.
    each: Vec<Segment>,
}

/// One segment of a text.
struct Segment {
    /// End of the segment in the lower-case text, in bytes.
    small_end: usize,
    /// Start of the next segment in the original text, in bytes.
    end: usize,
    /// Whether the segment has no capital letter.
    is_small: bool,
    /// Whether a full stop follows.
    stop: bool,
}

impl Segments {
    /// Splits a text into its segments.
    fn of(text: &str) -> Self {
        let separates = |c: char| matches!(c, '.' | ',' | '-' | '\u{2010}' | '\u{2011}') || c.is_whitespace();
        let (mut small, mut each) = (String::with_capacity(text.len()), Vec::with_capacity(1));
        let mut rest = text.trim_start_matches(separates);
        while !rest.is_empty() {
            let (segment, behind) = rest.split_at(rest.find(separates).unwrap_or(rest.len()));
            rest = behind.trim_start_matches(separates);
            if !small.is_empty() {
                small.push('.');
            }
            if segment.is_ascii() {
                small.extend(segment.chars().map(|c| c.to_ascii_lowercase()));
            } else {
                small.extend(segment.chars().flat_map(char::to_lowercase));
            }
            each.push(Segment {
                small_end: small.len(),
                end: text.len() - rest.len(),
                is_small: !segment.contains(char::is_uppercase),
                stop: behind.starts_with('.'),
            });
        }
        Self { small, each }
    }

    /// Returns the first `count` segments in lower case.
    fn first(&self, count: usize) -> &str {
        &self.small[..self.each[count - 1].small_end]
    }

    /// Returns whether any segment has a full stop behind it.
    fn has_stop(&self) -> bool {
        self.each.iter().any(|segment| segment.stop)
    }
}

/// Finds the title at the beginning of a word: the whole word, as in "Ph.D." and "Dott.ssa", or the part up to a full
/// stop, as in "Dr.Hans". `behind` means that the word follows another title and may be its field of study.
pub(crate) fn in_front(word: &str, behind: bool, place: NameKind) -> Option<TitleMatch> {
    let segments = Segments::of(word);
    let all = segments.each.len();
    // Every word that a hyphen joins to "Dipl.": Dipl.-Ing., Dipl.-Kfm.
    if all > 1 && word.contains('-') && segments.first(1) == "dipl" {
        return Some(TitleMatch { length: word.len(), listed: false });
    }
    // The longest title counts; no title of the lists has more than four segments.
    for count in (1..=all.min(4)).rev() {
        let last = &segments.each[count - 1];
        let whole = count == all;
        if !(whole || last.stop) {
            continue;
        }
        let stop = if whole { segments.has_stop() } else { last.stop };
        if let Some(listed) = Lists::with(segments.first(count)).in_front(stop, place) {
            return Some(TitleMatch { length: if whole { word.len() } else { last.end }, listed });
        }
    }
    let first = segments.each.first().filter(|_| behind)?;
    let small = segments.first(1);
    let whole = all == 1;
    let is_field = Lists::with(small).has(List::Fields) && (small.len() > 1 || first.is_small);
    let counts = first.stop || (whole && matches!(small, "fh" | "hab" | "habil" | "htl"));
    (is_field && counts)
        .then_some(TitleMatch { length: if whole { word.len() } else { first.end }, listed: false })
}

/// Returns whether a word joins two fields of study, as in "Dr. med. univ. et scient. med."
fn is_conjunction(word: &str) -> bool {
    ["&", "and", "et", "i", "und", "u.", "y"].iter().any(|one| equals_lowercase(word, one))
}

/// Returns whether a word is a title or a name.
pub(crate) fn is_ambiguous(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',']);
    Lists::with(&word.to_lowercase()).has(List::Ambiguous)
}

/// Returns whether the guidelines list the degree or title behind a surname, in one word or several, or `None` if the
/// text is neither.
fn behind_name(name: &str, tail: &str) -> Option<bool> {
    let comma = name.trim_end().ends_with(',');
    let segments = Segments::of(tail);
    if is_generation(&segments.small) {
        return None;
    }
    let (stop, lists) = (segments.has_stop(), Lists::with(&segments.small));
    let in_capitals = || !tail.contains(char::is_lowercase) && name.contains(char::is_lowercase);
    if lists.has(List::Degrees) || (lists.has(List::Capitals) && (comma || stop || in_capitals())) {
        return Some(lists.has(List::Listed));
    }
    // A title with its field of study: "Dr. med.", "Mag. phil.".
    let mut all_listed = true;
    for (at, word) in tail.split_whitespace().enumerate() {
        let mut rest = word;
        while !rest.is_empty() {
            let found = in_front(rest, at > 0 || rest.len() < word.len(), NameKind::Surname)?;
            all_listed &= found.listed;
            rest = rest[found.length..].trim_start_matches(['-', ',']);
        }
    }
    (comma || stop).then_some(all_listed)
}

/// Returns whether a word distinguishes a son from his father (Jr., III). It is no title.
pub(crate) fn is_generation(word: &str) -> bool {
    const GENERATIONS: [&str; 9] = ["jr", "jnr", "jun", "sr", "snr", "sen", "ii", "iii", "iv"];
    let word = word.trim_matches(['.', ',', '(', ')']);
    GENERATIONS.iter().any(|one| equals_lowercase(word, one))
}

/// Splits off the brackets behind a title, as in "Dipl.-Ing. (FH)", and returns them and the rest.
fn split_brackets(name: &str) -> Option<(&str, &str)> {
    let close = if name.starts_with('(') { ')' } else { ']' };
    let end = name.strip_prefix(['(', '['])?.find(close)? + 2;
    Some(name.split_at(end))
}

/// Drops the titles in front of a name, as long as a name is left, and records each of them in `steps`.
pub(crate) fn without_titles<'n>(
    mut name: &'n str,
    place: NameKind,
    steps: &mut Vec<ConcatNote<'n>>,
) -> &'n str {
    let mut behind = false;
    loop {
        let (word, _) = split_word(name);
        let word = word.find(['(', '[', '/', ',']).filter(|at| *at > 0).map_or(word, |at| &word[..at]);
        let found = match split_brackets(name).filter(|_| behind) {
            Some((dropped, _)) => Some((dropped.len(), false)),
            None => in_front(word, behind, place).map(|found| (found.length, found.listed)),
        };
        let (length, listed) = match found {
            Some(found) => found,
            None if behind && is_conjunction(word) && is_behind_a_title(split_word(name).1, place) => {
                (word.len(), false)
            }
            None => return name,
        };
        let (dropped, rest) = name.split_at(length);
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '-' | ',' | '.' | '/'));
        if !has_letters(rest) {
            return name;
        }
        steps.push(ConcatNote::Title { dropped: dropped.into(), listed });
        name = rest;
        behind = true;
    }
}

/// Returns whether a text begins with a title or with the field of study of one.
fn is_behind_a_title(name: &str, place: NameKind) -> bool {
    in_front(split_word(name).0, true, place).is_some()
}

/// Drops degrees and titles behind a surname, as long as a name is left: `Lee PhD`, `Lee, Dr. med.`
pub(crate) fn without_degrees<'n>(mut name: &'n str, steps: &mut Vec<ConcatNote<'n>>) -> &'n str {
    'again: loop {
        let starts: Vec<usize> = word_starts(name).skip(1).collect();
        // Up to three words are tried as one degree, and the longest candidate comes first.
        for start in &starts[starts.len().saturating_sub(3)..] {
            let (rest, tail) = name.split_at(*start);
            if has_letters(rest)
                && let Some(listed) = behind_name(rest, tail)
            {
                steps.push(ConcatNote::Title { dropped: tail.trim().into(), listed });
                name = rest.trim_end_matches(|c: char| c.is_whitespace() || c == ',');
                continue 'again;
            }
        }
        return name;
    }
}

/// Returns the positions at which words begin, in bytes.
fn word_starts(name: &str) -> impl Iterator<Item = usize> {
    let starts = name.char_indices().scan(true, |behind_a_blank, (at, c)| {
        let separates = c.is_whitespace() || c == ',';
        let starts = *behind_a_blank && !separates;
        *behind_a_blank = separates;
        Some((at, starts))
    });
    starts.filter(|(_, starts)| *starts).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the lists are in order, so that a reader finds a word, and that no word stands in a list twice.
    #[test]
    fn the_lists_are_in_order_and_in_small_letters() {
        for (_, list) in ALL_LISTS {
            assert!(list.is_sorted_by(|one, other| one < other), "{list:?}");
            assert!(
                list.iter()
                    .all(|word| word.to_lowercase() == *word && crate::text::compose_nfc(word) == *word)
            );
        }
    }
}
