//! Charts: SVG made here, coloured by the style sheet, with a table beside it.

use std::fmt::Write as _;

use crate::admin::overview::Hour;

/// Bars for each hour: refused sign-ons upon those that were granted. The labels are around it, in the page.
pub(super) fn hours(hours: &[Hour]) -> String {
    let most = hours.iter().map(|hour| hour.signed_on + hour.refused).max().unwrap_or(0).max(1);
    let width = hours.len() * 10;
    let mut svg = format!(
        "<svg class=\"bars\" viewBox=\"0 0 {width} 100\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"Sign-ons by the hour; the table below holds the numbers\">"
    );
    for (place, hour) in hours.iter().enumerate() {
        let height = |times: i64| if times == 0 { 0 } else { (times * 98 / most).max(1) };
        let (signed_on, refused) = (height(hour.signed_on), height(hour.refused));
        let left = place * 10 + 1;
        for (class, top, height) in
            [("ok", 100 - signed_on, signed_on), ("refused", 100 - signed_on - refused, refused)]
        {
            if height > 0 {
                let _ =
                    write!(svg, "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"8\" height=\"{height}\"/>");
            }
        }
    }
    svg.push_str("</svg>");
    svg
}

/// One line of a list of shares: a bar as long as its part of the largest.
pub(crate) struct Share {
    pub(crate) label: String,
    pub(crate) hint: &'static str,
    pub(crate) href: String,
    pub(crate) number: i64,
    pub(crate) percent: i64,
}

/// Shares of `counts`, each leading to `href` of its name.
pub(super) fn shares(counts: &[(String, i64)], href: impl Fn(&str) -> String) -> Vec<Share> {
    let most = counts.iter().map(|(_, number)| *number).max().unwrap_or(0).max(1);
    let share = |(label, number): &(String, i64)| Share {
        label: if label.is_empty() { "not known".to_owned() } else { label.clone() },
        hint: label.parse::<saml::refusal::RefusalCode>().map_or("", saml::refusal::RefusalCode::next_action),
        href: href(label),
        number: *number,
        percent: (number * 100 / most).max(1),
    };
    counts.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use saml::time::UtcTime;

    #[test]
    fn bars_stay_in_the_picture_and_an_empty_hour_has_none() {
        let hour = |signed_on, refused| Hour { begins: UtcTime::from_unix_seconds(0), signed_on, refused };
        let svg = hours(&[hour(0, 0), hour(1000, 0), hour(1, 1)]);
        assert_eq!(svg.matches("<rect").count(), 3);
        assert!(!svg.contains("y=\"-"), "{svg}");
    }
}
