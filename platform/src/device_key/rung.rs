//! What holds keys better than a file does: one of these for each rung of the ladder, whichever system's it is.

use super::{KeyProtection, hardware::HardwareFault};
use std::fmt::Debug;

/// Something that holds keys.
pub(super) trait Rung: Debug + Send + Sync {
    /// How well it holds them.
    fn protection(&self) -> KeyProtection;

    /// The PEM label of what it leaves in the key file.
    fn label(&self) -> &'static str;

    /// What a key of this name is deleted by; `None` where the key file is all that there is of a key.
    fn reference(&self, name: &str) -> Option<String>;

    /// Makes a key. Where keys have names it gets this one.
    fn create(&self, name: &str) -> Result<Box<dyn HeldKey>, HardwareFault>;

    /// Reads what [`HeldKey::to_der`] has written, and asks nobody; `None` where it is damaged or another rung's.
    fn read(&self, der: &[u8]) -> Option<Box<dyn HeldKey>>;

    /// Deletes the key with this reference; `None` where the reference is another rung's.
    fn delete(&self, reference: &str) -> Option<Result<(), HardwareFault>>;
}

/// A key that a rung holds.
pub(super) trait HeldKey: Debug + Send + Sync {
    /// How well it is held.
    fn protection(&self) -> KeyProtection;

    /// The PEM label of the key file.
    fn label(&self) -> &'static str;

    /// The public key, uncompressed (SEC 1, 2.3.3).
    fn point(&self) -> &[u8; 65];

    /// What the key file holds, which alone is of no use to anybody.
    fn to_der(&self) -> Vec<u8>;

    /// [`Rung::reference`] of this key.
    fn reference(&self) -> Option<String>;

    /// r ‖ s over the SHA-256 of `octets`, within a time limit.
    fn sign(&self, octets: &[u8]) -> Result<[u8; 64], HardwareFault>;
}
