//! Why bytes could not be decoded: their source failed, or they are not what they should be.

/// Says what is wrong with compressed or archived bytes. Reading them again from the same place will not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Corrupt(String);

impl Corrupt {
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// A failure of a decoding stream: of its source, or of the bytes.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError<E> {
    #[error("the compressed bytes could not be read")]
    Source(#[source] E),
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}
