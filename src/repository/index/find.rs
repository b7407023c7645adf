//! Which segments may hold a row, without reading any.

use crate::model::manifest::Segment;

/// The segments that may hold rows of `source` whose keys begin with `prefix`. Where a segment does not say what it begins
/// with, it is among them unless its neighbours rule it out.
pub fn segments_of<'a>(segments: &'a [Segment], source: &str, prefix: &str) -> &'a [Segment] {
    // What begins at or before the first such row ends with rows before it, or holds it.
    let before = |(found, key): (&str, String)| (found, key.as_str()) <= (source, prefix);
    let beyond = |(found, key): (&str, String)| found > source || (found == source && is_beyond(&key, prefix));
    let start = segments.iter().rposition(|segment| segment.first_row().is_some_and(before)).unwrap_or(0);
    let end = segments.iter().position(|segment| segment.first_row().is_some_and(beyond)).unwrap_or(segments.len());
    &segments[start.min(end)..end]
}

fn is_beyond(key: &str, prefix: &str) -> bool {
    key > prefix && !key.starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Key;
    use crate::model::manifest::Part;

    fn segments(firsts: &[Option<(&str, &str)>]) -> Vec<Segment> {
        let segment = |(number, first): (usize, &Option<(&str, &str)>)| Segment {
            part: Part { path: Key::new(number.to_string()).unwrap(), size: 1, sha256: crate::archive::sha256(b"") },
            rows: 1,
            first: first.map(|(source, key)| Segment::name_of(source, key)),
        };
        firsts.iter().enumerate().map(segment).collect()
    }

    fn found(firsts: &[Option<(&str, &str)>], source: &str, prefix: &str) -> Vec<String> {
        let segments = segments(firsts);
        segments_of(&segments, source, prefix).iter().map(|segment| segment.part.path.to_string()).collect()
    }

    #[test]
    fn one_key_is_in_one_segment() {
        let firsts =
            [("live/apps", "a"), ("live/books", "42/b c"), ("live/books", "5"), ("live/books-2", "a")].map(Some);
        assert_eq!(found(&firsts, "live/books", "42/d"), ["1"]);
        assert_eq!(found(&firsts, "live/books", "5"), ["2"], "the first of its segment, and no key before it");
        assert_eq!(found(&firsts, "live/books", "9"), ["2"]);
        assert_eq!(found(&firsts, "live/books", ""), ["0", "1", "2"]);
        assert_eq!(found(&firsts, "live/books", "42/"), ["0", "1"]);
        assert_eq!(found(&firsts, "live/books-2", "z"), ["3"]);
        assert_eq!(found(&firsts, "live/aaa", "z"), Vec::<String>::new());
        assert_eq!(found(&[], "live/books", "z"), Vec::<String>::new());
    }

    #[test]
    fn a_segment_that_does_not_say_where_it_begins_is_read() {
        let firsts = [None, Some(("live/books", "5")), None, Some(("live/books", "7")), None];
        assert_eq!(found(&firsts, "live/books", "3"), ["0"]);
        assert_eq!(found(&firsts, "live/books", "6"), ["1", "2"]);
        assert_eq!(found(&firsts, "live/books", "8"), ["3", "4"]);
        assert_eq!(found(&[None, None], "live/books", "8"), ["0", "1"]);
    }
}
