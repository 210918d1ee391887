//! Two words that both sides of an approval show, so that a person sees that they approve what they have begun.

use crate::random;
use crate::store::StoreError;

/// Short words that are told apart on the telephone, too; 64, so that a random octet picks each as often.
const WORDS: [&str; 64] = [
    "amber", "anchor", "apple", "autumn", "basket", "beacon", "bridge", "butter", "candle", "canyon", "carbon",
    "castle", "cherry", "cobalt", "copper", "coral", "cotton", "desert", "dragon", "eagle", "ember", "engine",
    "falcon", "feather", "forest", "garden", "ginger", "glacier", "granite", "harbor", "hazel", "island", "ivory",
    "jasmine", "jungle", "kettle", "ladder", "lantern", "lemon", "maple", "marble", "meadow", "mirror", "needle",
    "nickel", "ocean", "olive", "orange", "paper", "pepper", "planet", "pocket", "prairie", "rabbit", "river",
    "saddle", "silver", "spider", "summer", "tiger", "tunnel", "velvet", "window", "yellow",
];

/// Two words, which may be the same.
///
/// # Errors
/// [`StoreError::Stopping`] where the system has no randomness.
pub(super) fn random() -> Result<String, StoreError> {
    let picked = random::bytes::<2>().map_err(|_| StoreError::Stopping)?;
    let [first, second] = picked.map(|octet| WORDS[usize::from(octet) % WORDS.len()]);
    Ok(format!("{first} {second}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        let mut sorted = WORDS.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), WORDS.len());
        assert_eq!(random().unwrap().split(' ').count(), 2);
    }
}
