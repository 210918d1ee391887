//! Whether a way of signing in is one that a service has asked for (Core §3.3.2.2.1). Pure: what the portal's own classes are, says its caller.

use std::cmp::Ordering;

use saml::request::{Comparison, RequestedAuthnContext};

/// Nothing is said about how: whatever was done is that.
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified";
const GENERIC: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:";
/// Classes of SAML's own for passwords, the weakest first (AuthnContext §3.4).
const PASSWORDS: [&str; 4] = ["InternetProtocol", "Password", "InternetProtocolPassword", "PasswordProtectedTransport"];

/// Whether `actual` is what `requested` asks for. `ladder` are the portal's own classes, the weakest first.
///
/// Strength is the responder's to judge: each of `ladder` is stronger than those before it; its last is worth a password over TLS, since the
/// directory itself has seen the person sign in, and the others are weaker than that. Any other class can't be compared: it is met by itself alone.
#[must_use]
pub fn is_met(ladder: &[&str], requested: &RequestedAuthnContext, actual: &str) -> bool {
    let classes = || requested.class_refs.iter().map(String::as_str);
    let is = |wanted: &str, orderings: &[Ordering]| {
        wanted == UNSPECIFIED || compare(ladder, actual, wanted).is_some_and(|found| orderings.contains(&found))
    };
    match requested.comparison {
        Comparison::Exact => classes().any(|wanted| wanted == UNSPECIFIED || wanted == actual),
        Comparison::Minimum => classes().any(|wanted| is(wanted, &[Ordering::Equal, Ordering::Greater])),
        Comparison::Maximum => classes().any(|wanted| is(wanted, &[Ordering::Equal, Ordering::Less])),
        Comparison::Better => {
            !requested.class_refs.is_empty() && classes().all(|wanted| is(wanted, &[Ordering::Greater]))
        }
    }
}

/// How strong `actual` is beside `wanted`, where that can be said.
fn compare(ladder: &[&str], actual: &str, wanted: &str) -> Option<Ordering> {
    if actual == wanted {
        return Some(Ordering::Equal);
    }
    let own = |class: &str| ladder.iter().position(|known| *known == class);
    match ((own(actual), password(actual)), (own(wanted), password(wanted))) {
        ((Some(actual), _), (Some(wanted), _)) => Some(actual.cmp(&wanted)),
        ((_, Some(actual)), (_, Some(wanted))) => Some(actual.cmp(&wanted)),
        ((Some(actual), _), (_, Some(wanted))) if actual + 1 == ladder.len() => {
            Some((PASSWORDS.len() - 1).cmp(&wanted))
        }
        ((Some(_), _), (_, Some(_))) => Some(Ordering::Less),
        _ => None,
    }
}

fn password(class: &str) -> Option<usize> {
    let local = class.strip_prefix(GENERIC)?;
    PASSWORDS.iter().position(|known| *known == local)
}

/// The class that a service is told: the actual one, where it asks for nothing or for that; else the first of `allowed`, which the tenant has said may
/// be told to it, that is what it asks for. None: what it asks for is not here.
#[must_use]
pub fn told<'c>(
    ladder: &[&str],
    requested: Option<&RequestedAuthnContext>,
    (actual, allowed): (&'c str, &'c [String]),
) -> Option<&'c str> {
    let Some(requested) = requested else { return Some(actual) };
    let allowed = allowed.iter().map(String::as_str);
    std::iter::once(actual).chain(allowed).find(|class| is_met(ladder, requested, class))
}

/// The same for what was asked of this portal: a request that names none of its classes is told the actual one. Most libraries ask for a password unless they
/// are told otherwise and do not look at what they get; one that does look finds no class that it has asked for.
#[must_use]
pub fn told_by_us<'c>(
    ladder: &[&str],
    requested: Option<&RequestedAuthnContext>,
    (actual, allowed): (&'c str, &'c [String]),
) -> Option<&'c str> {
    let knows_ours = requested.is_none_or(|requested| {
        requested.class_refs.is_empty() || requested.class_refs.iter().any(|class| ladder.contains(&class.as_str()))
    });
    told(ladder, requested, (actual, allowed)).or((!knows_ours).then_some(actual))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: [&str; 3] = ["urn:own:low", "urn:own:middle", "urn:own:high"];
    const PPT: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
    const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";
    const X509: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509";

    fn requested(comparison: Comparison, classes: &[&str]) -> RequestedAuthnContext {
        let class_refs = classes.iter().map(|class| (*class).to_owned()).collect();
        RequestedAuthnContext { comparison, class_refs, decl_refs: Vec::new() }
    }

    /// Which of our own classes meet it, as digits.
    fn met(comparison: Comparison, classes: &[&str]) -> String {
        let requested = requested(comparison, classes);
        (0..LADDER.len()).filter(|at| is_met(&LADDER, &requested, LADDER[*at])).map(|at| at.to_string()).collect()
    }

    #[test]
    fn our_own_classes_are_compared_by_their_order() {
        let [low, middle, high] = LADDER;
        for (comparison, classes, meeting) in [
            (Comparison::Exact, &[middle][..], "1"),
            (Comparison::Exact, &[low, high], "02"),
            (Comparison::Minimum, &[middle], "12"),
            (Comparison::Minimum, &[high, middle], "12"),
            (Comparison::Maximum, &[middle], "01"),
            (Comparison::Maximum, &[low, middle], "01"),
            (Comparison::Better, &[middle], "2"),
            (Comparison::Better, &[low, middle], "2"),
            (Comparison::Better, &[high], ""),
        ] {
            assert_eq!(met(comparison, classes), meeting, "{comparison:?} {classes:?}");
        }
    }

    #[test]
    fn generic_classes_are_met_where_that_is_true() {
        for (comparison, classes, meeting) in [
            (Comparison::Exact, &[UNSPECIFIED][..], "012"),
            (Comparison::Exact, &[PPT, UNSPECIFIED], "012"),
            (Comparison::Exact, &[PPT], ""),
            (Comparison::Exact, &[PPT, LADDER[1]], "1"),
            (Comparison::Minimum, &[PPT], "2"),
            (Comparison::Minimum, &[PASSWORD], "2"),
            (Comparison::Minimum, &[X509], ""),
            (Comparison::Minimum, &[X509, LADDER[0]], "012"),
            (Comparison::Maximum, &[PPT], "012"),
            (Comparison::Maximum, &[PASSWORD], "01"),
            (Comparison::Better, &[PPT], ""),
            (Comparison::Better, &[PASSWORD], "2"),
            (Comparison::Better, &[UNSPECIFIED], "012"),
            (Comparison::Better, &[UNSPECIFIED, X509], ""),
            (Comparison::Better, &[], ""),
            (Comparison::Exact, &[], ""),
        ] {
            assert_eq!(met(comparison, classes), meeting, "{comparison:?} {classes:?}");
        }
    }

    #[test]
    fn what_another_identity_provider_says_is_met_by_itself_or_among_passwords() {
        let is = |comparison, wanted, actual| is_met(&LADDER, &requested(comparison, &[wanted]), actual);
        assert!(is(Comparison::Exact, X509, X509) && is(Comparison::Minimum, X509, X509));
        assert!(is(Comparison::Minimum, PASSWORD, PPT) && !is(Comparison::Minimum, PPT, PASSWORD));
        assert!(!is(Comparison::Minimum, LADDER[0], PPT), "it is not known how that person was recognised");
    }

    #[test]
    fn a_request_that_knows_none_of_our_classes_is_told_the_actual_one() {
        let told = |requested: &RequestedAuthnContext| told_by_us(&LADDER, Some(requested), (LADDER[0], &[]));
        assert_eq!(told(&requested(Comparison::Exact, &[PPT])), Some(LADDER[0]));
        assert_eq!(told(&requested(Comparison::Minimum, &[X509])), Some(LADDER[0]));
        assert_eq!(told(&requested(Comparison::Exact, &[LADDER[1]])), None);
        assert_eq!(told(&requested(Comparison::Minimum, &[LADDER[2], PPT])), None);
        assert_eq!(told(&requested(Comparison::Exact, &[])), None, "declarations, which nobody has here");
    }

    #[test]
    fn a_class_that_the_tenant_allows_is_told_only_where_it_is_asked_for() {
        let allowed = [PPT.to_owned()];
        let exactly = requested(Comparison::Exact, &[PPT]);
        assert_eq!(told(&LADDER, None, (LADDER[0], &allowed)), Some(LADDER[0]));
        assert_eq!(told(&LADDER, Some(&exactly), (LADDER[0], &allowed)), Some(PPT));
        assert_eq!(told(&LADDER, Some(&exactly), (LADDER[0], &[])), None);
        let either = requested(Comparison::Exact, &[PPT, LADDER[0]]);
        assert_eq!(told(&LADDER, Some(&either), (LADDER[0], &allowed)), Some(LADDER[0]), "what is true comes first");
    }
}
