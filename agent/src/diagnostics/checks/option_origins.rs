//! `option-origins`: where the options come from.

use std::sync::Arc;

use super::on_disk;
use crate::diagnostics::seen::Local;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use installer_options::Layer;

pub(super) struct OptionOrigins;

impl Check for OptionOrigins {
    fn id(&self) -> &'static str {
        "option-origins"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_disk(seen, look)
    }
}

fn look(seen: &Seen, local: &Local) -> Finding {
    let _ = seen;
    let Ok(options) = &local.options else {
        return Finding::skip("the options can't be read, or contradict each other");
    };
    let mut set = Vec::new();
    for (option, value, origin) in options.effective() {
        let spec = option.spec();
        let is_set = value.is_some() && origin.layer != Layer::Default;
        if spec.stored && is_set {
            set.push(format!("{} ({})", spec.canonical, origin.layer));
        }
    }
    match set.is_empty() {
        true => Finding::skip("no option is set"),
        false => Finding::pass(set.join(", ")),
    }
}
