//! Structured fields (RFC 8941), with repeated members and the exact text of a member, which the parser's own types do
//! not keep.

use std::collections::BTreeSet;
use std::convert::Infallible;

use http::{HeaderMap, HeaderValue};
use sfv::visitor::{DictionaryVisitor, EntryVisitor, InnerListVisitor, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser};

/// The parameters of an item or a list, in their order and with duplicates.
pub(crate) type Parameters<'de> = Vec<(&'de str, BareItemFromInput<'de>)>;

/// One member of a dictionary, in the order of the field. Repeated keys stay.
pub(crate) struct DictionaryMember<'de> {
    pub key: &'de str,
    pub value: BareItem<'de>,
    pub parameters: Parameters<'de>,
}

/// The value of a member: an item or an inner list.
pub(crate) enum BareItem<'de> {
    Item(BareItemFromInput<'de>),
    InnerList(Vec<(BareItemFromInput<'de>, Parameters<'de>)>),
}

/// Parses a dictionary and keeps every member.
pub(crate) fn dictionary(text: &str) -> Result<Vec<DictionaryMember<'_>>, sfv::Error> {
    Parser::new(text).parse_dictionary_with_visitor(DictionaryCollector(Vec::new()))
}

/// Returns the first key that occurs twice. It uses a set, because the sender chooses the length of the list.
pub(crate) fn first_duplicate<'de, T>(list: &[T], key: impl Fn(&T) -> &'de str) -> Option<&'de str> {
    let mut seen = BTreeSet::new();
    list.iter().map(key).find(|key| !seen.insert(*key))
}

/// Joins all lines of a field into one text, as RFC 9421 section 2.1 says. Returns `None` when there is no such field.
pub(crate) fn join_lines(
    headers: &HeaderMap,
    name: &str,
) -> Option<Result<String, http::header::ToStrError>> {
    let mut lines = headers.get_all(name).iter();
    let first = match lines.next()?.to_str() {
        Ok(text) => text.trim(),
        Err(error) => return Some(Err(error)),
    };
    Some(lines.map(HeaderValue::to_str).try_fold(first.to_owned(), |mut all, line| {
        all.push_str(", ");
        all.push_str(line?.trim());
        Ok(all)
    }))
}

/// Spaces a dictionary as its strict serialisation does (RFC 8941 section 4.1): one space between the items of a list
/// and none at parentheses and semicolons.
///
/// It also removes blanks where section 4.2 allows none, because some clients write `) ; created=1`, or tabs. Only
/// blanks outside of strings are changed.
pub(crate) fn normalize_spacing(text: &str) -> String {
    let (mut kept, mut quote, mut previous) = (String::with_capacity(text.len()), Quote::None, 0);
    for character in text.chars() {
        let byte = u8::try_from(character).unwrap_or_default();
        match (quote, character) {
            (Quote::None, ' ' | '\t') if kept.ends_with(['(', ';', ' ']) => {}
            (Quote::None, ' ' | '\t') => kept.push(' '),
            (Quote::None, ')' | ';') => {
                kept.truncate(kept.trim_end_matches(' ').len());
                kept.push(character);
            }
            _ => kept.push(character),
        }
        quote = quote.after(byte, previous);
        previous = byte;
    }
    kept
}

/// Cuts a dictionary at its top-level commas and returns the text behind `key=` of each member, as it was sent.
///
/// The result is meaningful only for a text that [`dictionary`] has accepted; then both find the same members.
pub(crate) fn member_texts(text: &str) -> Vec<&str> {
    let mut members = Vec::new();
    let (mut start, mut quote, mut previous) = (0, Quote::None, 0);
    for (at, byte) in text.bytes().enumerate() {
        // Inside parentheses, too, a comma can only stand in a string.
        if matches!(quote, Quote::None) && byte == b',' {
            members.push(&text[start..at]);
            start = at + 1;
        }
        quote = quote.after(byte, previous);
        previous = byte;
    }
    members.push(&text[start..]);
    for member in &mut members {
        let trimmed = member.trim_matches([' ', '\t']);
        *member = trimmed.split_once('=').map_or("", |(_, value)| value);
    }
    members
}

/// The state of a scan with respect to strings.
#[derive(Clone, Copy)]
enum Quote {
    None,
    String,
    Escape,
    // RFC 9651 section 3.3.8: a display string has no backslash escapes.
    Display,
}

impl Quote {
    /// Returns the state after this byte, given the one before it.
    fn after(self, byte: u8, previous: u8) -> Quote {
        match (self, byte) {
            (Quote::None, b'"') if previous == b'%' => Quote::Display,
            (Quote::None, b'"') | (Quote::Escape, _) => Quote::String,
            (Quote::String, b'\\') => Quote::Escape,
            (Quote::String | Quote::Display, b'"') => Quote::None,
            (inside, _) => inside,
        }
    }
}

/// A visitor that collects all members, because the parser's own dictionary keeps only the last of a repeated key.
struct DictionaryCollector<'de>(Vec<DictionaryMember<'de>>);

impl<'de> DictionaryVisitor<'de> for DictionaryCollector<'de> {
    type Out = Vec<DictionaryMember<'de>>;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        Ok(ListEntry { members: &mut self.0, key: key.as_str() })
    }

    fn finish(self) -> Result<Self::Out, Infallible> {
        Ok(self.0)
    }
}

/// The entry of a member whose value is still to come.
struct ListEntry<'a, 'de> {
    members: &'a mut Vec<DictionaryMember<'de>>,
    key: &'de str,
}

impl<'a, 'de> ListEntry<'a, 'de> {
    fn push(self, value: BareItem<'de>) -> &'a mut DictionaryMember<'de> {
        self.members.push_mut(DictionaryMember { key: self.key, value, parameters: Vec::new() })
    }
}

impl<'de> EntryVisitor<'de> for ListEntry<'_, 'de> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(move |bare| {
            Ok::<_, Infallible>(ParameterCollector(&mut self.push(BareItem::Item(bare)).parameters))
        })
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(InnerList(self.push(BareItem::InnerList(Vec::new()))))
    }
}

/// A visitor for the items of an inner list.
struct InnerList<'a, 'de>(&'a mut DictionaryMember<'de>);

impl<'de> InnerListVisitor<'de> for InnerList<'_, 'de> {
    type Error = Infallible;

    fn item(&mut self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(Item(self.0))
    }

    fn finish(self) -> Result<impl ParameterVisitor<'de>, Infallible> {
        Ok(ParameterCollector(&mut self.0.parameters))
    }
}

/// A visitor for one item of an inner list.
struct Item<'a, 'de>(&'a mut DictionaryMember<'de>);

impl<'de> ItemVisitor<'de> for Item<'_, 'de> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        bare: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        let DictionaryMember { value, parameters, .. } = self.0;
        Ok(ParameterCollector(match value {
            BareItem::InnerList(items) => &mut items.push_mut((bare, Vec::new())).1,
            BareItem::Item(_) => parameters,
        }))
    }
}

/// A visitor that collects parameters.
struct ParameterCollector<'a, 'de>(&'a mut Parameters<'de>);

impl<'de> ParameterVisitor<'de> for ParameterCollector<'_, 'de> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Infallible> {
        self.0.push((key.as_str(), value));
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}
