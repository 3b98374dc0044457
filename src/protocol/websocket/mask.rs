//! Masking and unmasking, which are the same operation (RFC 6455 §5.3).

/// Exclusive-ors `bytes` with `mask` over and over, and returns the mask to go on with.
///
/// A payload may come in pieces of any length: the returned mask is turned so that it fits the
/// byte after the last one.
#[inline]
pub fn unmask(bytes: &mut [u8], mask: [u8; 4]) -> [u8; 4] {
    let mut turned = mask;
    turned.rotate_left(bytes.len() % 4);

    // Blocks of a fixed size become vector instructions without a target feature or `unsafe`.
    let mut wide = [0; 32];
    for four in wide.as_chunks_mut::<4>().0 {
        *four = mask;
    }
    let (blocks, rest) = bytes.as_chunks_mut::<32>();
    for block in blocks {
        for (byte, key) in block.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    // The block size is a multiple of four, so the rest begins at the mask's first byte again.
    for (byte, key) in rest.iter_mut().zip(wide) {
        *byte ^= key;
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_equal_the_whole() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..=255).cycle().take(300).collect();
        let expected: Vec<u8> = plain.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect();
        for piece in 1..=plain.len() {
            let mut bytes = plain.clone();
            let mut turned = mask;
            for part in bytes.chunks_mut(piece) {
                turned = unmask(part, turned);
            }
            assert_eq!(bytes, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn the_example_of_the_specification() {
        // RFC 6455 §5.7: a masked "Hello".
        let mut bytes = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let turned = unmask(&mut bytes, [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(&bytes, b"Hello");
        assert_eq!(turned, [0xfa, 0x21, 0x3d, 0x37]);
    }
}
