//! Tab-separated tables of cases in `fixtures/versions/`, for the tests of this room.

/// Returns the rows of a table with `columns` columns; lines that begin with `#` are comments.
pub fn rows(table: &str, columns: usize) -> Vec<Vec<&str>> {
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split('\t').collect()).collect();
    for row in &rows {
        assert_eq!(row.len(), columns, "a row of the table: {row:?}");
    }
    rows
}
