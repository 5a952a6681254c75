# R: RPostgreSQL, what a statistician's script does.
suppressPackageStartupMessages(library(RPostgreSQL))

check <- function(name, body) {
  told <- tryCatch({ force(body); NULL }, error = function(error) conditionMessage(error))
  if (is.null(told)) cat("works\t", name, "\n", sep = "")
  else cat("fails\t", name, "\t", substr(gsub("\\s+", " ", told), 1, 300), "\n", sep = "")
}

cat("client\tRPostgreSQL\t", as.character(packageVersion("RPostgreSQL")), "\n", sep = "")
connection <- dbConnect(PostgreSQL(), host = Sys.getenv("PGHOST"), port = as.integer(Sys.getenv("PGPORT")),
                        user = Sys.getenv("PGUSER"), dbname = Sys.getenv("PGDATABASE"))

check("types", {
  row <- dbGetQuery(connection, "select true as b, 7 as i, 2.5::float8 as d, 'a'::text as t, date '2024-02-29' as day, null::int as n")
  stopifnot(row$b == TRUE, row$i == 7L, row$d == 2.5, row$t == "a", row$day == as.Date("2024-02-29"), is.na(row$n))
})
check("timestamps", {
  row <- dbGetQuery(connection, "select timestamptz '2024-01-02 03:04:05+00' as t")
  stopifnot(inherits(row$t, "POSIXct"))
})
check("a data frame of a view", {
  frame <- dbGetQuery(connection, "select eye, age_years, predict('kc_dx') as said from gold.eye_features order by exam_id, eye")
  stopifnot(nrow(frame) > 10, is.character(frame$said), is.integer(frame$age_years))
})
check("parameters", {
  frame <- dbGetQuery(connection, "select count(*) as n from gold.eye_features where eye = $1", c("OD"))
  stopifnot(frame$n > 0)
})
check("dbListTables, dbExistsTable, dbListFields", {
  tables <- dbListTables(connection)
  # Both ask pg_tables, in which PostgreSQL has no views either.
  stopifnot(dbExistsTable(connection, c("raw", "ms39")), !dbExistsTable(connection, "nothing"), length(tables) > 0)
  stopifnot("exam_id" %in% dbListFields(connection, c("raw", "ms39")))
})
check("dbReadTable", {
  frame <- dbReadTable(connection, c("silver", "keratometry"))
  stopifnot(nrow(frame) > 0, "eye" %in% names(frame))
})
check("fetch in parts", {
  result <- dbSendQuery(connection, "select value from generate_series(1, 1000) as value order by 1")
  first <- fetch(result, n = 10)
  rest <- fetch(result, n = -1)
  dbClearResult(result)
  stopifnot(nrow(first) == 10, nrow(rest) == 990)
})
check("columns of a result", {
  result <- dbSendQuery(connection, "select 1 as a, 'x'::text as b")
  columns <- dbColumnInfo(result)
  dbClearResult(result)
  stopifnot(identical(columns$name, c("a", "b")))
})
check("errors", {
  told <- tryCatch({ dbGetQuery(connection, "select * from gold.eye_featurs"); "none" }, error = function(e) "error", warning = function(w) conditionMessage(w))
  stopifnot(told != "none")
})
check("transactions", {
  dbBegin(connection)
  dbGetQuery(connection, "select 1")
  dbCommit(connection)
  dbBegin(connection)
  dbRollback(connection)
})
check("a temporary table is written", {
  dbGetQuery(connection, "create temp table of_r (eye text, k float8)")
  dbGetQuery(connection, "insert into of_r values ('OD', 43.5), ('OS', null)")
  stopifnot(nrow(dbGetQuery(connection, "select * from of_r")) == 2)
})
check("information about the connection", {
  info <- dbGetInfo(connection)
  stopifnot(info$dbname == Sys.getenv("PGDATABASE"))
})
invisible(dbDisconnect(connection))
