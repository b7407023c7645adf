//! Which packs a sample takes: by a digest of their names, so that the parts are of one size and a pack stays in its part.

use crate::archive::sha256;
use crate::model::{IndexRow, Sample};

pub(super) fn takes(sample: Option<Sample>, pack: &str) -> bool {
    sample.is_none_or(|Sample { part, of }| {
        let digest = sha256(pack.as_bytes());
        let [a, b, c, d, ..] = *digest.as_bytes();
        u32::from_be_bytes([a, b, c, d]) % of.max(1) == part
    })
}

/// An object goes with its first pack; what has no bytes is always taken.
pub(super) fn takes_row(sample: Option<Sample>, row: &IndexRow) -> bool {
    row.pieces.first().is_none_or(|piece| takes(sample, &piece.pack))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pack_is_in_one_part_and_no_part_is_much_larger_than_another() {
        let mut sizes = [0; 4];
        for number in 0..1000 {
            let pack = format!("pack{number:04}");
            let parts: Vec<u32> = (0..4).filter(|part| takes(Some(Sample { part: *part, of: 4 }), &pack)).collect();
            let [part] = parts[..] else { panic!("{pack} is in {parts:?}") };
            sizes[part as usize] += 1;
            assert!(takes(None, &pack));
        }
        assert!(sizes.iter().all(|size| (180..=320).contains(size)), "{sizes:?}");
    }
}
