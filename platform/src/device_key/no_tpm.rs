//! Systems on which no hardware is spoken with yet: the rung is there, and says so.

use super::hardware::HardwareFault;
use std::path::Path;

pub(super) const DEVICE_PATH: &str = "";

/// A key that there can't be.
#[derive(Debug)]
pub(super) enum TpmKey {}

impl TpmKey {
    pub(super) fn create(_path: &Path) -> Result<Self, HardwareFault> {
        Err(HardwareFault::NotSupported)
    }

    pub(super) fn from_der(_path: &Path, _der: &[u8]) -> Option<Self> {
        None
    }

    pub(super) fn to_der(&self) -> Vec<u8> {
        match *self {}
    }

    pub(super) fn point(&self) -> &[u8; 65] {
        match *self {}
    }

    pub(super) fn sign(&self, _octets: &[u8]) -> Result<[u8; 64], HardwareFault> {
        match *self {}
    }
}
