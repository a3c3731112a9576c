//! What goes into a statement and what comes out of one: the four kinds of value that both databases have.

use crate::db::error::DbError;

/// A parameter of a statement, or a cell of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Value {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Integer(_) => "an integer",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row that a query found. Its cells stand in the order in which the statement names them, from zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Vec<Value>);

impl Row {
    pub(crate) fn new(cells: Vec<Value>) -> Self {
        Self(cells)
    }

    /// All of its cells.
    pub(crate) fn cells(&self) -> &[Value] {
        &self.0
    }

    /// The integer in this cell.
    ///
    /// # Errors
    /// There is something else.
    pub fn integer(&self, cell: usize) -> Result<i64, DbError> {
        self.optional_integer(cell)?
            .ok_or_else(|| self.wrong(cell, "an integer"))
    }

    /// The integer in this cell, if it is not null.
    ///
    /// # Errors
    /// There is something else.
    pub fn optional_integer(&self, cell: usize) -> Result<Option<i64>, DbError> {
        match self.0.get(cell) {
            Some(Value::Integer(value)) => Ok(Some(*value)),
            Some(Value::Null) => Ok(None),
            Some(Value::Text(_) | Value::Bytes(_)) | None => Err(self.wrong(cell, "an integer")),
        }
    }

    /// The text in this cell.
    ///
    /// # Errors
    /// There is something else.
    pub fn text(&self, cell: usize) -> Result<&str, DbError> {
        self.optional_text(cell)?
            .ok_or_else(|| self.wrong(cell, "a text"))
    }

    /// The text in this cell, if it is not null.
    ///
    /// # Errors
    /// There is something else.
    pub fn optional_text(&self, cell: usize) -> Result<Option<&str>, DbError> {
        match self.0.get(cell) {
            Some(Value::Text(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            Some(Value::Integer(_) | Value::Bytes(_)) | None => Err(self.wrong(cell, "a text")),
        }
    }

    /// The bytes in this cell.
    ///
    /// # Errors
    /// There is something else.
    pub fn bytes(&self, cell: usize) -> Result<&[u8], DbError> {
        self.optional_bytes(cell)?
            .ok_or_else(|| self.wrong(cell, "bytes"))
    }

    /// The bytes in this cell, if it is not null.
    ///
    /// # Errors
    /// There is something else.
    pub fn optional_bytes(&self, cell: usize) -> Result<Option<&[u8]>, DbError> {
        match self.0.get(cell) {
            Some(Value::Bytes(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            Some(Value::Integer(_) | Value::Text(_)) | None => Err(self.wrong(cell, "bytes")),
        }
    }

    fn wrong(&self, cell: usize, wanted: &str) -> DbError {
        let found = self.0.get(cell).map_or("nothing", Value::kind);
        DbError::Failing(format!("cell {cell} of a row is {found}, not {wanted}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_what_it_is_and_nothing_else() {
        let row = Row::new(vec![7.into(), "seven".into(), (&[7]).into(), Value::Null]);
        assert_eq!(row.integer(0), Ok(7));
        assert_eq!(row.text(1), Ok("seven"));
        assert_eq!(row.bytes(2), Ok(&[7][..]));
        assert_eq!(row.optional_integer(3), Ok(None));
        assert_eq!(row.optional_text(3), Ok(None));
        assert_eq!(row.optional_bytes(3), Ok(None));
        let wrong = row.integer(1).unwrap_err().to_string();
        assert!(wrong.contains("cell 1 of a row is a text, not an integer"));
        let wrong = row.text(3).unwrap_err().to_string();
        assert!(wrong.contains("cell 3 of a row is null, not a text"));
        let wrong = row.bytes(9).unwrap_err().to_string();
        assert!(wrong.contains("cell 9 of a row is nothing, not bytes"));
    }
}
