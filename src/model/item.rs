//! Items: what they are called, where their rows are, and which folder is theirs.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{BucketName, Prefix};

/// `kind/id`: `books/42`. The kind is a section of the configuration; the id is what the table or the folder says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ItemName {
    kind: String,
    id: String,
}

/// Says that a text names no item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no item such as books/42")]
pub struct InvalidItem(String);

impl ItemName {
    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub fn id(&self) -> &str {
        &self.id
    }
}

impl FromStr for ItemName {
    type Err = InvalidItem;

    fn from_str(text: &str) -> Result<Self, InvalidItem> {
        match text.split_once('/') {
            Some((kind, id)) if !kind.is_empty() && !id.is_empty() && !text.contains('\0') => {
                Ok(Self { kind: kind.to_owned(), id: id.to_owned() })
            }
            _ => Err(InvalidItem(text.to_owned())),
        }
    }
}

impl TryFrom<String> for ItemName {
    type Error = InvalidItem;

    fn try_from(text: String) -> Result<Self, InvalidItem> {
        text.parse()
    }
}

impl From<ItemName> for String {
    fn from(item: ItemName) -> Self {
        item.to_string()
    }
}

impl fmt::Display for ItemName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.id.escape_debug())
    }
}

/// Where the rows of a kind are: a table (`books` or `schema.books`) and two of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemTable {
    pub table: String,
    pub id: String,
    pub status: String,
}

/// A kind of items: a section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemKind {
    pub name: String,
    pub store: String,
    pub bucket: BucketName,
    pub template: PrefixTemplate,
    /// What the template calls the id.
    pub id: String,
    /// The name of the database, and the table.
    pub table: Option<(String, ItemTable)>,
}

/// What the row of an item says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRow {
    pub status: Option<String>,
    /// The columns that were asked for, as text; `None` is NULL.
    pub columns: BTreeMap<String, Option<String>>,
}

/// A row among all of its table: where its folder is, and what it says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFolder {
    /// As text; `None` is NULL.
    pub id: Option<String>,
    pub status: Option<String>,
    /// What the template gives, unchecked; `None` where a column that it names is NULL.
    pub folder: Option<String>,
}

/// What became of a change of a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusChange {
    Done,
    /// It is not what was expected but this; nothing was changed.
    Differs(Option<String>),
    /// There is no such row.
    Gone,
}

/// How the folder of an item is made: `{id}/`, `{publisher}/{slug}/`. In braces are columns of the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixTemplate {
    text: String,
    parts: Vec<TemplatePart>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    Text(String),
    Column(String),
}

/// Says why a template is none, or gives no folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFolder {
    #[error("the prefix {0:?} must end with a slash")]
    NoSlash(String),
    #[error("the prefix {0:?} has a brace without its other half, or nothing between the two")]
    Braces(String),
    #[error("the prefix {0:?} names no column: all items would share one folder")]
    NoColumn(String),
    #[error("the column {column} is {what}, so that {template:?} gives no folder")]
    Value { template: String, column: String, what: &'static str },
    #[error("{template:?} gives {folder:?}, which is no folder that an item can have: {what}")]
    Folder { template: String, folder: String, what: &'static str },
}

impl FromStr for PrefixTemplate {
    type Err = InvalidFolder;

    fn from_str(text: &str) -> Result<Self, InvalidFolder> {
        let braces = || InvalidFolder::Braces(text.to_owned());
        if !text.ends_with('/') {
            return Err(InvalidFolder::NoSlash(text.to_owned()));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (column, behind) = after.split_once('}').ok_or_else(braces)?;
            if column.is_empty() || column.contains('{') || before.contains('}') {
                return Err(braces());
            }
            parts.extend((!before.is_empty()).then(|| TemplatePart::Text(before.to_owned())));
            parts.push(TemplatePart::Column(column.to_owned()));
            rest = behind;
        }
        if rest.contains('}') {
            return Err(braces());
        }
        parts.push(TemplatePart::Text(rest.to_owned()));
        let template = Self { text: text.to_owned(), parts };
        if template.columns().is_empty() {
            return Err(InvalidFolder::NoColumn(text.to_owned()));
        }
        let sample = template.columns().into_iter().map(|column| (column, Some("x".to_owned()))).collect();
        template.render(&sample).map(|_| template)
    }
}

impl PrefixTemplate {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn parts(&self) -> &[TemplatePart] {
        &self.parts
    }

    /// The columns it needs, each once.
    pub fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = Vec::new();
        for part in &self.parts {
            if let TemplatePart::Column(column) = part
                && !columns.contains(column)
            {
                columns.push(column.clone());
            }
        }
        columns
    }

    /// The folder that these values give. A value is one step of a path at most: what is empty, NULL or has a slash in it
    /// is refused, and so is a folder that would be no path below its bucket.
    pub fn render(&self, values: &BTreeMap<String, Option<String>>) -> Result<Prefix, InvalidFolder> {
        let mut folder = String::new();
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => folder.push_str(text),
                TemplatePart::Column(column) => folder.push_str(self.value(column, values)?),
            }
        }
        let invalid = |what| InvalidFolder::Folder { template: self.text.clone(), folder: folder.clone(), what };
        if let Some(what) = fault(&folder) {
            return Err(invalid(what));
        }
        Prefix::new(&folder).map_err(|_| invalid("it is too long"))
    }

    fn value<'a>(&self, column: &str, values: &'a BTreeMap<String, Option<String>>) -> Result<&'a str, InvalidFolder> {
        let value = values.get(column).and_then(Option::as_deref);
        let what = match value {
            None => "NULL",
            Some("") => "empty",
            Some(value) if value.contains('/') => "a text with a slash in it",
            Some(value) => return Ok(value),
        };
        Err(InvalidFolder::Value { template: self.text.clone(), column: column.to_owned(), what })
    }
}

fn fault(folder: &str) -> Option<&'static str> {
    if folder.starts_with('/') {
        return Some("it begins with a slash");
    }
    let mut steps = folder.strip_suffix('/')?.split('/');
    steps.find_map(|step| match step {
        "" => Some("a step of it is empty"),
        "." | ".." => Some("a step of it is . or .."),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str, values: &[(&str, Option<&str>)]) -> Result<String, InvalidFolder> {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
        template.parse::<PrefixTemplate>()?.render(&values).map(|prefix| prefix.as_str().to_owned())
    }

    #[test]
    fn an_item_is_a_kind_and_an_id() {
        let item: ItemName = "books/42".parse().unwrap();
        assert_eq!((item.kind(), item.id()), ("books", "42"));
        let item: ItemName = "books/a/b ü".parse().unwrap();
        assert_eq!((item.id(), item.to_string().as_str()), ("a/b ü", "books/a/b ü"));
        for bad in ["", "books", "books/", "/42", "books/4\0"] {
            assert!(bad.parse::<ItemName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_template_gives_the_folder_of_a_row() {
        assert_eq!(render("{id}/", &[("id", Some("42"))]).unwrap(), "42/");
        let row = [("publisher", Some("Knaus & Söhne")), ("slug", Some("träume")), ("id", Some("7"))];
        assert_eq!(render("b/{publisher}/{slug}-{id}/", &row).unwrap(), "b/Knaus & Söhne/träume-7/");
    }

    #[test]
    fn a_value_that_would_lead_elsewhere_gives_no_folder() {
        for value in [None, Some(""), Some("a/b"), Some("/"), Some("."), Some(".."), Some("/etc")] {
            assert!(render("{id}/", &[("id", value)]).is_err(), "{value:?}");
            assert!(render("x/{id}/y/", &[("id", value)]).is_err(), "{value:?}");
        }
        assert!(render("{a}{b}/", &[("a", Some(".")), ("b", Some("."))]).is_err());
        assert!(render("{id}/", &[("id", Some(&"x".repeat(2000)))]).is_err());
        assert!(render("{id}/", &[]).is_err());
        assert_eq!(render("{id}/", &[("id", Some("..."))]).unwrap(), ".../");
    }

    #[test]
    fn a_text_that_is_no_template_is_refused() {
        for bad in ["", "/", "x/", "{id}", "/{id}/", "{id}//", "../{id}/", "{}/", "{id/", "id}/", "{a{b}}/", "{a}}/"] {
            assert!(bad.parse::<PrefixTemplate>().is_err(), "{bad:?}");
        }
    }
}
