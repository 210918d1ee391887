use super::{Way, way_by};
use hyper_util::client::proxy::matcher::Matcher;

pub(super) async fn way_to(host: &str) -> Way {
    way_by(&Matcher::from_env(), host)
}
