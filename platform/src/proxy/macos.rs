use super::{ProxyAddress, Way, way_by};
use core_foundation::{base::CFType, dictionary::CFDictionary, number::CFNumber, string::CFString};
use hyper_util::client::proxy::matcher::Matcher;
use system_configuration::dynamic_store::SCDynamicStoreBuilder;

pub(super) async fn way_to(host: &str) -> Way {
    match way_by(&Matcher::from_env(), host) {
        Way::Direct => configured().unwrap_or(Way::Direct),
        found @ Way::Proxy(_) => found,
    }
}

/// The secure web proxy of the network settings; `None` where there is none. Its exceptions are not read.
fn configured() -> Option<Way> {
    let settings = SCDynamicStoreBuilder::new("countersign").build()?.get_proxies()?;
    if number(&settings, "HTTPSEnable")? != 1 {
        return None;
    }
    let host = value(&settings, "HTTPSProxy")?.downcast::<CFString>()?.to_string();
    let port = number(&settings, "HTTPSPort").unwrap_or(443);
    Some(Way::Proxy(ProxyAddress { url: format!("http://{host}:{port}"), authorization: None }))
}

fn number(settings: &CFDictionary<CFString, CFType>, key: &'static str) -> Option<i32> {
    value(settings, key)?.downcast::<CFNumber>()?.to_i32()
}

fn value(settings: &CFDictionary<CFString, CFType>, key: &'static str) -> Option<CFType> {
    settings.find(CFString::from_static_string(key)).map(|value| CFType::clone(&value))
}
