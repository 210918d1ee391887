//! The names of the people who have an account on this machine, for callers that have to hide them.

/// Names of people's accounts, as far as the machine lists them; directories' accounts are not listed.
pub fn people() -> Vec<String> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    parse_passwd(&std::fs::read_to_string("/etc/passwd").unwrap_or_default())
}

/// passwd(5). System accounts are below 1000, and `nobody` is 65534; both are no people.
fn parse_passwd(text: &str) -> Vec<String> {
    let people = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?.parse::<u32>().ok()?);
        (id >= 1000 && id != 65534).then(|| name.to_owned())
    });
    people.collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn people_are_told_from_system_accounts() {
        let text = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nbroken\n";
        assert_eq!(super::parse_passwd(text), ["alice"]);
    }
}
