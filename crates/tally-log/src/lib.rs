//! The transparency log over opaque bytes: tree, tiles, heads map, proofs, notes, stores
