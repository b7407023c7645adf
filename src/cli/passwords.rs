//! Keeps passwords that somebody wrote into an argument from being repeated in errors, logs and locks.

/// Replaces what stands before the `@` of URLs, and passwords among their parameters.
pub fn hide_passwords(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(hide_in_word).collect()
}

fn hide_in_word(word: &str) -> String {
    let mut hidden = word.to_owned();
    if let Some((scheme, rest)) = word.split_once("://") {
        let (first, _) = rest.split_once('/').unwrap_or((rest, ""));
        let has_port = first.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        // A password may hold a slash that should have been escaped; what follows a host and its port is a path.
        let at = if has_port || first.contains('@') { first.rfind('@') } else { rest.rfind('@') };
        if let Some(at) = at.filter(|at| rest[..*at].contains(':')) {
            hidden = format!("{scheme}://***{}", &rest[at..]);
        }
    }
    if let Some(begin) = hidden.find("password=").map(|at| at + "password=".len()) {
        let end = hidden[begin..].find(['&', '\'', '"']).map_or(hidden.trim_end().len(), |length| begin + length);
        hidden.replace_range(begin..end, "***");
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_in_a_url_is_hidden_and_the_rest_stays() {
        for (text, hidden) in [
            ("'dream=postgres://me:hunter2@h:1/db' for", "'dream=postgres://***@h:1/db' for"),
            ("postgres://me:hun/ter2@h/db", "postgres://***@h/db"),
            ("postgres://me@h/db?password=hunter2&sslmode=off x", "postgres://me@h/db?password=***&sslmode=off x"),
            ("'x?password=hunter2' is", "'x?password=***' is"),
            ("http://h:9000/bucket/a@b restore", "http://h:9000/bucket/a@b restore"),
            ("postgres://me@h/db", "postgres://me@h/db"),
        ] {
            assert_eq!(hide_passwords(text), hidden);
        }
    }
}
