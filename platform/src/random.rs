//! The operating system's randomness.

use ring::rand::{SecureRandom, SystemRandom};

/// `N` octets from the operating system's generator, fit for keys and identifiers.
///
/// # Panics
///
/// When the system has no randomness to give, which no supported system does once it has booted: going on with predictable octets would be worse
/// than stopping.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    #[expect(clippy::expect_used, reason = "see Panics: there is no safe way to go on without randomness")]
    SystemRandom::new().fill(&mut octets).expect("the operating system has randomness");
    octets
}

/// The generator itself, for who makes keys of it.
#[must_use]
pub fn generator() -> SystemRandom {
    SystemRandom::new()
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_draws_differ() {
        assert_ne!(super::bytes::<16>(), super::bytes::<16>());
    }
}
