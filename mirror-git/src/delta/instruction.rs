//! The bytes of a delta: its two sizes, and its instructions to copy and to insert.
//!
//! Owns both directions of that codec. Never: which bytes are worth a copy.

use super::apply::DeltaFault;

/// The longest copy one instruction is given; the format could say more, git's own readers expect no more.
pub(super) const MAX_COPY: usize = 0x10000;

/// The longest run of new bytes in one instruction.
pub(super) const MAX_INSERT: usize = 0x7f;

/// The most bytes that one instruction can make.
pub(super) const MOST_MADE: usize = 0x00ff_ffff;

const CUT: DeltaFault = DeltaFault::Corrupt("a delta ends in the middle of an instruction");

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instruction<'a> {
    /// So many bytes of the base, from an offset on.
    Copy { offset: usize, length: usize },
    /// New bytes.
    Insert(&'a [u8]),
}

impl<'a> Instruction<'a> {
    /// Takes the next instruction off the front; `None` at the end.
    pub(super) fn decode(rest: &mut &'a [u8]) -> Result<Option<Self>, DeltaFault> {
        let Some((&command, tail)) = rest.split_first() else { return Ok(None) };
        *rest = tail;
        if command & 0x80 != 0 {
            decode_copy(command, rest).map(Some)
        } else if command != 0 {
            let (new, tail) = rest.split_at_checked(usize::from(command)).ok_or(CUT)?;
            *rest = tail;
            Ok(Some(Self::Insert(new)))
        } else {
            Err(DeltaFault::Corrupt("a delta has an instruction that is not defined"))
        }
    }
}

fn decode_copy<'a>(command: u8, rest: &mut &'a [u8]) -> Result<Instruction<'a>, DeltaFault> {
    let mut numbers = [0usize; 2];
    let mut flags = command;
    for (number, bytes) in numbers.iter_mut().zip([4, 3]) {
        for place in 0..bytes {
            if flags & 1 != 0 {
                let (byte, tail) = rest.split_first().ok_or(CUT)?;
                *number |= usize::from(*byte) << (8 * place);
                *rest = tail;
            }
            flags >>= 1;
        }
    }
    let [offset, length] = numbers;
    // A length of 0x10000 is written as none.
    Ok(Instruction::Copy { offset, length: if length == 0 { 0x10000 } else { length } })
}

/// Takes a size off the front: seven bits a byte, the least significant first.
pub(super) fn decode_size(rest: &mut &[u8]) -> Result<u64, DeltaFault> {
    let mut value = 0u64;
    let mut shift = 0;
    loop {
        let (byte, tail) = rest.split_first().ok_or(CUT)?;
        *rest = tail;
        let bits = u64::from(byte & 0x7f);
        let high = bits.checked_shl(shift).filter(|high| high >> shift == bits);
        value |= high.ok_or(DeltaFault::Corrupt("a delta announces a size that is not a number"))?;
        shift += 7;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
}

/// Appends a size.
pub(super) fn encode_size(mut size: u64, out: &mut Vec<u8>) {
    while size >= 0x80 {
        out.push(size as u8 | 0x80);
        size >>= 7;
    }
    out.push(size as u8);
}

/// Appends instructions, as long as what it has written is shorter than a limit.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
    /// How many bytes at the end of `out` are new bytes of one instruction, whose length byte stands before them.
    inserted: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, limit: usize) -> Self {
        Self { out, limit, inserted: 0 }
    }

    /// Says whether what was written is shorter than the limit.
    pub(super) fn fits(&self) -> bool {
        self.out.len() < self.limit
    }

    /// Inserts new bytes. What follows another insertion is put into the same instruction where it has room.
    pub(super) fn insert(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.fits() {
            if self.inserted == 0 || self.inserted == MAX_INSERT {
                self.out.push(0);
                self.inserted = 0;
            }
            let (now, later) = bytes.split_at(bytes.len().min(MAX_INSERT - self.inserted));
            self.out.extend_from_slice(now);
            self.inserted += now.len();
            let length_at = self.out.len() - self.inserted - 1;
            self.out[length_at] = self.inserted as u8;
            bytes = later;
        }
    }

    /// Copies from the base, in as many instructions as it takes.
    pub(super) fn copy(&mut self, mut from: usize, mut length: usize) {
        while length > 0 && self.fits() {
            let now = length.min(MAX_COPY);
            let at = self.out.len();
            self.out.push(0);
            let mut code = 0x80;
            for (bit, byte) in (from as u32).to_le_bytes().into_iter().enumerate() {
                if byte != 0 {
                    code |= 1 << bit;
                    self.out.push(byte);
                }
            }
            // A length of 0x10000 is written as none.
            for (bit, byte) in (now as u16).to_le_bytes().into_iter().enumerate() {
                if byte != 0 {
                    code |= 0x10 << bit;
                    self.out.push(byte);
                }
            }
            self.out[at] = code;
            (from, length) = (from + now, length - now);
            self.inserted = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Piece {
        Copy { from: usize, length: usize },
        Insert(Vec<u8>),
    }

    fn piece() -> impl Strategy<Value = Piece> {
        prop_oneof![
            (any::<u32>(), prop_oneof![1usize..300, 0xfffe..0x10003usize, 1..0x0030_0000usize])
                .prop_map(|(from, length)| Piece::Copy { from: (from as usize).saturating_sub(length), length }),
            proptest::collection::vec(any::<u8>(), 1..400).prop_map(Piece::Insert),
        ]
    }

    /// Adds a piece to a list, as one with the last where it goes on from there: instructions may be cut and joined.
    fn push(pieces: &mut Vec<Piece>, piece: Piece) {
        match (pieces.last_mut(), piece) {
            (Some(Piece::Copy { from, length }), Piece::Copy { from: next, length: more })
                if *from + *length == next =>
            {
                *length += more;
            }
            (Some(Piece::Insert(bytes)), Piece::Insert(more)) => bytes.extend(more),
            (_, piece) => pieces.push(piece),
        }
    }

    proptest! {
        #[test]
        fn an_encoded_size_decodes_to_itself(size: u64, behind: [u8; 2]) {
            let mut bytes = Vec::new();
            encode_size(size, &mut bytes);
            bytes.extend(behind);
            let mut rest = &bytes[..];
            prop_assert_eq!(decode_size(&mut rest), Ok(size));
            prop_assert_eq!(rest, behind);
        }

        #[test]
        fn encoded_instructions_decode_to_what_they_say(pieces in proptest::collection::vec(piece(), 0..10)) {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes, usize::MAX);
            let mut wanted = Vec::new();
            for piece in pieces {
                match &piece {
                    Piece::Copy { from, length } => writer.copy(*from, *length),
                    Piece::Insert(new) => writer.insert(new),
                }
                push(&mut wanted, piece);
            }
            let mut found = Vec::new();
            let mut rest = &bytes[..];
            while let Some(instruction) = Instruction::decode(&mut rest).expect("the writer writes what is defined") {
                push(&mut found, match instruction {
                    Instruction::Copy { offset, length } => {
                        prop_assert!(length <= MAX_COPY);
                        Piece::Copy { from: offset, length }
                    }
                    Instruction::Insert(new) => Piece::Insert(new.to_vec()),
                });
            }
            prop_assert_eq!(found, wanted);
        }
    }
}
