//! What may happen to a file.

use proptest::{prelude::*, sample::Index};

/// One change of a file.
#[derive(Clone, Debug)]
pub enum Mutation {
    /// The file ends here.
    Truncate(Index),
    /// A bit is another.
    Flip(Index, u32),
    /// Bytes are written over those that are there.
    Overwrite(Index, Vec<u8>),
    /// Bytes are put in between.
    Insert(Index, Vec<u8>),
    /// Bytes follow the last one.
    Extend(Vec<u8>),
    /// A stretch from one place is put in at another.
    Splice(Index, Index, usize),
    /// A stretch is missing.
    Remove(Index, usize),
}

/// One to four changes.
pub fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let at = any::<Index>;
    let mutation = prop_oneof![
        at().prop_map(Mutation::Truncate),
        (at(), 0..8u32).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), telling()).prop_map(|(at, bytes)| Mutation::Overwrite(at, bytes)),
        (at(), telling()).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Mutation::Extend),
        (at(), at(), 1..64usize).prop_map(|(from, to, len)| Mutation::Splice(from, to, len)),
        (at(), 1..64usize).prop_map(|(at, len)| Mutation::Remove(at, len)),
    ];
    prop::collection::vec(mutation, 1..5)
}

/// Bytes that a parser may stumble over: numbers at the ends of their types, in both orders and as text,
/// what brackets and quotes are made of, and any at all.
fn telling() -> impl Strategy<Value = Vec<u8>> {
    let numbers = [0, 1, 1 << 16, 1 << 31, u32::MAX as u64, 1 << 62, i64::MAX as u64, u64::MAX];
    let number = prop::sample::select(numbers.to_vec());
    let texts =
        ["-1", "1e999", "nan", "[", "]", "{", "}", "(", "\"", "'", ",", "=", "\n", "\0", "\u{7ff}"];
    prop_oneof![
        number.clone().prop_map(|n| n.to_be_bytes().to_vec()),
        number.clone().prop_map(|n| n.to_le_bytes().to_vec()),
        number.clone().prop_map(|n| (n as u32).to_be_bytes().to_vec()),
        number.prop_map(|n| n.to_string().into_bytes()),
        prop::sample::select(texts.to_vec()).prop_map(|text| text.into()),
        prop::collection::vec(any::<u8>(), 1..5),
    ]
}

/// The bytes after all changes.
pub fn mutated(bytes: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    mutations.iter().fold(bytes.to_vec(), |mut bytes, mutation| {
        let length = bytes.len();
        // A place of the file, its end among them.
        let place = |at: &Index| at.index(length + 1);
        let stretch = |at: &Index, len: usize| place(at)..(place(at) + len).min(length);
        match mutation {
            Mutation::Truncate(at) => bytes.truncate(place(at)),
            Mutation::Flip(at, bit) => {
                let at = place(at);
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
            }
            Mutation::Overwrite(at, new) => {
                let stretch = stretch(at, new.len());
                bytes.splice(stretch, new.iter().copied());
            }
            Mutation::Insert(at, new) => {
                let at = place(at);
                bytes.splice(at..at, new.iter().copied());
            }
            Mutation::Extend(new) => bytes.extend(new),
            Mutation::Splice(from, to, len) => {
                let (copied, to) = (bytes[stretch(from, *len)].to_vec(), place(to));
                bytes.splice(to..to, copied);
            }
            Mutation::Remove(at, len) => {
                let stretch = stretch(at, *len);
                bytes.drain(stretch);
            }
        }
        bytes
    })
}
