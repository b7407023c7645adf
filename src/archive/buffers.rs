//! Large buffers that are used again. A new one costs the system's zeroing of each page when it is first written, which for
//! a stream of bytes takes about as long as hashing it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

/// Buffers that come back when the last of their bytes is dropped. There are as many as were in use at once.
#[derive(Debug, Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// One that came back, with what it held; else a new one, empty.
    pub fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// The first `length` bytes of a buffer, which comes back once nobody holds them any more.
    pub fn lend(&self, buffer: Vec<u8>, length: usize) -> Bytes {
        Bytes::from_owner(Lent { buffer, home: Arc::downgrade(&self.0) }).slice(..length)
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: Weak<Mutex<Vec<Vec<u8>>>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            home.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_with_the_last_of_its_bytes() {
        let buffers = Buffers::default();
        let lent = buffers.lend(b"content".to_vec(), 3);
        let piece = lent.slice(1..);
        assert_eq!((&lent[..], &piece[..]), (&b"con"[..], &b"on"[..]));
        drop(lent);
        assert_eq!(buffers.take(), b"", "a piece of it is still held");
        drop(piece);
        assert_eq!(buffers.take(), b"content");
        assert_eq!(buffers.take(), b"");
        let outlives = buffers.lend(vec![1], 1);
        drop(buffers);
        assert_eq!(&outlives[..], [1]);
    }
}
