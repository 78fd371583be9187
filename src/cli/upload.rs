//! Flags of `tally upload`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::{Asking, Connection, publish::Encoding};

/// The national upload MT/T 1201.2. 国家上传文件
#[derive(Debug, Subcommand)]
pub enum Upload {
    /// Reads a file and reports line by line what is wrong with it. Needs no server. 检查
    ///
    /// Examples:
    ///   tally upload check 140921021337_JBSJ_20260402083000.txt
    ///
    /// Field lists and codes come from a public implementation, not from the standard: docs/national-upload.md.
    #[command(verbatim_doc_comment)]
    Check {
        /// The file, named MINECODE_KIND_TIME.txt.
        file: PathBuf,
        /// Which kind of file it is; its name says so without it.
        #[arg(long = "as", value_enum, value_name = "KIND")]
        kind: Option<UploadKind>,
        /// Encoding of the file.
        #[arg(long, value_enum, default_value_t = Encoding::Utf8)]
        encoding: Encoding,
    },
    /// Holds a file of basic records (JBSJ) against the machines of a mine. 比对
    ///
    /// Examples:
    ///   tally upload compare 140921021337_JBSJ_20260402083000.txt --mine UUID
    ///
    /// What is not in a machine's state is not compared: name, system, installation, ratings, Ex certificate.
    #[command(verbatim_doc_comment)]
    Compare {
        /// The file of basic records.
        file: PathBuf,
        /// The mine whose machines should be in it. 煤矿
        #[arg(long, value_name = "UUID")]
        mine: String,
        /// Encoding of the file.
        #[arg(long, value_enum, default_value_t = Encoding::Utf8)]
        encoding: Encoding,
        /// How the server is reached.
        #[command(flatten)]
        connection: Connection,
        /// Who asks.
        #[command(flatten)]
        asking: Asking,
    },
}

/// Kind of an upload file.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum UploadKind {
    /// Basic records. 基础数据
    Jbsj,
    /// Safety marks. 安标数据
    Absj,
    /// Forbidden and phased-out equipment. 禁止淘汰
    Jztt,
    /// Tests. 检测检验
    Jcjy,
}
