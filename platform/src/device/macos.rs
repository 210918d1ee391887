use super::{Fact, FactValue, NAMES};

const REASON: &str = "not read by this build on macOS";

pub(super) fn facts() -> Vec<Fact> {
    NAMES
        .iter()
        .map(|(name, sensitivity)| {
            let (source, value) = match *name {
                "hostname" => {
                    ("uname", whoami::hostname().map_or(FactValue::Unknown("the kernel has no host name"), one))
                }
                "os.name" => ("build", one("macOS")),
                "architecture" => ("build", one(std::env::consts::ARCH)),
                "kernel" => ("uname", one(rustix::system::uname().release().to_string_lossy())),
                "machine-id.hash" => {
                    ("gethostuuid", super::machine_hash().map_or(FactValue::Unknown("gethostuuid gave nothing"), one))
                }
                _ => ("build", FactValue::Unknown(REASON)),
            };
            Fact { name, value, source, sensitivity: *sensitivity }
        })
        .collect()
}

fn one(text: impl Into<String>) -> FactValue {
    FactValue::Known(vec![text.into()])
}

pub(super) fn ingredients() -> Vec<(char, String)> {
    Vec::new()
}

/// The hardware's UUID, which macOS gives as the id of the installation.
#[expect(unsafe_code, reason = "no library wraps this call")]
pub(super) fn machine_id() -> Option<String> {
    let (mut id, patience) = ([0_u8; 16], libc::timespec { tv_sec: 1, tv_nsec: 0 });
    // SAFETY: the call writes 16 octets, which is what `id` has, and reads the time limit.
    let status = unsafe { libc::gethostuuid(id.as_mut_ptr(), &raw const patience) };
    (status == 0).then(|| data_encoding::HEXLOWER.encode(&id)).filter(|id| !super::is_junk(id))
}
