//! `ca-file`: whether the extra certificate authorities can be used.

use std::sync::Arc;

use super::on_disk;
use crate::certificate::Certificate;
use crate::diagnostics::seen::Local;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

pub(super) struct CaFile;

impl Check for CaFile {
    fn id(&self) -> &'static str {
        "ca-file"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_disk(seen, look)
    }
}

fn look(seen: &Seen, local: &Local) -> Finding {
    let _ = seen;
    let Ok(config) = &local.config else { return Finding::skip("there is no configuration") };
    let Some(pem) = &config.ca_pem else {
        return Finding::skip("`caFile` is not set: the system's trust store alone counts");
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    let read: Vec<_> = certificates.iter().filter_map(|der| Certificate::read(der)).collect();
    let now = platform::clock::unix_millis() / 1000;
    match read.as_slice() {
        [] => {
            Finding::coded(Code::Failure(FailureCode::OptionsInvalid), "`caFile` holds no certificate that can be read")
        }
        [only] if only.not_after < now => Finding::fail(
            format!("the certificate of {} has expired", only.subject),
            "put the CA's current certificate into `caFile`",
        ),
        all => Finding::pass(format!(
            "{}: {}",
            all.len(),
            all.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>().join("; ")
        )),
    }
}
