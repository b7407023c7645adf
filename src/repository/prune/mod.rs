//! What prune leaves behind for the runs beside it: marks, and the list of packs that are mostly dead.
//!
//! # Why nothing is removed that a backup names
//!
//! Nothing is removed but what a mark names, and no lock keeps backups out while it is removed. Of any backup B and any
//! mark M, with a store that lists and reads what was just written:
//!
//! - B claims its shared lock, then reads the marks, then lists the packs, and only then looks at what is there already:
//!   its parent, partial indexes, segments with the name of its own.
//! - Prune writes M, then looks at the locks, then lists the manifests and reads those that it has not read, then
//!   removes what M names and they do not, and M last of all.
//!
//! Either B saw M when it read the marks. Then it names nothing that M names: it takes nothing from there, and writes
//! nothing under such a name (packs have random names; a segment, whose name is its digest, gets another by
//! [`Marked::unmarked_segment`]). Or B read the marks before M was written, so its claim is older than M. When prune looks
//! at the locks that claim is there still, and then nothing that M names is removed this time; or it is given back, after
//! the manifest was written, and then prune reads that manifest before it removes anything; or B is dead, and there will
//! be no manifest. Or M was gone again when B read the marks: then what it named is gone as well, and B, who lists the
//! packs after it read the marks, sees so.
//!
//! A claim that was taken away from a run that still lives, suspended for longer than a lock lasts, is the one gap: such a
//! run asks for its lock before it writes its manifest, and again when that is written: if it was lost by then, and
//! anything that the manifest names is gone, it takes the manifest back.
//!
//! `backup delete` has the repository for itself, so the manifests that a running backup read stay while it runs.

mod live;
mod marks;
mod names;
mod sparse;
mod survey;
mod sweep;

pub use marks::{Marked, marked};
pub use sparse::{Sparse, sparse_packs};
pub use survey::{Leftover, Survey, survey};
pub use sweep::{Swept, sweep};
