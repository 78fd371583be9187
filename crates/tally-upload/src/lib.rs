//! The national upload MT/T 1201.2 and the product's own tables, in and out: foreign files, read with suspicion.
//!
//! **The field lists, separators and codes of [`upload`] come from a public implementation of MT/T 1201.2-2023, not from the
//! standard, which was not seen. Nothing here claims to conform to it.** What was not to be learnt there is chosen here, and
//! `docs/national-upload.md` says which is which.
//!
//! Two kinds of file, one way through:
//!
//! - [`upload`]: the four files JBSJ (basic records), ABSJ (safety marks), JZTT (forbidden equipment), JCJY (tests);
//! - [`csv`]: tables of the product's own, such as stock lists and publications.
//!
//! A file is read twice. The first pass looks at every line and reports what is wrong with it, in memory that does not grow
//! with the file; only a file without a refusing problem becomes a `Checked` value, and only that gives records or rows, in a
//! second pass which sees to it that the bytes are still the same. So nothing of a file that was refused can be recorded.
//!
//! [`ledger`] makes records from what the ledger knows, [`compare`] holds the two against each other (rule DATA-001).
//! Everything is a pure function over `Read` and `Write`: no file is opened and no clock is read here.

pub mod compare;
pub mod csv;
pub mod input;
pub mod ledger;
pub mod rating;
pub mod report;
mod text;
pub mod upload;
