//! Macros of device managements that nothing was put in for: they arrive as they were written, on every device alike.

/// Whether `text` is such a macro, or holds one: `$NAME` alone; `${NAME}`, `$(NAME)`, `{{NAME}}`, `%NAME%` and `{NAME}` anywhere.
pub(crate) fn is_macro(text: &str) -> bool {
    let text = text.trim();
    let variable = text.strip_prefix('$').is_some_and(is_name);
    variable || PAIRS.iter().any(|[opening, closing]| holds(text, opening, closing))
}

const PAIRS: [[&str; 2]; 5] = [["${", "}"], ["$(", ")"], ["{{", "}}"], ["%", "%"], ["{", "}"]];

/// Whether a name is between `opening` and `closing` somewhere.
fn holds(text: &str, opening: &str, closing: &str) -> bool {
    let begun = text.match_indices(opening).filter_map(|(at, _)| text.get(at + opening.len()..));
    begun.into_iter().any(|rest| rest.find(closing).and_then(|end| rest.get(..end)).is_some_and(is_name_in_brackets))
}

/// As variables of shells are named.
fn is_name(text: &str) -> bool {
    let rest = text.trim_start_matches(|sign: char| sign.is_ascii_alphabetic() || sign == '_');
    rest.len() < text.len() && rest.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

/// In brackets also what has parts, `device.serial` or `user:mail`.
fn is_name_in_brackets(text: &str) -> bool {
    let text = text.trim();
    let begins = text.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_');
    begins && text.chars().all(|sign| sign.is_ascii_alphanumeric() || "_.:- ".contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_of_all_kinds_are_told_from_values() {
        for unfilled in [
            "$USERNAME",
            "$EMAIL",
            " $FLEET_VAR_HOST_END_USER_IDP_USERNAME_LOCAL_PART ",
            "${USER}",
            "$(user)",
            "{{username}}",
            "{{ device.serial }}",
            "%UserName%",
            "{EnrollmentUser}",
            "lap-%SerialNumber%",
            "lap-${serial}",
        ] {
            assert!(is_macro(unfilled), "{unfilled}");
        }
        for value in
            ["", "alice", "$", "$5", "a$b", "100%", "5%-10%", "{}", "{{}}", "x=$y", "alice-smith", "{3fa85f64-5717}"]
        {
            assert!(!is_macro(value), "{value}");
        }
    }
}
