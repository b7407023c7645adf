//! What a Rust file names: every path in its code, `use` trees expanded, without its comments, texts and unit tests.

/// A path such as `crate::store::ObjectStore`, or a macro such as `std::println!`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    /// Stands in a `use` declaration.
    pub(crate) imported: bool,
}

/// A file, read.
pub(crate) struct Source {
    pub(crate) names: Vec<Named>,
    /// The `//!` lines it begins with.
    pub(crate) header: String,
    /// Lines outside `#[cfg(test)]`.
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn read(text: &str) -> Self {
        let code = without_comments_and_texts(text);
        let (tokens, test_lines) = without_tests(tokens(&code));
        Self {
            names: names(&tokens),
            header: text.lines().take_while(|line| line.starts_with("//!")).collect(),
            lines: text.lines().count() - test_lines,
        }
    }
}

/// Blanks comments, strings and characters; lines stay where they are.
fn without_comments_and_texts(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = at + skipped(&text[at..], at.checked_sub(1).map(|before| bytes[before]));
        if end == at {
            let character = text[at..].chars().next().expect("not at the end");
            code.push(character);
            at += character.len_utf8();
        } else {
            code.extend(text[at..end].chars().map(|skipped| if skipped == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// The length of the comment, string or character that `rest` begins with; 0 where it begins with code.
fn skipped(rest: &str, before: Option<u8>) -> usize {
    let until = |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |found| from + found + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    let in_a_word = before.is_some_and(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    if !in_a_word && let Some(raw) = rest.trim_start_matches(['b', 'c']).strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let start = rest.len() - raw.len() + hashes + 1;
            return until(start, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    // A lifetime has no closing quote: 'a' and '\n' are characters, 'a is not.
    let mut characters = rest.chars();
    match (characters.next(), characters.next(), characters.next()) {
        (Some('\''), Some('\\'), _) | (Some('\''), Some(_), Some('\'')) => quoted(rest, '\''),
        _ => 0,
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            other if other == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest.as_bytes()[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.as_bytes()[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// A word, `::`, or one other character; with its line.
type Token<'a> = (usize, &'a str);

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |character: char| character == '_' || character.is_alphanumeric();
            let length = match first {
                _ if is_word(first) => rest.find(|character| !is_word(character)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            tokens.push((index + 1, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The tokens outside of what `#[cfg(test)]` stands before, and how many lines that took.
fn without_tests(tokens: Vec<Token<'_>>) -> (Vec<Token<'_>>, usize) {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut lines, mut at) = (Vec::new(), 0, 0);
    while at < tokens.len() {
        if tokens[at..].iter().map(|token| token.1).take(attribute.len()).eq(attribute) {
            let end = end_of_item(&tokens, at + attribute.len());
            lines += tokens[end - 1].0 - tokens[at].0 + 1;
            at = end;
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    (kept, lines)
}

/// The index after the item that begins at `at`: after its `;`, or after the `}` of its block.
fn end_of_item(tokens: &[Token<'_>], at: usize) -> usize {
    let mut depth = 0_i32;
    for (index, (_, token)) in tokens.iter().enumerate().skip(at) {
        match *token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(*token, ";" | "}") {
            return index + 1;
        }
    }
    tokens.len()
}

fn names(tokens: &[Token<'_>]) -> Vec<Named> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (line, token) = tokens[at];
        if token == "use" {
            at = path(tokens, at + 1, &[], true, &mut names);
        } else if is_word(token) {
            let end = path(tokens, at, &[], false, &mut names);
            if let (Some((_, "!")), Some(last)) = (tokens.get(end), names.last_mut())
                && last.line == line
            {
                last.segments.last_mut().expect("a path has segments").push('!');
            }
            at = end.max(at + 1);
        } else {
            at += 1;
        }
    }
    names
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first == '_' || first.is_alphabetic())
}

/// Reads a path, or a `use` tree, and answers the index after it.
fn path(tokens: &[Token<'_>], mut at: usize, before: &[String], imported: bool, names: &mut Vec<Named>) -> usize {
    let mut segments = before.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.0);
    while let Some((_, token)) = tokens.get(at) {
        match *token {
            "::" => at += 1,
            // `Vec::<T>`, `a * b`
            "*" if !imported => break,
            "{" if segments.len() > before.len() || (imported && segments.is_empty()) => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.1 != "}") {
                    if tokens[at].1 == "," {
                        at += 1;
                    } else {
                        let end = path(tokens, at, &segments, imported, names);
                        at = end.max(at + 1);
                    }
                }
                return at + 1;
            }
            token if token == "*" || is_word(token) => {
                segments.push(token.to_owned());
                at += 1;
            }
            _ => break,
        }
        if tokens.get(at).is_none_or(|token| token.1 != "::") && tokens[at - 1].1 != "::" {
            break;
        }
    }
    if imported && tokens.get(at).is_some_and(|token| token.1 == "as") {
        at += 2;
    }
    if segments.len() > before.len() {
        names.push(Named { line, segments, imported });
    }
    at
}
