//! Patterns for keys: `*` stands for any text within a segment, `**` for any text across segments, `?` for one character
//! that is no slash. Everything else stands for itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A pattern that a whole key fits or does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`
    One,
    /// `*`
    Within,
    /// `**`
    Across,
    /// `**/`: any number of whole segments, or none.
    Folders,
}

/// Says why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an empty pattern fits no key")]
pub struct InvalidGlob;

impl FromStr for Glob {
    type Err = InvalidGlob;

    fn from_str(text: &str) -> Result<Self, InvalidGlob> {
        if text.is_empty() {
            return Err(InvalidGlob);
        }
        let mut tokens = Vec::new();
        let mut characters = text.chars().peekable();
        let mut begins_segment = true;
        while let Some(character) = characters.next() {
            let token = match character {
                '?' => Token::One,
                '*' => {
                    let mut stars = 1;
                    while characters.next_if_eq(&'*').is_some() {
                        stars += 1;
                    }
                    if stars == 1 {
                        Token::Within
                    } else if begins_segment && characters.next_if_eq(&'/').is_some() {
                        Token::Folders
                    } else {
                        Token::Across
                    }
                }
                other => Token::Literal(other),
            };
            begins_segment = matches!(token, Token::Literal('/') | Token::Folders);
            tokens.push(token);
        }
        Ok(Self { text: text.to_owned(), tokens })
    }
}

impl TryFrom<String> for Glob {
    type Error = InvalidGlob;

    fn try_from(text: String) -> Result<Self, InvalidGlob> {
        text.parse()
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.text
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Glob {
    /// Whether the whole of `key` fits. Takes the product of the two lengths at most, whatever the pattern.
    pub fn fits(&self, key: &str) -> bool {
        // `reached[n]`: what was read of the key so far fits the first n tokens.
        let mut reached = vec![false; self.tokens.len() + 1];
        reached[0] = true;
        self.pass_stars(&mut reached, true);
        for character in key.chars() {
            reached = self.after(character, &reached);
            if !reached.contains(&true) {
                return false;
            }
        }
        reached[self.tokens.len()]
    }

    fn after(&self, character: char, reached: &[bool]) -> Vec<bool> {
        let mut next = vec![false; reached.len()];
        for (position, token) in self.tokens.iter().enumerate().filter(|(position, _)| reached[*position]) {
            match token {
                Token::Literal(wanted) => next[position + 1] |= *wanted == character,
                Token::One => next[position + 1] |= character != '/',
                Token::Within => next[position] |= character != '/',
                Token::Across | Token::Folders => next[position] = true,
            }
        }
        self.pass_stars(&mut next, character == '/');
        next
    }

    /// A star may end anywhere, and stand for nothing; `**/` only where a segment begins.
    fn pass_stars(&self, reached: &mut [bool], begins_segment: bool) {
        for (position, token) in self.tokens.iter().enumerate() {
            let may_end = match token {
                Token::Within | Token::Across => true,
                Token::Folders => begins_segment,
                Token::Literal(_) | Token::One => false,
            };
            reached[position + 1] |= reached[position] && may_end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, key: &str) -> bool {
        pattern.parse::<Glob>().unwrap().fits(key)
    }

    #[test]
    fn a_star_stays_within_its_segment_and_two_go_across() {
        for (pattern, key) in [
            ("*.jpg", "cover.jpg"),
            ("*", "a"),
            ("42/*", "42/cover.jpg"),
            ("42/*/x", "42/a/x"),
            ("**/*.jpg", "cover.jpg"),
            ("**/*.jpg", "42/a/cover.jpg"),
            ("42/**", "42/a/b"),
            ("a/**/b", "a/b"),
            ("a/**/b", "a/x/y/b"),
            ("**", "a/b"),
            ("a**b", "a/x/b"),
            ("?.txt", "\u{e4}.txt"),
            ("*a*b*", "xaxbx"),
            ("**/cover.*", "cover.jpg"),
            ("[1].txt", "[1].txt"),
        ] {
            assert!(fits(pattern, key), "{pattern} and {key}");
        }
        for (pattern, key) in [
            ("*.jpg", "42/cover.jpg"),
            ("*", "a/b"),
            ("42/*", "42/a/b"),
            ("42/*", "420/a"),
            ("**/*.jpg", "cover.jpeg"),
            ("a/**/b", "a/xb"),
            ("a/**/b", "ab"),
            ("42/**", "42"),
            ("?", "/"),
            ("?", ""),
            ("a", "ab"),
            ("ab", "a"),
            ("[1].txt", "1.txt"),
        ] {
            assert!(!fits(pattern, key), "{pattern} and {key}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_answered_at_once() {
        assert!(!fits(&"*a".repeat(60), &"ab".repeat(500)));
        assert!(!fits(&"*a".repeat(60), &"b".repeat(1000)));
        assert!(!fits(&"**/".repeat(100), &"a/".repeat(300).replace('/', "b")));
    }

    #[test]
    fn an_empty_pattern_is_none() {
        assert!("".parse::<Glob>().is_err());
    }
}
