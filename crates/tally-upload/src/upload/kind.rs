//! The four kinds of file

use std::fmt;

use super::record::{BasicRecord, Field, ForbiddenRecord, MarkRecord, Record, TestRecord};

/// Kind of an upload file.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum FileKind {
    /// JBSJ, basic records. 基本数据
    Basic,
    /// ABSJ, safety marks. 安标数据
    Mark,
    /// JZTT, forbidden and phased-out equipment. 禁止淘汰
    Forbidden,
    /// JCJY, tests. 检测检验
    Test,
}

impl FileKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Basic, Self::Mark, Self::Forbidden, Self::Test];

    /// As in the name of a file.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Basic => "JBSJ",
            Self::Mark => "ABSJ",
            Self::Forbidden => "JZTT",
            Self::Test => "JCJY",
        }
    }

    /// The kind of a code; `None` for any other.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its fields, in order.
    #[must_use]
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Self::Basic => BasicRecord::FIELDS,
            Self::Mark => MarkRecord::FIELDS,
            Self::Forbidden => ForbiddenRecord::FIELDS,
            Self::Test => TestRecord::FIELDS,
        }
    }

    /// The kind whose records have so many fields: no two have as many.
    pub(crate) fn with_fields(count: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.fields().len() == count)
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}
