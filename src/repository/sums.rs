//! Lists of digests as `sha256sum -c` reads them, with paths from the root of the repository.

use crate::model::manifest::Part;
use crate::model::{Digest, Key};

/// One line, with its newline. Paths of the layout need no escaping.
pub fn line(digest: &Digest, path: &str) -> String {
    format!("{digest}  {path}\n")
}

/// The lines of parts.
pub fn lines<'a>(parts: impl Iterator<Item = &'a Part>) -> String {
    parts.map(|part| line(&part.sha256, part.path.as_str())).collect()
}

/// The digest that a list gives for a path.
pub fn find(list: &str, path: &Key) -> Option<Digest> {
    list.lines().find_map(|line| {
        let (digest, found) = line.split_once("  ")?;
        if found == path.as_str() { digest.parse().ok() } else { None }
    })
}

/// The line of a pack, from its line in the pack list: name, size, digest. `None` where that is something else.
pub(super) fn pack_line(listed: &str) -> Option<String> {
    let mut fields = listed.split('\t');
    let name = fields.next().filter(|name| crate::model::index::is_pack_name(name))?;
    fields.next()?.parse::<u64>().ok()?;
    let digest = fields.next()?.parse().ok()?;
    Some(line(&digest, super::layout::pack(name).as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_found_by_the_whole_path() {
        let (one, two) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let list = line(&one, "a/manifest.json") + &line(&two, "manifest.json");
        assert_eq!(find(&list, &Key::new("manifest.json").unwrap()), Some(two));
        assert_eq!(find(&list, &Key::new("json").unwrap()), None);
    }

    #[test]
    fn a_pack_that_would_lead_elsewhere_has_no_line() {
        let digest = Digest::from_bytes([1; 32]);
        let expected = format!("{digest}  packs/bc/bcdf2345.tar.gz\n");
        assert_eq!(pack_line(&format!("bcdf2345\t7\t{digest}")), Some(expected));
        assert_eq!(pack_line(&format!("../../x2345\t7\t{digest}")), None);
        assert_eq!(pack_line("bcdf2345\t7"), None);
    }
}
