//! The transparency log over opaque bytes: tree, tiles, heads map, proofs, notes, stores.
//!
//! Two halves. The pure one does no input or output and builds for WebAssembly: whoever verifies a proof offline runs
//! the same code as the ledger. The other, [`store`], sits behind the feature `store` and keeps the log on a disk.
//! Neither knows what an event is: an entry is bytes with a short header ([`entry`]), a subject is a 17-byte key.

pub mod checkpoint;
pub mod entry;
mod hash;
pub mod heads;
pub mod note;
mod position;
pub mod proof;
#[cfg(feature = "store")]
pub mod store;
pub mod tile;
pub mod touch;
pub mod tree;

pub use hash::{HeadsRoot, LeafHash, NodeHash, RootHash};
pub use position::{LogPosition, TreeSize};
