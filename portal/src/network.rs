//! Networks, and where a request really comes from.

use std::net::IpAddr;

use ipnet::IpNet;

/// A network as people write it: `192.0.2.0/24`, `2001:db8::/32`, or one address.
///
/// # Errors
/// What it should have been.
pub fn parse(given: &str) -> Result<IpNet, String> {
    let given = given.trim();
    let one = |address: IpAddr| IpNet::from(address);
    let network = given.parse::<IpNet>().ok().or_else(|| given.parse().ok().map(one));
    network.map(|network| network.trunc()).ok_or_else(|| "write a network as `192.0.2.0/24` or one address".to_owned())
}

/// Whether one of `networks` holds `address`; an unknown address is in none.
#[must_use]
pub fn holds(networks: &[IpNet], address: Option<IpAddr>) -> bool {
    address.is_some_and(|address| networks.iter().any(|network| network.contains(&address.to_canonical())))
}

/// The address of the client behind `peer`.
///
/// `forwarded` are the values of `X-Forwarded-For` in their order. They are read from their end, and only as long as who
/// wrote them is trusted: what a client writes itself is never believed.
#[must_use]
pub fn client(peer: IpAddr, forwarded: &[&str], trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    let hops = forwarded.iter().flat_map(|value| value.split(',')).collect::<Vec<_>>();
    for hop in hops.iter().rev() {
        if !holds(trusted, Some(client)) {
            break;
        }
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| parse(text).unwrap()).collect()
    }

    #[test]
    fn a_network_is_a_block_or_one_address() {
        assert_eq!(parse("192.0.2.77/24").unwrap().to_string(), "192.0.2.0/24");
        assert_eq!(parse("2001:db8::1").unwrap().to_string(), "2001:db8::1/128");
        assert!(parse("192.0.2.0/33").is_err() && parse("corp").is_err());
        assert!(holds(&networks(&["192.0.2.0/24"]), Some("::ffff:192.0.2.9".parse().unwrap())));
        assert!(!holds(&networks(&["192.0.2.0/24"]), None));
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let trusted = networks(&["10.0.0.0/8"]);
        let from = |peer: &str, forwarded: &[&str]| client(peer.parse().unwrap(), forwarded, &trusted).to_string();
        assert_eq!(from("203.0.113.5", &["198.51.100.1"]), "203.0.113.5", "a client can't choose its address");
        assert_eq!(from("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            from("10.0.0.1", &["6.6.6.6, 198.51.100.1"]),
            "198.51.100.1",
            "what the client wrote before is not read"
        );
        assert_eq!(from("10.0.0.1", &["6.6.6.6", "198.51.100.1, 10.0.0.2"]), "198.51.100.1", "two proxies of ours");
        assert_eq!(from("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
    }
}
