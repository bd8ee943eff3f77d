//! Passwords that nobody may have, from a file of the operator: those of their own house, or those that were found in breaches
//! (OWASP ASVS 5.0, 6.2.12; NIST SP 800-63B-4, 3.1.1.2).

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use data_encoding::HEXUPPER_PERMISSIVE;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// The most that are read: some hundred MiB in memory.
const MAX_ENTRIES: usize = 20_000_000;
/// The longest line that is read: of a password, as many bytes as its characters may have.
const MAX_LINE_BYTES: usize = 4 * super::password::MAX_CHARACTERS;
/// The bytes of a digest that are kept: that another password has the same is as good as impossible.
const KEPT_BYTES: usize = 8;

/// Passwords that nobody may have. They are compared in lower case.
#[derive(Debug, Default)]
pub struct Blocklist {
    entries: HashSet<[u8; KEPT_BYTES]>,
}

impl Blocklist {
    /// Reads a file with one on each line: as it is, or as its SHA-1 in hexadecimal, with `:` and a number behind it or without,
    /// as the lists of breached passwords have them. What is empty is passed over.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut reader = BufReader::new(File::open(path)?);
        let mut list = Self::default();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = io::Read::take(&mut reader, MAX_LINE_BYTES as u64 + 2).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            // Some editors begin a file with a mark.
            let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
            if text.len() > MAX_LINE_BYTES || list.entries.len() == MAX_ENTRIES {
                let reason = format!("line {number}: a list has at most {MAX_ENTRIES} lines of {MAX_LINE_BYTES} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
            list.add(text);
        }
        Ok(list)
    }

    fn add(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let is_hash = |text: &[u8]| text.len() == 40 && text.iter().all(u8::is_ascii_hexdigit);
        let before = text.split(|byte| *byte == b':').next().unwrap_or_default();
        if is_hash(before) {
            let digest = HEXUPPER_PERMISSIVE.decode(before).unwrap_or_default();
            self.entries.extend(digest.first_chunk::<KEPT_BYTES>());
        } else {
            let text = super::hashing::normalised(&String::from_utf8_lossy(text));
            self.entries.insert(kept(&text.to_lowercase()));
        }
    }

    /// Whether nobody may have this password, which is in its normal form.
    pub(super) fn has(&self, password: &str) -> bool {
        !self.entries.is_empty()
            && (self.entries.contains(&kept(password)) || self.entries.contains(&kept(&password.to_lowercase())))
    }
}

fn kept(text: &str) -> [u8; KEPT_BYTES] {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_listed_as_they_are_or_as_their_digests_and_compared_in_lower_case() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // The second is the SHA-1 of `plover quartz ninety lamp`, as `sha1sum` says it.
        let lines = "\u{feff}Correct Horse Battery\r\n\n94C0F6A00585F201AB3EC1BAD9F6CE78AA95772D:17\n";
        std::fs::write(file.path(), lines).unwrap();
        let list = Blocklist::read(file.path()).unwrap();
        assert!(list.has("correct horse battery") && list.has("CORRECT HORSE BATTERY"));
        assert!(list.has("plover quartz ninety lamp"));
        assert!(!list.has("correct horse battery staple") && !list.has(""));
    }

    #[test]
    fn a_file_that_is_no_list_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "x".repeat(1 << 20)).unwrap();
        assert_eq!(
            Blocklist::read(file.path()).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
