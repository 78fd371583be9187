//! Files that flags name; `-` is what comes in.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use super::text::usage;
use crate::output::CommandError;

/// Bytes of a file, the first `bytes_max` of them.
pub fn bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, CommandError> {
    read(path, |input| {
        let mut bytes = Vec::new();
        input.take(bytes_max).read_to_end(&mut bytes).map(|_| bytes)
    })
}

/// Text of a whole file. What has more than `bytes_max` bytes is refused, never cut.
pub fn text(path: &Path, bytes_max: u64) -> Result<String, CommandError> {
    let text = read(path, |input| {
        let mut text = String::new();
        input.take(bytes_max.saturating_add(1)).read_to_string(&mut text).map(|_| text)
    })?;
    if text.len() as u64 > bytes_max {
        return Err(usage(format!("{} has over {bytes_max} bytes", path.display())));
    }
    Ok(text)
}

fn read<T>(path: &Path, read: impl FnOnce(Box<dyn Read>) -> io::Result<T>) -> Result<T, CommandError> {
    let opened = || -> io::Result<Box<dyn Read>> {
        Ok(if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(fs::File::open(path)?) })
    };
    opened().and_then(read).map_err(|error| usage(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_refused_and_not_cut() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "MEA130001\n").unwrap();
        assert_eq!(text(file.path(), 10).unwrap(), "MEA130001\n");
        let told = text(file.path(), 9).unwrap_err();
        assert!(told.to_string().ends_with("has over 9 bytes"), "{told}");
        assert_eq!(bytes(file.path(), 3).unwrap(), b"MEA");
    }
}
