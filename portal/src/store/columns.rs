//! Reading a row column by column, with errors that name the table and the column.

use std::str::FromStr;

use saml::time::UtcTime;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::StoreError;

/// The columns of one row of `table`.
pub(super) struct Columns<'r> {
    pub(super) table: &'static str,
    pub(super) row: &'r AnyRow,
}

impl Columns<'_> {
    pub(super) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.row.try_get(column).map_err(|_| self.unreadable(column))
    }

    pub(super) fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.row.try_get(column).map_err(|_| self.unreadable(column))
    }

    pub(super) fn parsed<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| self.unreadable(column))
    }

    pub(super) fn optional_parsed<T: FromStr>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        self.optional_text(column)?.map(|text| text.parse().map_err(|_| self.unreadable(column))).transpose()
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| self.unreadable(column))
    }

    pub(super) fn integer(&self, column: &'static str) -> Result<i64, StoreError> {
        self.row.try_get(column).map_err(|_| self.unreadable(column))
    }

    pub(super) fn optional_integer(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.row.try_get(column).map_err(|_| self.unreadable(column))
    }

    pub(super) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        match self.integer(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.unreadable(column)),
        }
    }

    pub(super) fn time(&self, column: &'static str) -> Result<UtcTime, StoreError> {
        self.integer(column).map(UtcTime::from_unix_millis)
    }

    pub(super) fn optional_time(&self, column: &'static str) -> Result<Option<UtcTime>, StoreError> {
        Ok(self.optional_integer(column)?.map(UtcTime::from_unix_millis))
    }

    /// Bytes that are stored as base64.
    pub(super) fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(self.text(column)?).map_err(|_| self.unreadable(column))
    }

    /// Bytes that are stored as base64, where there are any.
    pub(super) fn optional_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        if self.optional_text(column)?.is_none() { Ok(None) } else { self.bytes(column).map(Some) }
    }

    fn unreadable(&self, column: &'static str) -> StoreError {
        StoreError::Unreadable { table: self.table, column }
    }
}

/// Bytes as they are stored.
pub(super) fn base64_text(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A list or map as it is stored.
pub(super) fn json_text(value: &impl serde::Serialize) -> String {
    // Maps with text keys and plain values always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}
