//! Lists in portions: what a query is made of, and the place where the next portion begins.
//!
//! A portion is found by its place in an index and never by counting from the beginning, so the last page of a million rows
//! costs what the first one does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::{StoreError, doing};

/// A portion of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next portion begins; none: this was the last.
    pub next: Option<Cursor>,
}

/// The place of a row in a list: what the list is sorted by, and the row's key. Opaque to clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cursor {
    /// The number that the list is sorted by, where it is one.
    pub number: i64,
    /// The text that the list is sorted by, where it is one.
    pub text: String,
    /// The row's key.
    pub id: String,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plain = serde_json::json!([self.number, self.text, self.id]).to_string();
        formatter.write_str(&URL_SAFE_NO_PAD.encode(plain))
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let plain = URL_SAFE_NO_PAD.decode(text).map_err(|_| ())?;
        let (number, text, id) = serde_json::from_slice(&plain).map_err(|_| ())?;
        Ok(Self { number, text, id })
    }
}

/// A value that a query is given.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    Text(String),
    Number(i64),
}

impl From<&str> for Bound {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Bound {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Bound {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A query that grows by conditions. Its text is made of constants of this program; values are always bound.
pub(super) struct Select {
    sql: String,
    bound: Vec<Bound>,
}

impl Select {
    pub(super) fn new(start: &'static str) -> Self {
        Self { sql: start.to_owned(), bound: Vec::new() }
    }

    /// Adds `part`, whose `?` stand for `values` in their order.
    pub(super) fn add<const N: usize>(&mut self, part: &'static str, values: [Bound; N]) {
        let mut values = values.into_iter();
        for (place, piece) in part.split('?').enumerate() {
            if place > 0 {
                self.bound.extend(values.next());
                self.sql.push_str(&format!("${}", self.bound.len()));
            }
            self.sql.push_str(piece);
        }
    }

    /// Adds the condition that the text column `column` begins with `prefix`, so that an index on it can be used.
    pub(super) fn begins_with(&mut self, column: &'static str, prefix: &str) {
        let mut after: Vec<char> = prefix.chars().collect();
        let Some(next) = after.pop().and_then(|last| char::from_u32(last as u32 + 1)) else { return };
        after.push(next);
        let after: String = after.into_iter().collect();
        let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
        for (part, value) in [(" >= ?", Bound::from(prefix)), (" < ?", Bound::from(after))] {
            self.sql.push_str(" AND ");
            self.sql.push_str(column);
            self.add(part, [value]);
        }
        // An order of letters other than by their code may let neighbours in.
        self.sql.push_str(" AND substr(");
        self.sql.push_str(column);
        self.add(", 1, CAST(? AS INTEGER)) = ?", [Bound::Number(length), Bound::from(prefix)]);
    }

    /// Adds `part`, which ends with an open parenthesis, then `values` and its end; with no values nothing fits.
    pub(super) fn one_of(&mut self, part: &'static str, values: &[String]) {
        self.sql.push_str(part);
        if values.is_empty() {
            self.sql.push_str("NULL");
        }
        for (place, value) in values.iter().enumerate() {
            self.add(if place == 0 { "?" } else { ", ?" }, [value.as_str().into()]);
        }
        self.sql.push(')');
    }

    pub(super) async fn rows(self, connection: &mut AnyConnection) -> Result<Vec<AnyRow>, StoreError> {
        let mut query = sqlx::query(AssertSqlSafe(self.sql));
        for value in self.bound {
            query = match value {
                Bound::Text(text) => query.bind(text),
                Bound::Number(number) => query.bind(number),
            };
        }
        query.fetch_all(connection).await.map_err(doing("read the list"))
    }

    /// Reads `limit` rows; `place` tells a row's place in the list.
    pub(super) async fn page<T>(
        mut self,
        connection: &mut AnyConnection,
        limit: u16,
        read: impl Fn(&AnyRow) -> Result<T, StoreError>,
        place: impl Fn(&T) -> Cursor,
    ) -> Result<Page<T>, StoreError> {
        self.add(" LIMIT ?", [Bound::Number(i64::from(limit) + 1)]);
        let rows = self.rows(connection).await?;
        let mut rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        let next = if more { rows.last().map(place) } else { None };
        Ok(Page { rows, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_anything_else_is_refused() {
        let cursor = Cursor { number: -5, text: "a\u{e9}".to_owned(), id: "urn:x".to_owned() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!("".parse::<Cursor>(), Err(()));
        assert_eq!("W10".parse::<Cursor>(), Err(()));
    }

    #[test]
    fn values_are_numbered_in_their_order() {
        let mut select = Select::new("SELECT * FROM t WHERE 1 = 1");
        select.add(" AND (a, b) < (?, ?)", [1.into(), "x".into()]);
        select.begins_with("c", "lap");
        assert_eq!(
            select.sql,
            "SELECT * FROM t WHERE 1 = 1 AND (a, b) < ($1, $2) AND c >= $3 AND c < $4 AND substr(c, 1, CAST($5 AS INTEGER)) = $6"
        );
        assert!(matches!(&select.bound[3], Bound::Text(text) if text == "laq"));
    }
}
