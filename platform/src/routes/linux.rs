use super::DefaultRoutes;

/// `RTF_UP` of route(8).
const UP: u32 = 1;

pub(super) fn default_routes() -> Result<DefaultRoutes, &'static str> {
    let v4 = std::fs::read_to_string("/proc/net/route").map_err(|_| "`/proc/net/route` can't be read")?;
    // A kernel without IPv6 has no such file.
    let v6 = std::fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    Ok(DefaultRoutes { v4: v4.lines().skip(1).any(is_default_v4), v6: v6.lines().any(is_default_v6) })
}

/// Columns of proc_net(5): interface, destination, gateway, flags, …, mask.
fn is_default_v4(line: &str) -> bool {
    let columns: Vec<_> = line.split_whitespace().collect();
    let up = columns.get(3).and_then(|flags| u32::from_str_radix(flags, 16).ok()).is_some_and(|flags| flags & UP != 0);
    up && columns.get(1) == Some(&"00000000") && columns.get(7) == Some(&"00000000")
}

/// Columns: destination, its prefix length, source, its prefix length, next hop, metric, references, use, flags, device.
fn is_default_v6(line: &str) -> bool {
    let columns: Vec<_> = line.split_whitespace().collect();
    let zeros = |text: &&str| text.bytes().all(|byte| byte == b'0');
    columns.first().is_some_and(zeros) && columns.get(1) == Some(&"00") && columns.get(9).is_some_and(|&on| on != "lo")
}

pub(super) fn search_domains() -> Vec<String> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    parse_search_domains(&text)
}

fn parse_search_domains(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("search").or_else(|| line.strip_prefix("domain")));
    lines.flat_map(str::split_whitespace).filter(|domain| *domain != ".").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_route_is_told_from_others() {
        assert!(is_default_v4("eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0"));
        assert!(!is_default_v4("eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0"));
        assert!(!is_default_v4("eth0\t00000000\t0101A8C0\t0002\t0\t0\t100\t00000000\t0\t0\t0"), "it is down");
        let zeros = "0".repeat(32);
        let hop = "fe80000000000000000000000000000a";
        assert!(is_default_v6(&format!("{zeros} 00 {zeros} 00 {hop} 00000400 00000001 00000000 00000003 eth0")));
        assert!(!is_default_v6(&format!("{zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200 lo")));
    }

    #[test]
    fn search_domains_are_read() {
        let text = "# made by hand\nsearch corp.example lab.example\nnameserver 192.0.2.1\ndomain old.example\n";
        assert_eq!(parse_search_domains(text), ["corp.example", "lab.example", "old.example"]);
    }
}
