//! dcs.toml(5), made from the example configuration: its comments are the text, its keys the tags.

use std::fmt::Write;

const HEAD: &str = ".\\\" Made from examples/dcs.toml: DCS_TEST_REWRITE=1 cargo test --test generated
.TH dcs.toml 5 \"\" dcs \"Configuration of dcs\"
.SH NAME
dcs.toml \\- the configuration of dcs
.SH SYNOPSIS
.B $DCS_CONFIG
.br
.B ./dcs.toml
.br
.B /etc/dcs/dcs.toml
.SH DESCRIPTION
It is TOML.
A key that dcs does not know is an error that names the nearest one it knows.
The values here are those of the example that
.B dcs config example
prints; what holds without a key is said where it matters.
.PP
";

const TAIL: &str = ".SH SEE ALSO
.BR dcs (1),
.BR dcs\\-config (1),
.BR dcs\\-config\\-check (1),
.BR dcs\\-schedule\\-print (1),
.BR dcs\\-recovery (7)
";

/// What one run of lines between empty lines says.
#[derive(Default)]
struct Paragraph {
    comments: Vec<String>,
    keys: Vec<String>,
}

/// The whole page.
pub(crate) fn page(example: &str) -> String {
    let mut text = HEAD.to_owned();
    let mut paragraph = Paragraph::default();
    for line in example.lines() {
        match sort(line) {
            Line::Empty => paragraph.end(&mut text),
            Line::Title(title) => {
                paragraph.end(&mut text);
                // The example's titles end with a sentence.
                let (title, rest) = title.split_once(": ").unwrap_or((title, ""));
                writeln!(text, ".SH {}", escaped(&title.to_uppercase())).unwrap();
                paragraph.comments.extend((!rest.is_empty()).then(|| capital(rest)));
            }
            Line::Section(section) => {
                let about = std::mem::take(&mut paragraph);
                writeln!(text, ".SS {}", escaped(section)).unwrap();
                text.push_str(&about.text());
                text.push_str(if about.comments.is_empty() { "" } else { ".PP\n" });
            }
            Line::Key(key) => paragraph.keys.push(key.to_owned()),
            // A comment after a key is about the next one.
            Line::Comment(comment) => {
                if !paragraph.keys.is_empty() {
                    paragraph.end(&mut text);
                }
                paragraph.comments.push(comment.to_owned());
            }
        }
    }
    paragraph.end(&mut text);
    text + TAIL
}

enum Line<'a> {
    Empty,
    Title(&'a str),
    Section(&'a str),
    Key(&'a str),
    Comment(&'a str),
}

/// A key that is commented out has no space after its `#`; a comment has.
fn sort(line: &str) -> Line<'_> {
    let bare = line.strip_prefix('#').unwrap_or(line);
    match bare.chars().next() {
        None => Line::Empty,
        Some('[') => Line::Section(bare),
        Some(' ') => match bare.strip_prefix(" == ") {
            Some(title) => Line::Title(title),
            None => Line::Comment(&bare[1..]),
        },
        Some(_) => Line::Key(bare),
    }
}

impl Paragraph {
    fn end(&mut self, text: &mut String) {
        let Self { comments, keys } = std::mem::take(self);
        for (number, key) in keys.iter().enumerate() {
            let (name, value) = key.split_once(" = ").unwrap_or((key, ""));
            let tag = if number == 0 { ".TP" } else { ".TQ" };
            writeln!(text, "{tag}\n\\fB{}\\fR = {}", escaped(name), escaped(value)).unwrap();
        }
        let body = Self { comments, keys: Vec::new() }.text();
        text.push_str(if body.is_empty() && !keys.is_empty() { "\\&\n" } else { &body });
        text.push_str(if keys.is_empty() && !body.is_empty() { ".PP\n" } else { "" });
    }

    /// The comments; what is set out in columns among them is a table, and stays as it is.
    fn text(&self) -> String {
        let mut text = String::new();
        let mut is_table = false;
        for comment in &self.comments {
            let is_row = comment.starts_with("  ") || comment.contains("   ");
            if is_row != is_table {
                text.push_str(if is_row { ".PP\n.nf\n" } else { ".fi\n.PP\n" });
                is_table = is_row;
            }
            writeln!(text, "{}", escaped(comment)).unwrap();
        }
        text.push_str(if is_table { ".fi\n" } else { "" });
        text
    }
}

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('~', "\\(ti").replace('^', "\\(ha");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}
