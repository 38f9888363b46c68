//! Signing and packing: digests of all files, the signature over them, and the archive.

use super::SnapshotError;
use super::archive::Writer;
use super::files::Work;
use super::sshsig;
use aws_lc_rs::digest as sha2;
use evidence::Digest;
use evidence::key::SigningKey;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

/// Digests of all other files.
pub const SUMS: &str = "SHA256SUMS";
/// The signature over them.
pub const SIGNATURE: &str = "SHA256SUMS.sig";
/// The time stamp of the signature.
pub const STAMP: &str = "SHA256SUMS.sig.tsr";
/// Files that the digests do not name: exactly these.
pub const UNNAMED: [&str; 3] = [SUMS, SIGNATURE, STAMP];

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub files: usize,
    pub size_bytes: u64,
    /// Of the archive.
    pub digest: Digest,
    /// Of the digests of its files: what a signature is over.
    pub sums: Digest,
}

/// Writes and signs the digests of all files. Gives the signature, for a time stamp.
pub fn sign(work: &Work, key: &SigningKey) -> Result<String, SnapshotError> {
    let mut sums = String::new();
    for name in work.all()?.into_keys().filter(|name| !UNNAMED.contains(&name.as_str())) {
        let digest = digest_of(&work.path(&name))?;
        let _ = writeln!(sums, "{digest}  {name}");
    }
    work.put(SUMS, sums.as_bytes())?;
    let signature = sshsig::sign(sums.as_bytes(), key);
    work.put(SIGNATURE, signature.as_bytes())?;
    Ok(signature)
}

fn digest_of(path: &Path) -> Result<Digest, SnapshotError> {
    let failed = |source| SnapshotError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let (mut context, mut piece) = (sha2::Context::new(&sha2::SHA256), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => break,
            n => context.update(&piece[..n]),
        }
    }
    let digest = Digest::from_slice(context.finish().as_ref());
    digest.ok_or_else(|| SnapshotError::Other("no digest".to_owned()))
}

/// Packs everything into an archive; `at_us` is the time of its files. The archive takes its name
/// once it is whole and durable.
pub fn pack(work: &Work, at_us: i64, output: &Path) -> Result<Packed, SnapshotError> {
    let part = output.with_file_name(format!(
        "{}.part",
        output.file_name().unwrap_or_default().to_string_lossy()
    ));
    let failed = |source| SnapshotError::File { path: part.clone(), source };
    let file = create_private(&part).map_err(failed)?;
    let mut out = Hashing::new(BufWriter::with_capacity(1 << 16, file));
    let mtime_s = u64::try_from(at_us.div_euclid(1_000_000)).unwrap_or_default();
    let mut writer = Writer::new(&mut out, mtime_s);
    let all = work.all()?;
    for (name, size) in &all {
        let path = work.path(name);
        let from = File::open(&path).map_err(|source| SnapshotError::File { path, source })?;
        writer.file(name, *size, BufReader::new(from)).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    let (digest, size_bytes, file) = out.finish().map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&part, output).map_err(failed)?;
    let sums = digest_of(&work.path(SUMS))?;
    Ok(Packed { files: all.len(), size_bytes, digest, sums })
}

/// Evidence is for those who may see it: the file's owner, until somebody hands it on.
fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let _ = std::fs::remove_file(path);
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// Counts and hashes what passes.
struct Hashing {
    out: BufWriter<File>,
    context: sha2::Context,
    size_bytes: u64,
}

impl Hashing {
    fn new(out: BufWriter<File>) -> Self {
        Self { out, context: sha2::Context::new(&sha2::SHA256), size_bytes: 0 }
    }

    fn finish(self) -> io::Result<(Digest, u64, File)> {
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let digest = Digest::from_slice(self.context.finish().as_ref());
        Ok((digest.unwrap_or(Digest([0; 32])), self.size_bytes, file))
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.context.update(&bytes[..written]);
        self.size_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
