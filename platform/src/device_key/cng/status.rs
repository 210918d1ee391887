//! What went wrong by the status that a call of CNG returned, and which call it was.

use super::super::hardware::HardwareFault;
use super::{Provider, TIME_LIMIT};
use std::fmt;

/// The calls that are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    OpenStorageProvider,
    CreatePersistedKey,
    SetProperty,
    GetProperty,
    FinalizeKey,
    ExportKey,
    OpenKey,
    SignHash,
    DeleteKey,
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NCrypt{self:?}")
    }
}

/// Why a call did not do what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// It returned this status (an `HRESULT`).
    Status(Call, u32),
    /// The provider for the TPM says that no hardware is behind it.
    NoHardware,
    /// The key that it made could be exported.
    Exportable,
}

pub(super) const E_ACCESSDENIED: u32 = 0x8007_0005;
pub(super) const NTE_NO_KEY: u32 = 0x8009_000d;
pub(super) const NTE_BAD_KEY_STATE: u32 = 0x8009_000b;
pub(super) const NTE_PERM: u32 = 0x8009_0010;
pub(super) const NTE_NOT_FOUND: u32 = 0x8009_0011;
pub(super) const NTE_BAD_KEYSET: u32 = 0x8009_0016;
pub(super) const NTE_KEYSET_NOT_DEF: u32 = 0x8009_0019;
pub(super) const NTE_KEYSET_ENTRY_BAD: u32 = 0x8009_001a;
pub(super) const NTE_PROV_TYPE_NOT_DEF: u32 = 0x8009_0017;
pub(super) const NTE_PROVIDER_DLL_FAIL: u32 = 0x8009_001d;
pub(super) const NTE_PROV_DLL_NOT_FOUND: u32 = 0x8009_001e;
pub(super) const NTE_DEVICE_NOT_READY: u32 = 0x8009_0030;
pub(super) const NTE_DEVICE_NOT_FOUND: u32 = 0x8009_0035;
pub(super) const TBS_E_SERVICE_NOT_RUNNING: u32 = 0x8028_4008;
pub(super) const TBS_E_TOO_MANY_TBS_CONTEXTS: u32 = 0x8028_4009;
pub(super) const TBS_E_TOO_MANY_RESOURCES: u32 = 0x8028_400a;
pub(super) const TBS_E_SERVICE_START_PENDING: u32 = 0x8028_400b;
pub(super) const TBS_E_COMMAND_CANCELED: u32 = 0x8028_400d;
pub(super) const TBS_E_TPM_NOT_FOUND: u32 = 0x8028_400f;
pub(super) const TBS_E_SERVICE_DISABLED: u32 = 0x8028_4010;
pub(super) const TBS_E_ACCESS_DENIED: u32 = 0x8028_4012;
pub(super) const TPM_20_E_HIERARCHY: u32 = 0x8028_0085;
pub(super) const TPM_20_E_INTEGRITY: u32 = 0x8028_009f;
pub(super) const TPM_20_E_FAILURE: u32 = 0x8028_0101;
pub(super) const TPM_20_E_DISABLED: u32 = 0x8028_0120;
pub(super) const TPM_20_E_NEEDS_TEST: u32 = 0x8028_0153;
pub(super) const TPM_20_E_YIELDED: u32 = 0x8028_0908;
pub(super) const TPM_20_E_TESTING: u32 = 0x8028_090a;
pub(super) const TPM_20_E_LOCKOUT: u32 = 0x8028_0921;
pub(super) const TPM_20_E_RETRY: u32 = 0x8028_0922;
pub(super) const TPM_E_PCP_DEVICE_NOT_READY: u32 = 0x8029_0401;
pub(super) const TPM_E_PCP_WRONG_PARENT: u32 = 0x8029_040e;
pub(super) const TPM_E_LOCKED_OUT: u32 = 0x8029_041b;
pub(super) const TPM_E_PCP_KEY_HANDLE_INVALIDATED: u32 = 0x8029_0422;

/// What `error` of `provider` means.
pub(super) fn fault(provider: Provider, error: CallError) -> HardwareFault {
    let name = provider.name();
    let (call, code) = match error {
        CallError::Status(call, code) => (call, code),
        CallError::NoHardware => return HardwareFault::NoTpm { said: "its provider names no hardware".to_owned() },
        CallError::Exportable => return HardwareFault::Exportable { provider: name },
    };
    match code {
        NTE_DEVICE_NOT_FOUND | TBS_E_TPM_NOT_FOUND => {
            HardwareFault::NoTpm { said: format!("`{call}` says {code:#010x}") }
        }
        NTE_KEYSET_NOT_DEF | NTE_PROV_TYPE_NOT_DEF | NTE_PROVIDER_DLL_FAIL | NTE_PROV_DLL_NOT_FOUND => {
            HardwareFault::NoProvider { provider: name, code }
        }
        NTE_PERM | E_ACCESSDENIED | TBS_E_ACCESS_DENIED => HardwareFault::ProviderDenied { provider: name, code },
        NTE_DEVICE_NOT_READY
        | TBS_E_SERVICE_NOT_RUNNING
        | TBS_E_SERVICE_START_PENDING
        | TBS_E_TOO_MANY_TBS_CONTEXTS
        | TBS_E_TOO_MANY_RESOURCES
        | TBS_E_COMMAND_CANCELED
        | TPM_20_E_YIELDED
        | TPM_20_E_TESTING
        | TPM_20_E_RETRY
        | TPM_E_PCP_DEVICE_NOT_READY
        | TPM_E_PCP_KEY_HANDLE_INVALIDATED => HardwareFault::NotReady { provider: name, code },
        TPM_20_E_LOCKOUT | TPM_E_LOCKED_OUT => HardwareFault::LockedOut,
        TPM_20_E_HIERARCHY | TPM_20_E_DISABLED | TBS_E_SERVICE_DISABLED => HardwareFault::SwitchedOff,
        TPM_20_E_INTEGRITY | TPM_E_PCP_WRONG_PARENT => HardwareFault::OtherTpm,
        TPM_20_E_FAILURE | TPM_20_E_NEEDS_TEST => HardwareFault::Failed,
        // Where a key is used, its absence is what these say; anywhere else they say something that we did not foresee.
        NTE_BAD_KEYSET | NTE_NO_KEY | NTE_NOT_FOUND if call.is_about_a_key() => {
            HardwareFault::KeyGone { provider: name }
        }
        // What the software provider can't decrypt was encrypted by another Windows.
        NTE_BAD_KEY_STATE | NTE_KEYSET_ENTRY_BAD if call.is_about_a_key() && provider == Provider::Software => {
            HardwareFault::KeyGone { provider: name }
        }
        _ => HardwareFault::Provider { provider: name, call: call.to_string(), code },
    }
}

/// The fault of a provider that has not answered.
pub(super) fn no_answer(provider: Provider) -> HardwareFault {
    HardwareFault::NoAnswer { provider: provider.name(), seconds: TIME_LIMIT.as_secs() }
}

impl Call {
    const fn is_about_a_key(self) -> bool {
        matches!(self, Self::OpenKey | Self::SignHash | Self::DeleteKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(provider: Provider, call: Call, code: u32) -> HardwareFault {
        fault(provider, CallError::Status(call, code))
    }

    #[test]
    fn states_of_a_tpm_are_told_apart() {
        let of = |code| of(Provider::Platform, Call::SignHash, code);
        assert!(matches!(of(TBS_E_TPM_NOT_FOUND), HardwareFault::NoTpm { .. }));
        assert!(matches!(of(NTE_PROVIDER_DLL_FAIL), HardwareFault::NoProvider { .. }));
        assert!(matches!(of(TPM_20_E_LOCKOUT), HardwareFault::LockedOut));
        assert!(matches!(of(TPM_20_E_HIERARCHY), HardwareFault::SwitchedOff));
        assert!(matches!(of(TPM_20_E_FAILURE), HardwareFault::Failed));
        assert!(matches!(of(NTE_PERM), HardwareFault::ProviderDenied { .. }));
        assert!(matches!(of(0x8009_0029), HardwareFault::Provider { code: 0x8009_0029, .. }));
    }

    #[test]
    fn what_passes_is_no_loss_and_what_is_lost_does_not_pass() {
        let passing = [NTE_DEVICE_NOT_READY, TBS_E_SERVICE_NOT_RUNNING, TPM_20_E_RETRY, TPM_20_E_LOCKOUT];
        let lost = [NTE_BAD_KEYSET, NTE_NO_KEY, NTE_NOT_FOUND, TPM_20_E_INTEGRITY, TPM_E_PCP_WRONG_PARENT];
        for provider in [Provider::Platform, Provider::Software] {
            for fault in passing.map(|code| of(provider, Call::OpenKey, code)) {
                assert!(fault.is_passing() && !fault.is_loss_of_the_key(), "{fault}");
            }
            for fault in lost.map(|code| of(provider, Call::OpenKey, code)) {
                assert!(!fault.is_passing() && fault.is_loss_of_the_key(), "{fault}");
            }
        }
    }

    #[test]
    fn no_key_is_given_up_for_a_status_that_is_not_about_it() {
        let others = [
            Call::OpenStorageProvider,
            Call::CreatePersistedKey,
            Call::SetProperty,
            Call::GetProperty,
            Call::ExportKey,
        ];
        for call in others {
            assert!(!of(Provider::Platform, call, NTE_BAD_KEYSET).is_loss_of_the_key());
        }
        assert!(!of(Provider::Platform, Call::OpenKey, NTE_BAD_KEY_STATE).is_loss_of_the_key());
        assert!(of(Provider::Software, Call::OpenKey, NTE_BAD_KEY_STATE).is_loss_of_the_key());
        assert!(!of(Provider::Software, Call::SignHash, 0x8009_0020).is_loss_of_the_key());
    }

    #[test]
    fn a_text_names_the_provider_the_call_and_the_status() {
        let text = of(Provider::Software, Call::FinalizeKey, 0x8009_0029).to_string();
        assert!(text.contains(Provider::Software.name()) && text.contains("NCryptFinalizeKey"), "{text}");
        assert!(text.contains("0x80090029"), "{text}");
    }
}
