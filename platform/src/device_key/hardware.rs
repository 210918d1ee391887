//! What can be wrong with the hardware that is to hold the key, each with what to do about it.

use crate::sealed::SealError;
use std::{io, path::PathBuf};

/// Why the key hardware did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum HardwareFault {
    /// There is none.
    #[error("this device has no TPM 2.0 (there is no `{path}`)")]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// This build has no rung for the hardware of this system.
    #[error("this build can't keep keys in the hardware of this system")]
    NotSupported,
    /// The agent's account may not use it.
    #[error("the agent's account may not use `{path}`: run the agent as root, or add its account to the group `tss`")]
    Denied {
        /// The device file.
        path: PathBuf,
    },
    /// It did not answer in time.
    #[error("the TPM did not answer within {seconds} s: something else keeps it busy, and the next try may succeed")]
    Busy {
        /// How long it was waited for.
        seconds: u64,
    },
    /// It refuses every authorisation for some time after wrong ones.
    #[error(
        "the TPM is locked after failed authorisations: wait, or have its owner reset it (`tpm2_dictionarylockout --clear-lockout`; on Windows `Unblock-Tpm`)"
    )]
    LockedOut,
    /// Keys can be made with the owner's password only.
    #[error(
        "the TPM's owner hierarchy has a password, so that no key can be made or used without it: have its owner take it off"
    )]
    OwnerPassword,
    /// The firmware or an administrator switched it off.
    #[error("the TPM's owner hierarchy is switched off: switch the TPM on in the firmware's settings")]
    SwitchedOff,
    /// The key was made by another TPM, or this one was cleared since.
    #[error(
        "the device key belongs to another TPM, or this TPM was cleared: the key is lost, and the device has to be enrolled again with a device token"
    )]
    OtherTpm,
    /// It failed its own test.
    #[error("the TPM reports that it has failed: restart the device; if that doesn't help, the TPM is broken")]
    Failed,
    /// It refused a command for a reason that has no case of its own.
    #[error("the TPM refused a command (response code {code:#05x})")]
    Refused {
        /// `TPM_RC` of TPM 2.0 part 2, 6.6.
        code: u32,
    },
    /// Windows reaches no TPM.
    #[error("this device has no TPM 2.0 that Windows keeps keys in ({said})")]
    NoTpm {
        /// Who says so.
        said: String,
    },
    /// Windows lacks who keeps keys.
    #[error("Windows has no `{provider}` ({code:#010x})")]
    NoProvider {
        /// Its name in CNG.
        provider: &'static str,
        /// The status.
        code: u32,
    },
    /// The agent's account may not use the machine's keys.
    #[error(
        "the agent's account may not use the machine's keys of `{provider}` ({code:#010x}): run the agent as a service, which is LocalSystem"
    )]
    ProviderDenied {
        /// Its name in CNG.
        provider: &'static str,
        /// The status.
        code: u32,
    },
    /// It says itself that it may work later.
    #[error("`{provider}` is not ready ({code:#010x}): the next try may succeed")]
    NotReady {
        /// Its name in CNG.
        provider: &'static str,
        /// The status.
        code: u32,
    },
    /// It did not answer in time.
    #[error("`{provider}` did not answer within {seconds} s: the next try may succeed")]
    NoAnswer {
        /// Its name in CNG.
        provider: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// It has no key of that name.
    #[error(
        "`{provider}` does not have the device key any more: it was deleted, the TPM was cleared, or the key's file is another machine's: the key is lost, and the device has to be enrolled again with a device token"
    )]
    KeyGone {
        /// Its name in CNG.
        provider: &'static str,
    },
    /// It has another key under that name.
    #[error(
        "what `{provider}` signed is not the device key's: the key is lost, and the device has to be enrolled again with a device token"
    )]
    OtherKey {
        /// Its name in CNG.
        provider: &'static str,
    },
    /// It makes no key that stays where it is.
    #[error("`{provider}` makes keys here that can be exported")]
    Exportable {
        /// Its name in CNG.
        provider: &'static str,
    },
    /// It refused a call for a reason that has no case of its own.
    #[error("`{call}` of `{provider}` failed ({code:#010x})")]
    Provider {
        /// Its name in CNG.
        provider: &'static str,
        /// The call.
        call: String,
        /// The status (an `HRESULT`).
        code: u32,
    },
    /// What it gave makes no sense.
    #[error("what `{provider}` gave was not understood: {what}")]
    ProviderGarbled {
        /// Its name in CNG.
        provider: &'static str,
        /// What was wrong.
        what: String,
    },
    /// The key in its file is sealed, and not by this installation of the system.
    #[error(
        "the device key in its file can't be unsealed here ({said}): the file is another machine's, or Windows was installed anew: the key is lost, and the device has to be enrolled again with a device token"
    )]
    SealedElsewhere {
        /// What was found.
        said: String,
    },
    /// The key could not be sealed or unsealed for another reason.
    #[error("could not seal or unseal the key in its file: {0}")]
    Seal(SealError),
    /// It could not be spoken with.
    #[error("could not speak with the TPM at `{path}`")]
    Link {
        /// The device file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// What it said makes no sense.
    #[error("the TPM's answer was not understood: {what}")]
    Garbled {
        /// What was wrong.
        what: String,
    },
}

impl From<SealError> for HardwareFault {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Elsewhere { .. } => Self::SealedElsewhere { said: error.to_string() },
            SealError::Unavailable | SealError::Refused { .. } => Self::Seal(error),
        }
    }
}

impl HardwareFault {
    /// Whether the next try may succeed without anybody doing anything.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::LockedOut | Self::Link { .. } | Self::NotReady { .. } | Self::NoAnswer { .. }
        )
    }

    /// Whether the key is gone for good, so that only a new one helps.
    #[must_use]
    pub const fn is_loss_of_the_key(&self) -> bool {
        matches!(self, Self::OtherTpm | Self::KeyGone { .. } | Self::OtherKey { .. } | Self::SealedElsewhere { .. })
    }

    /// Whether there is nothing that could hold a key.
    pub(super) const fn is_absence(&self) -> bool {
        matches!(self, Self::Absent { .. } | Self::NotSupported | Self::NoTpm { .. } | Self::NoProvider { .. })
    }
}
