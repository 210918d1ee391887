//! Sixteen bytes looked at together: where the first of them stands that means something.
//!
//! `wide` has the vector instructions that every processor of its kind has; a test holds them to the definitions, byte for byte.

use wide::u8x16;

/// How many bytes are looked at together.
pub(super) const LANES: usize = 16;

/// Whether a byte means something in a value: control characters, `<`, `&`, the first byte of U+F000 to U+FFFF (among which are U+FFFE
/// and U+FFFF), and two bytes that depend on the place.
pub(super) const fn stops<const A: u8, const B: u8>(b: u8) -> bool {
    (b < 0x20) | (b == b'<') | (b == b'&') | (b == 0xEF) | (b == A) | (b == B)
}

/// The bytes of ASCII names.
const NAME: u8 = 1;
/// Those that a name may begin with.
const NAME_START: u8 = 3;

static NAME_CLASS: [u8; 256] = name_classes();

const fn name_classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => NAME_START,
            b'0'..=b'9' | b'-' | b'.' => NAME,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// Whether an ASCII byte is one that names are made of.
pub(super) fn is_ascii_name_byte(byte: u8) -> bool {
    NAME_CLASS[usize::from(byte)] != 0
}

/// Whether an ASCII byte is one that names begin with.
pub(super) fn is_ascii_name_start(byte: u8) -> bool {
    NAME_CLASS[usize::from(byte)] == NAME_START
}

/// How many bytes stand before the first that stops a value.
#[inline]
pub(super) fn before_stop<const A: u8, const B: u8>(octets: &[u8]) -> usize {
    before(octets, first_stop::<A, B>, stops::<A, B>)
}

/// How many bytes stand before the first that no ASCII name has.
#[inline]
pub(super) fn name_length(octets: &[u8]) -> usize {
    before(octets, first_outside_names, |b| !is_ascii_name_byte(b))
}

/// Chunk by chunk, and byte by byte where less than a chunk is left. Most of what is looked for is in the first.
#[inline]
fn before(octets: &[u8], first_of: impl Fn(&[u8; LANES]) -> usize, is_last: impl Fn(u8) -> bool) -> usize {
    let mut before = 0;
    let mut rest = octets;
    while let Some((chunk, behind)) = rest.split_first_chunk() {
        let place = first_of(chunk);
        before += place;
        if place < LANES {
            return before;
        }
        rest = behind;
    }
    before + rest.iter().position(|&b| is_last(b)).unwrap_or(rest.len())
}

/// Whether two names are the same. Most are short, and cost less than the call that compares memory of any length.
#[inline]
pub(super) fn same_name(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && match one.len() {
            0..4 => one.iter().zip(other).all(|(one, other)| one == other),
            4..8 => one.first_chunk::<4>() == other.first_chunk() && one.last_chunk::<4>() == other.last_chunk(),
            8..=16 => one.first_chunk::<8>() == other.first_chunk() && one.last_chunk::<8>() == other.last_chunk(),
            _ => one == other,
        }
}

fn at_most(lanes: u8x16, most: u8) -> u8x16 {
    lanes.min(u8x16::splat(most)).simd_eq(lanes)
}

fn equal(lanes: u8x16, byte: u8) -> u8x16 {
    lanes.simd_eq(u8x16::splat(byte))
}

/// The place of the first lane that is marked, or [`LANES`].
fn first(marks: u8x16) -> usize {
    (marks.to_bitmask() | 1 << LANES).trailing_zeros() as usize
}

fn first_stop<const A: u8, const B: u8>(chunk: &[u8; LANES]) -> usize {
    let lanes = u8x16::new(*chunk);
    let always = at_most(lanes, 0x1F) | equal(lanes, b'<') | equal(lanes, b'&') | equal(lanes, 0xEF);
    first(always | equal(lanes, A) | equal(lanes, B))
}

fn first_outside_names(chunk: &[u8; LANES]) -> usize {
    let lanes = u8x16::new(*chunk);
    let letter = at_most((lanes | u8x16::splat(0x20)) - u8x16::splat(b'a'), b'z' - b'a');
    // From `-` to `9` there is the slash besides.
    let of_numbers = at_most(lanes - u8x16::splat(b'-'), b'9' - b'-');
    first(!(letter | of_numbers | equal(lanes, b'_')) | equal(lanes, b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All bytes, at every place of a chunk, among bytes of names.
    #[test]
    fn finds_what_the_definitions_say() {
        for byte in 0..=u8::MAX {
            for place in 0..LANES {
                let mut chunk = *b"aZ_09-.bcdefghij";
                chunk[place] = byte;
                let of_names = chunk.iter().position(|&b| !is_ascii_name_byte(b)).unwrap_or(LANES);
                assert_eq!(first_outside_names(&chunk), of_names, "{byte:#x} at {place}");
                let of_text = chunk.iter().position(|&b| stops::<b'>', b']'>(b)).unwrap_or(LANES);
                assert_eq!(first_stop::<b'>', b']'>(&chunk), of_text, "{byte:#x} at {place}");
                let of_quotes = chunk.iter().position(|&b| stops::<b'"', b'\''>(b)).unwrap_or(LANES);
                assert_eq!(first_stop::<b'"', b'\''>(&chunk), of_quotes, "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn counts_over_chunks_and_what_is_left_of_them() {
        for length in 0..70 {
            let text = "x".repeat(length);
            assert_eq!(name_length(text.as_bytes()), length);
            assert_eq!(name_length(format!("{text}:y").as_bytes()), length);
            assert_eq!(before_stop::<b'"', b'\''>(text.as_bytes()), length);
            assert_eq!(before_stop::<b'"', b'\''>(format!("{text}\" z=\"").as_bytes()), length);
        }
    }

    #[test]
    fn names_are_the_same_where_every_byte_is() {
        for length in 0..40 {
            let name: Vec<u8> = (0..length).map(|place| b'a' + place % 26).collect();
            assert!(same_name(&name, &name.clone()));
            assert!(!same_name(&name, &[name.as_slice(), b"a"].concat()));
            for place in 0..name.len() {
                let mut other = name.clone();
                other[place] ^= 1;
                assert!(!same_name(&name, &other), "{length}: {place}");
            }
        }
    }

    /// What follows the first byte that stops must not hide or move it.
    #[test]
    fn the_first_of_several_counts() {
        for first in 0..LANES {
            for second in first..LANES {
                let mut chunk = [b'a'; LANES];
                (chunk[first], chunk[second]) = (b'<', 0x1F);
                assert_eq!(first_stop::<b'"', b'\''>(&chunk), first);
            }
        }
    }
}
