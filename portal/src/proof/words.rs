//! Two words that both sides of an approval show, so that a person sees that they approve what they have begun.

use ring::digest::{SHA256, digest};

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
    Ok(pair(random::bytes::<2>().map_err(|_| StoreError::Stopping)?))
}

fn pair(octets: [u8; 2]) -> String {
    let [first, second] = octets.map(|octet| WORDS[usize::from(octet) % WORDS.len()]);
    format!("{first} {second}")
}

/// The question's words between two others. The same each time for the same question: what changed from one look to the next would be the others.
pub(super) fn choices(question: &str, words: &str) -> [String; 3] {
    let octets = |round: u8| digest(&SHA256, format!("{round} {question}").as_bytes()).as_ref().to_vec();
    let drawn: Vec<u8> = (0..u8::MAX).flat_map(octets).collect();
    let (pairs, _) = drawn.as_chunks::<2>();
    let mut others = pairs.iter().map(|octets| pair(*octets));
    let first = others.find(|other| other != words).unwrap_or_default();
    let second = others.find(|other| other != words && *other != first).unwrap_or_default();
    let right = words.to_owned();
    match octets(u8::MAX).first().copied().unwrap_or_default() % 3 {
        0 => [right, first, second],
        1 => [first, right, second],
        _ => [first, second, right],
    }
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

    #[test]
    fn the_others_stay_the_same_and_differ() {
        let mut places = [0; 3];
        for question in 0..300 {
            let (question, words) = (question.to_string(), random().unwrap());
            let choices = choices(&question, &words);
            assert_eq!(choices, super::choices(&question, &words));
            let mut sorted = choices.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), 3, "{choices:?}");
            places[choices.iter().position(|choice| *choice == words).unwrap()] += 1;
        }
        assert!(places.iter().all(|count| *count > 50), "{places:?}");
    }
}
