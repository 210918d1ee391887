//! Tables for people: columns as wide as what stands in them.

use std::fmt::Write as _;

/// Lays `rows` out under `headings`, two spaces between the columns, each line ended.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |cells: [&str; N]| {
        let mut written = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(written, "{cell:width$}  ");
        }
        text.push_str(written.trim_end());
        text.push('\n');
    };
    line(headings);
    for row in rows {
        line(row.each_ref().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "longer".to_owned()], ["wider cell".to_owned(), String::new()]];
        assert_eq!(table(["One", "Two"], &rows), "One         Two\na           longer\nwider cell\n");
    }
}
