//! A line in a picture, for the documents: SVG without anything that has to be installed.

use std::fmt::Write as _;

/// What is drawn, and how far its axes go. Both begin at nothing.
#[derive(Debug)]
pub struct Line {
    /// Where it goes through.
    pub points: Vec<(f64, f64)>,
    /// What lies along it, with the unit.
    pub x: String,
    /// The end of that axis.
    pub x_most: f64,
    /// What it shows.
    pub y: &'static str,
    /// The end of that axis.
    pub y_most: f64,
    /// What follows the number there.
    pub y_unit: &'static str,
}

/// A picture of 640 by 240. What lies beyond the end of an axis is drawn at it.
#[must_use]
pub fn plot(line: &Line) -> String {
    let Line { points, x, x_most, y, y_most, y_unit } = line;
    let mut drawn = String::new();
    for (across, up) in points {
        let (across, up) = (60.0 + 560.0 * (across / x_most).min(1.0), 200.0 - 180.0 * (up / y_most).min(1.0));
        // Writing to a text can't fail.
        let _ = write!(drawn, "{across:.0},{up:.0} ");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 240\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"640\" height=\"240\" fill=\"#fff\"/>\n\
         <path d=\"M60 20V200H620\" fill=\"none\" stroke=\"#556272\"/>\n\
         <path d=\"M60 20H620\" fill=\"none\" stroke=\"#b3261e\" stroke-dasharray=\"4 4\"/>\n\
         <text x=\"52\" y=\"24\" text-anchor=\"end\">{y_most}{y_unit}</text><text x=\"52\" y=\"204\" text-anchor=\"end\">0</text>\n\
         <text x=\"620\" y=\"34\" text-anchor=\"end\" fill=\"#b3261e\">{y}</text>\n\
         <text x=\"60\" y=\"222\">0</text><text x=\"620\" y=\"222\" text-anchor=\"end\">{x_most} {x}</text>\n\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#1b5cb8\" stroke-width=\"2\"/>\n</svg>\n",
        drawn.trim_end()
    )
}
