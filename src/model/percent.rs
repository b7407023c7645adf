//! Percent-encoding as RFC 3986 has it, for keys in the index and for names in object keys.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The unreserved characters of RFC 3986 stay, and the slash.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes a key: every byte but the unreserved ones and `/`.
pub fn encode_key(text: &str) -> String {
    utf8_percent_encode(text, KEY).to_string()
}

/// Encodes a name that becomes one segment of a key: the slash too.
pub fn encode_name(text: &str) -> String {
    utf8_percent_encode(text, NAME).to_string()
}

/// Decodes either; `None` where the bytes are no UTF-8.
pub fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_keys_survive_and_become_one_plain_word() {
        for key in ["a b", "a\tb\n\r", "100%", "a+b", "//", "..", "/lead", "😀", "\u{1}", "ä/ö"] {
            let encoded = encode_key(key);
            assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()), "{encoded}");
            assert_eq!(decode(&encoded).as_deref(), Some(key));
        }
        assert_eq!(encode_name("a/b"), "a%2Fb");
    }
}
