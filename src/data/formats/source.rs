//! Reading a file, plain or gzipped, whose header may promise more than there is.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use byteorder::ByteOrder;
use flate2::bufread::MultiGzDecoder;

use super::DataError;
use crate::files::{make_room, open_regular};

/// The first two bytes of every gzip file (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// No DEFLATE stream expands by more: a match of 258 bytes costs at least 2 bits.
const DEFLATE_EXPANSION: u64 = 1032;

/// Bytes decoded at a time; a multiple of every element's size.
const CHUNK: usize = 1 << 16;

/// The most that `length` bytes of DEFLATE, gzip or PNG can decompress to.
pub(super) fn largest_expansion(length: u64) -> u64 {
    length.saturating_mul(DEFLATE_EXPANSION)
}

/// A file read from front to back, decompressed on the way if its content is gzip.
pub(super) struct Source {
    path: PathBuf,
    reader: Box<dyn Read>,
    gzip: bool,
    /// How many (decompressed) bytes have been read.
    position: u64,
    /// How many (decompressed) bytes there can be.
    limit: u64,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |cause| DataError::io(path, cause);
        let (file, length) = open_regular(path).map_err(failed)?;
        let mut buffered = BufReader::with_capacity(CHUNK, file);
        let gzip = buffered.fill_buf().map_err(failed)?.starts_with(&GZIP_MAGIC);
        let (reader, limit): (Box<dyn Read>, u64) = match gzip {
            true => (Box::new(MultiGzDecoder::new(buffered)), largest_expansion(length)),
            false => (Box::new(buffered), length),
        };
        Ok(Source { path: path.to_path_buf(), reader, gzip, position: 0, limit })
    }

    /// The next `N` bytes of the header.
    pub(super) fn header<const N: usize>(&mut self) -> Result<[u8; N], DataError> {
        let mut bytes = [0; N];
        self.fill_header(&mut bytes)?;
        Ok(bytes)
    }

    /// Fills `bytes` with the next bytes of the header.
    pub(super) fn fill_header(&mut self, bytes: &mut [u8]) -> Result<(), DataError> {
        let needed = self.position + bytes.len() as u64;
        if self.fill(bytes)? == bytes.len() {
            return Ok(());
        }
        Err(DataError::TruncatedHeader { path: self.path.clone(), needed, found: self.position })
    }

    /// All the rest of the file, which must be exactly an array of `shape`.
    ///
    /// Memory is asked for as the elements arrive, for gzip may promise a thousand times its length.
    pub(super) fn values<T: Element, E: ByteOrder>(
        &mut self,
        shape: &[usize],
    ) -> Result<Vec<T>, DataError> {
        let too_large = || self.too_large(shape);
        let count = element_count(shape).ok_or_else(too_large)?;
        let bytes = count.checked_mul(size_of::<T>()).ok_or_else(too_large)?;
        let promised = self.position.checked_add(bytes as u64).ok_or_else(too_large)?;
        if promised > self.limit {
            return Err(self.too_short(promised));
        }
        let mut values = Vec::new();
        let mut chunk = vec![0; CHUNK.min(bytes)];
        while self.position < promised {
            let next = chunk.len().min((promised - self.position) as usize);
            if self.fill(&mut chunk[..next])? < next {
                let (path, found) = (self.path.clone(), self.position);
                return Err(DataError::Truncated { path, promised, found });
            }
            make_room(&mut values, next / size_of::<T>(), count)
                .map_err(|_| self.too_large(shape))?;
            T::append::<E>(&chunk[..next], &mut values);
        }
        // Reading on to the end also makes the decompressor compare the checksum.
        match self.fill(&mut [0])? {
            0 => Ok(values),
            _ => Err(DataError::TrailingBytes { path: self.path.clone(), promised }),
        }
    }

    pub(super) fn too_large(&self, shape: &[usize]) -> DataError {
        DataError::TooLarge { path: self.path.clone(), shape: shape.to_vec() }
    }

    fn too_short(&self, promised: u64) -> DataError {
        let path = self.path.clone();
        match self.gzip {
            true => DataError::Implausible { path, promised, limit: self.limit },
            false => DataError::Truncated { path, promised, found: self.limit },
        }
    }

    /// Reads until `bytes` is full or the file ends; gives the number of bytes read.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<usize, DataError> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.reader.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    self.position += read as u64;
                }
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(self.failure(cause)),
            }
        }
        Ok(filled)
    }

    fn failure(&self, cause: io::Error) -> DataError {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        let (path, position) = (self.path.clone(), self.position);
        match cause.kind() {
            InvalidData | InvalidInput | UnexpectedEof if self.gzip => {
                DataError::Gzip { path, position, cause }
            }
            _ => DataError::Io { path, cause },
        }
    }
}

/// The product of the dimensions, unless it overflows.
fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1, |product: usize, &dim| product.checked_mul(dim))
}

/// A number as it lies in a file.
pub(super) trait Element: Sized {
    /// Decodes `bytes`, a whole number of elements in byte order `E`, to the end of `values`.
    fn append<E: ByteOrder>(bytes: &[u8], values: &mut Vec<Self>);
}

impl Element for u8 {
    fn append<E: ByteOrder>(bytes: &[u8], values: &mut Vec<Self>) {
        values.extend_from_slice(bytes);
    }
}

impl Element for i8 {
    fn append<E: ByteOrder>(bytes: &[u8], values: &mut Vec<Self>) {
        values.extend(bytes.iter().map(|&byte| byte.cast_signed()));
    }
}

macro_rules! impl_element {
    ($($element:ty: $read:ident),*) => {$(
        impl Element for $element {
            fn append<E: ByteOrder>(bytes: &[u8], values: &mut Vec<Self>) {
                values.extend(bytes.chunks_exact(size_of::<Self>()).map(E::$read));
            }
        }
    )*};
}

impl_element!(
    u16: read_u16, i16: read_i16, u32: read_u32, i32: read_i32,
    u64: read_u64, i64: read_i64, f32: read_f32, f64: read_f64
);
