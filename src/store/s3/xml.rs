//! The XML that S3 speaks: answers as trees of elements in any order, and text escaped for requests.
//!
//! Elements of different names may come mixed; the root's name is what callers must check, since an error may come with
//! status 200.

use std::fmt::Write as _;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

/// Answers nest less than this.
const DEEPEST: usize = 16;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    /// Without what stands in children.
    pub(super) text: String,
    pub(super) children: Vec<Self>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum XmlError {
    #[error("the answer is no XML")]
    Syntax(#[from] quick_xml::Error),
    #[error("the answer is not UTF-8")]
    Encoding(#[from] std::str::Utf8Error),
    #[error("the answer names an unknown entity {0:?}")]
    Entity(String),
    #[error("the answer nests too deep")]
    Deep,
    #[error("the answer ends early")]
    Short,
}

impl Element {
    pub(super) fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = Reader::from_str(std::str::from_utf8(body)?);
        let mut open: Vec<Self> = Vec::new();
        loop {
            match reader.read_event()? {
                Event::Start(start) => {
                    if open.len() == DEEPEST {
                        return Err(XmlError::Deep);
                    }
                    open.push(Self::named(start.local_name().as_ref()));
                }
                Event::Empty(empty) => {
                    let element = Self::named(empty.local_name().as_ref());
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => return Ok(element),
                    }
                }
                Event::End(_) => {
                    let element = open.pop().ok_or(XmlError::Short)?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => return Ok(element),
                    }
                }
                Event::Text(text) => push_text(&mut open, &text.decode().map_err(quick_xml::Error::from)?),
                Event::CData(text) => push_text(&mut open, &text.decode().map_err(quick_xml::Error::from)?),
                Event::GeneralRef(reference) => push_text(&mut open, &resolve(&reference)?),
                Event::Eof => return Err(XmlError::Short),
                _ => {}
            }
        }
    }

    fn named(name: &[u8]) -> Self {
        Self { name: String::from_utf8_lossy(name).into_owned(), ..Self::default() }
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of a child; `None` where there is none, or an empty one.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.text_of(name).is_some_and(|text| text.trim() == "true")
    }
}

fn push_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, XmlError> {
    if let Some(character) = reference.resolve_char_ref()? {
        return Ok(character.to_string());
    }
    let name = reference.decode().map_err(quick_xml::Error::from)?;
    let character = match name.as_ref() {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err(XmlError::Entity(name.into_owned())),
    };
    Ok(character.to_owned())
}

/// Escapes text for an element, so that a parser reads the same characters.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            control if control.is_control() => {
                write!(escaped, "&#{};", u32::from(control)).expect("writing to a String cannot fail");
            }
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// Whether XML 1.0 can carry the text at all, and every parser reads it back as it was.
pub(super) fn can_carry(text: &str) -> bool {
    !text.chars().any(|character| character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_may_come_mixed_and_keep_their_order() {
        let root = Element::parse(b"<?xml version=\"1.0\"?>\n<R xmlns='x'><A>1</A><B/><A>2</A></R>").unwrap();
        let names: Vec<&str> = root.children.iter().map(|child| child.name.as_str()).collect();
        assert_eq!((root.name.as_str(), names), ("R", vec!["A", "B", "A"]));
        assert_eq!(root.children[2].text, "2");
    }

    #[test]
    fn text_keeps_its_spaces_entities_and_line_ends() {
        let root = Element::parse(b"<R><K> a &amp;&#x1;&#13;\r&lt;b </K></R>").unwrap();
        assert_eq!(root.text_of("K"), Some(" a &\u{1}\r\r<b "));
    }

    #[test]
    fn what_is_escaped_reads_back() {
        let text = "a<b>&\"'\r\n\t é";
        let root = Element::parse(format!("<R>{}</R>", escape(text)).as_bytes()).unwrap();
        assert_eq!(root.text, text);
    }

    #[test]
    fn an_answer_cut_short_is_an_error() {
        assert!(matches!(Element::parse(b"<R><A>1</A>"), Err(XmlError::Short)));
        assert!(matches!(Element::parse(b""), Err(XmlError::Short)));
        assert!(Element::parse(b"<R>&unknown;</R>").is_err());
        assert!(Element::parse("<R>".repeat(100).as_bytes()).is_err());
    }
}
