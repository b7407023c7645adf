//! The primitives of the format: numbers with a sign of their own, and texts that may be absent.

/// Why a unit cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It goes on in bytes that have not come.
    More,
    /// It is nothing that this version of dcs knows.
    Unknown,
}

pub(super) type Result<T> = std::result::Result<T, Stop>;

/// Reads along bytes of which the end may be missing.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    /// Bytes of a number, after its sign.
    pub(super) int_size: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], int_size: usize) -> Self {
        Self { bytes, at: 0, int_size }
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count).ok_or(Stop::Unknown)?;
        let taken = self.bytes.get(self.at..end).ok_or(Stop::More)?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        self.take(1).map(|taken| taken[0])
    }

    /// A sign, then the magnitude, least significant byte first.
    pub(super) fn int(&mut self) -> Result<i64> {
        let is_negative = match self.byte()? {
            0 => false,
            1 => true,
            _ => return Err(Stop::Unknown),
        };
        let magnitude = self
            .take(self.int_size)?
            .iter()
            .rev()
            .try_fold(0_i64, |value, byte| value.checked_mul(256)?.checked_add(i64::from(*byte)));
        let magnitude = magnitude.ok_or(Stop::Unknown)?;
        Ok(if is_negative { -magnitude } else { magnitude })
    }

    /// A text after its length; a negative length means none.
    pub(super) fn text(&mut self) -> Result<Option<&'a [u8]>> {
        match self.int()? {
            length @ 0.. => self.take(usize::try_from(length).map_err(|_| Stop::Unknown)?).map(Some),
            _ => Ok(None),
        }
    }
}
