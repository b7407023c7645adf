//! The backup bucket: layout, manifest, index, packs, locks.
