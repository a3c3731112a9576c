//! A database that moves from a file to a server: all of it, as it is, or nothing.

use super::open;
use crate::harness::postgres::{PASSWORD, Postgres, sql_at};
use holdfast_call::Secret;
use holdfast_store::db::{Copied, CopyError, Database, DbError, Place, Row, Server, TABLES, copy};
use std::path::PathBuf;
use tempfile::TempDir;

/// How many rows each table is given.
const ROWS: i64 = 3;

/// What a column is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Column {
    name: String,
    may_be_null: bool,
}

/// A database in a file, which nobody has open.
struct File {
    folder: TempDir,
}

impl File {
    async fn new() -> Self {
        let file = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        file.open().await.close().await;
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data").join("holdfast.db")
    }

    async fn open(&self) -> Database {
        Database::open(Place::File(self.path())).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        let database = self.open().await;
        run(&database, sql).await;
        database.close().await;
    }

    /// With rows in every table, of all that a value can be.
    async fn filled() -> Self {
        let file = Self::new().await;
        let database = file.open().await;
        for table in TABLES {
            for number in 0..ROWS {
                run(&database, &insert(&database, table.name, number).await).await;
            }
        }
        database.close().await;
        file
    }

    async fn copy(&self, url: &str) -> Result<Copied, CopyError> {
        let password = Secret::new(PASSWORD).unwrap();
        let server = Server::parse(url).unwrap().with_password(password);
        copy(&self.path(), &server, &mut |_| {}).await
    }
}

async fn run(database: &Database, sql: &str) {
    let done = database.run(sql.to_owned(), |sql, tx| {
        Box::pin(async move { tx.execute(sql, &[]).await })
    });
    done.await.unwrap_or_else(|why| panic!("{sql}: {why}"));
}

async fn rows(database: &Database, sql: &str) -> Vec<Row> {
    let read = database.read(sql.to_owned(), |sql, tx| {
        Box::pin(async move { tx.query(sql, &[]).await })
    });
    read.await.unwrap_or_else(|why| panic!("{sql}: {why}"))
}

async fn texts(database: &Database, sql: &str) -> Vec<String> {
    let rows = rows(database, sql).await;
    let texts = rows.iter().map(|row| row.text(0).unwrap().to_owned());
    texts.collect()
}

/// A statement for the file that puts a row into a table. Each number makes another one; every other one has nothing where that is allowed.
async fn insert(database: &Database, table: &str, number: i64) -> String {
    let about = format!("SELECT name, type, \"notnull\" + pk FROM pragma_table_info('{table}')");
    let columns = rows(database, &about).await;
    let value = |row: &Row| {
        let (name, is) = (row.text(0).unwrap(), row.text(1).unwrap());
        match (name, is, row.integer(2).unwrap()) {
            (_, _, 0) if number % 2 == 1 => "NULL".to_owned(),
            ("kind", _, _) => "'overrun'".to_owned(),
            // Sums of these are no 64 bits.
            ("amount" | "settled", _, _) => (i64::MAX - number).to_string(),
            ("began_ms" | "hour_ms" | "start_ms", _, _) => format!("{}", i64::MIN + 1 + number),
            (_, "INTEGER", _) => number.to_string(),
            (_, "TEXT", _) => format!("'{number} \"quoted\"\t\u{1f980} ü'"),
            (_, "BLOB", _) => format!("x'00ff0a5c{number:02x}'"),
            other => panic!("{other:?}"),
        }
    };
    let values: Vec<_> = columns.iter().map(value).collect();
    format!("INSERT INTO {table} VALUES ({})", values.join(", "))
}

/// What is in a table, in one order for both.
async fn content(database: &Database, table: &str, columns: &[Column]) -> Vec<String> {
    let names: Vec<_> = columns
        .iter()
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    let rows = rows(
        database,
        &format!("SELECT {} FROM {table}", names.join(", ")),
    )
    .await;
    let mut rows: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

async fn columns(database: &Database, sql: &str) -> Vec<Column> {
    let rows = rows(database, sql).await;
    let column = |row: &Row| Column {
        name: row.text(0).unwrap().to_owned(),
        may_be_null: row.integer(1).unwrap() != 0,
    };
    let mut columns: Vec<_> = rows.iter().map(column).collect();
    columns.sort();
    columns
}

async fn columns_of_file(database: &Database, table: &str) -> Vec<Column> {
    let sql = format!("SELECT name, \"notnull\" + pk = 0 FROM pragma_table_info('{table}')");
    columns(database, &sql).await
}

/// How many rows there are in all of the tables of the server; none if it has no tables.
fn on_server(url: &str) -> Option<u64> {
    let has = sql_at(
        url,
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
    );
    if has == "0" {
        return None;
    }
    let counts = TABLES
        .iter()
        .map(|table| format!("(SELECT count(*) FROM {})", table.name));
    let sum = format!("SELECT {}", counts.collect::<Vec<_>>().join(" + "));
    Some(sql_at(url, &sum).parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_of_every_table_of_both_and_nothing_counts_elsewhere() {
    let whole = File::new().await;
    let file = whole.open().await;
    let url = Postgres::database();
    let server = open(&url).await.unwrap();
    let mut listed: Vec<_> = TABLES.iter().map(|table| table.name).collect();
    listed.sort_unstable();
    let in_file = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'holdfast_schema' ORDER BY name";
    assert_eq!(texts(&file, in_file).await, listed);
    let mut there = texts(
        &server,
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'holdfast_schema'",
    )
    .await;
    there.sort();
    assert_eq!(there, listed);
    for table in &listed {
        let sql = format!(
            "SELECT column_name::text, is_nullable = 'YES' FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}'"
        );
        let there = columns(&server, &sql).await;
        assert_eq!(columns_of_file(&file, table).await, there, "{table}");
    }
    // A number that the server counts on by itself would have to be told where it was.
    let counted = sql_at(
        &url,
        "SELECT (SELECT count(*) FROM pg_sequences) + (SELECT count(*) FROM information_schema.columns
         WHERE table_schema = 'public' AND (is_identity = 'YES' OR column_default LIKE 'nextval%'))",
    );
    assert_eq!(counted, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_as_it_is_on_a_server_that_is_new_or_empty() {
    let file = File::filled().await;
    for made_before in [false, true] {
        let url = Postgres::database();
        if made_before {
            open(&url).await.unwrap();
        }
        let copied = file.copy(&url).await.unwrap();
        let tables = TABLES.len();
        let rows = tables as u64 * ROWS as u64;
        assert_eq!(copied, Copied { tables, rows });
        let (before, after) = (file.open().await, open(&url).await.unwrap());
        for table in TABLES {
            let columns = columns_of_file(&before, table.name).await;
            let sent = content(&before, table.name, &columns).await;
            assert_eq!(sent.len(), ROWS as usize);
            assert_eq!(content(&after, table.name, &columns).await, sent);
        }
        before.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_any_table_has_something_nothing_is_copied() {
    let file = File::filled().await;
    let url = Postgres::database();
    file.copy(&url).await.unwrap();
    for table in TABLES {
        for other in TABLES.iter().filter(|other| other.name != table.name) {
            sql_at(&url, &format!("DELETE FROM {}", other.name));
        }
        let refused = file.copy(&url).await.unwrap_err();
        let said = refused.to_string();
        assert!(
            said.contains(&format!("({} has rows)", table.name)),
            "{said}"
        );
        assert!(said.contains("make a new database"), "{said}");
        assert_eq!(on_server(&url), Some(ROWS as u64));
        sql_at(&url, &format!("DELETE FROM {}", table.name));
        assert_eq!(file.copy(&url).await.unwrap().tables, TABLES.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_form_than_this_release_makes_is_not_copied() {
    let whole = File::filled().await;
    for (form, remedy) in [(1, "start a host of this release"), (99, "use the release")] {
        let change = format!("UPDATE holdfast_schema SET version = {form}");
        let url = Postgres::database();
        open(&url).await.unwrap();
        sql_at(&url, &change);
        let refused = whole.copy(&url).await.unwrap_err().to_string();
        let wanted = format!("{url} has the form {form},");
        assert!(
            refused.contains(&wanted) && refused.contains(remedy),
            "{refused}"
        );
        assert_eq!(on_server(&url), Some(0));
        let other = File::new().await;
        other.run(&change).await;
        let url = Postgres::database();
        let refused = other.copy(&url).await.unwrap_err().to_string();
        let wanted = format!("holdfast.db has the form {form},");
        assert!(
            refused.contains(&wanted) && refused.contains(remedy),
            "{refused}"
        );
        assert_eq!(on_server(&url), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_a_whole_database_of_ours_is_not_copied() {
    let url = Postgres::database();
    let file = File::new().await;
    file.run("CREATE TABLE mine (id INTEGER)").await;
    let refused = file.copy(&url).await.unwrap_err();
    assert!(matches!(&refused, CopyError::Unknown(name) if name == "mine"));
    // Whoever closed it last may only have read it, and leaves the log, which has all that is in the file.
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(file.path().with_file_name(format!("holdfast.db{end}")));
    }
    std::fs::write(file.path(), [7; 8192]).unwrap();
    let refused = file.copy(&url).await.unwrap_err();
    assert!(
        matches!(refused, CopyError::Source(DbError::Corrupt(_))),
        "{refused:?}"
    );
    std::fs::remove_file(file.path()).unwrap();
    let refused = file.copy(&url).await.unwrap_err();
    assert!(matches!(refused, CopyError::Nothing(_)), "{refused:?}");
    assert_eq!(on_server(&url), None);
}

/// Has the server do something to each row that arrives in a table.
fn on_arrival(url: &str, table: &str, does: &str) {
    sql_at(
        url,
        &format!(
            "CREATE FUNCTION arrives() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does} END $$;
             CREATE TRIGGER arrives BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION arrives()"
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_arrive_as_it_was_read_is_not_kept() {
    let file = File::filled().await;
    let amount = i128::from(i64::MAX) * 3 - 3;
    for (table, does, wanted) in [
        ("kv", "RETURN NULL;", "(rows: 0 instead of 3)".to_owned()),
        (
            "costs",
            "NEW.amount := NEW.amount - 1; RETURN NEW;",
            format!("(amount: {} instead of {amount})", amount - 3),
        ),
        (
            "sequences",
            "NEW.last := 0; RETURN NEW;",
            "(last: 0 instead of 3)".to_owned(),
        ),
    ] {
        let url = Postgres::database();
        open(&url).await.unwrap();
        on_arrival(&url, table, does);
        let refused = file.copy(&url).await.unwrap_err().to_string();
        assert!(refused.contains(&wanted), "{refused}");
        assert!(refused.contains(table), "{refused}");
        assert_eq!(on_server(&url), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_in_the_middle_has_nothing_and_says_why() {
    let file = File::filled().await;
    let url = Postgres::database();
    open(&url).await.unwrap();
    on_arrival(
        &url,
        "leases",
        "RAISE EXCEPTION 'made to fail' USING ERRCODE = '53100';",
    );
    let refused = file.copy(&url).await.unwrap_err();
    assert!(
        matches!(refused, CopyError::Target(DbError::Full)),
        "{refused:?}"
    );
    assert_eq!(on_server(&url), Some(0));
    sql_at(&url, "DROP TRIGGER arrives ON leases");
    assert_eq!(file.copy(&url).await.unwrap().tables, TABLES.len());
}
