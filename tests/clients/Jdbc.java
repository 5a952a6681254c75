import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/** JDBC: what DBeaver, DataGrip and BI servers call. */
public class Jdbc {
    interface Body { void run() throws Exception; }

    static void check(String name, Body body) {
        try {
            body.run();
            System.out.println("works\t" + name);
        } catch (Throwable error) {
            String reason = error.toString().replaceAll("\\s+", " ");
            System.out.println("fails\t" + name + "\t" + reason.substring(0, Math.min(300, reason.length())));
        }
        System.out.flush();
    }

    static void equal(Object found, Object expected) {
        if (!Objects.equals(found, expected)) throw new AssertionError(found + " is not " + expected);
    }

    static void holds(boolean fact, Object about) {
        if (!fact) throw new AssertionError(about);
    }

    static SQLException fails(Body body) throws Exception {
        try { body.run(); } catch (SQLException error) { return error; }
        throw new AssertionError("no error");
    }

    /** The values of one column of a result. */
    static List<String> values(ResultSet rows, String column) throws SQLException {
        List<String> found = new ArrayList<>();
        while (rows.next()) found.add(rows.getString(column));
        return found;
    }

    static final String LONG = "select max(value) from generate_series(1, 100000000000) as value";

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        Connection connection = DriverManager.getConnection(url, properties);
        DatabaseMetaData meta = connection.getMetaData();
        System.out.println("client\tJDBC\t" + meta.getDriverVersion());

        for (String mode : new String[] {"simple", "extended", "extendedForPrepared"}) {
            check("types and parameters, queries " + mode, () -> {
                Properties more = (Properties) properties.clone();
                more.setProperty("preferQueryMode", mode);
                try (Connection own = DriverManager.getConnection(url, more);
                     PreparedStatement statement = own.prepareStatement(
                         "select ?::bool, ?::int, ?::bigint, ?::float8, ?::numeric, ?::text, ?::date, ?::int, true, 12.50::numeric(10,2), array['a','b c'], '\\x00ff'::bytea")) {
                    // Often enough that the driver prepares on the server and turns to binary.
                    for (int turn = 0; turn < 8; turn++) {
                        statement.setBoolean(1, true);
                        statement.setInt(2, 7);
                        statement.setLong(3, 1L << 40);
                        statement.setDouble(4, 2.5);
                        statement.setBigDecimal(5, new BigDecimal("1.25"));
                        statement.setString(6, "ä");
                        statement.setDate(7, java.sql.Date.valueOf("2024-02-29"));
                        statement.setNull(8, Types.INTEGER);
                        ResultSet row = statement.executeQuery();
                        row.next();
                        equal(row.getBoolean(1), true);
                        equal(row.getInt(2), 7);
                        equal(row.getLong(3), 1L << 40);
                        equal(row.getDouble(4), 2.5);
                        holds(row.getBigDecimal(5).compareTo(new BigDecimal("1.25")) == 0, row.getBigDecimal(5));
                        equal(row.getString(6), "ä");
                        equal(row.getDate(7).toString(), "2024-02-29");
                        row.getInt(8);
                        equal(row.wasNull(), true);
                        equal(row.getBoolean(9), true);
                        equal(row.getBigDecimal(10).toString(), "12.50");
                        equal(Arrays.toString((Object[]) row.getArray(11).getArray()), "[a, b c]");
                        equal(row.getBytes(12).length, 2);
                    }
                }
            });
        }

        check("timestamps", () -> {
            try (Statement statement = connection.createStatement()) {
                ResultSet row = statement.executeQuery("select timestamp '2024-01-02 03:04:05.5', timestamptz '2024-01-02 03:04:05+00', time '03:04:05'");
                row.next();
                equal(row.getTimestamp(1).toString(), "2024-01-02 03:04:05.5");
                equal(row.getObject(2, java.time.OffsetDateTime.class).toInstant().toString(), "2024-01-02T03:04:05Z");
                equal(row.getTime(3).toString(), "03:04:05");
            }
        });

        check("arrays as parameters", () -> {
            try (PreparedStatement statement = connection.prepareStatement("select count(*) from gold.eye_features where eye = any(?)")) {
                for (int turn = 0; turn < 8; turn++) {
                    statement.setArray(1, connection.createArrayOf("text", new String[] {"OD", "OS"}));
                    ResultSet row = statement.executeQuery();
                    row.next();
                    holds(row.getLong(1) > 0, "no eyes");
                }
            }
        });

        check("getSchemas, getCatalogs, getTableTypes", () -> {
            holds(values(meta.getSchemas(), "TABLE_SCHEM").containsAll(List.of("gold", "silver", "raw", "pg_catalog", "information_schema")), "schemas");
            equal(values(meta.getCatalogs(), "TABLE_CAT"), List.of("placido"));
            holds(values(meta.getTableTypes(), "TABLE_TYPE").contains("VIEW"), "types");
        });
        check("getTables with remarks", () -> {
            ResultSet rows = meta.getTables(null, "gold", "%", new String[] {"VIEW"});
            Map<String, String> found = new TreeMap<>();
            while (rows.next()) found.put(rows.getString("TABLE_NAME"), rows.getString("REMARKS"));
            equal(found.keySet(), Set.of("eye_features", "eye_measurements"));
            holds(found.get("eye_features") != null, found);
            holds(values(meta.getTables(null, "raw", "%", new String[] {"TABLE"}), "TABLE_NAME").contains("ms39"), "raw.ms39");
            holds(values(meta.getTables(null, null, "pg_class", new String[] {"SYSTEM TABLE"}), "TABLE_NAME").contains("pg_class"), "pg_class");
        });
        check("getColumns with types, sizes and remarks", () -> {
            ResultSet rows = meta.getColumns(null, "gold", "eye_features", "%");
            Map<String, String> found = new TreeMap<>();
            while (rows.next()) {
                found.put(rows.getString("COLUMN_NAME"), rows.getString("TYPE_NAME") + " " + rows.getInt("DATA_TYPE"));
                if (rows.getString("COLUMN_NAME").equals("s_ant_axial_z80_mean")) holds(rows.getString("REMARKS").contains("8 mm"), rows.getString("REMARKS"));
            }
            equal(found.get("exam_date"), "date " + Types.DATE);
            equal(found.get("s_ant_axial_z80_mean"), "float8 " + Types.DOUBLE);
            equal(found.get("scan_id"), "text " + Types.VARCHAR);
            rows = meta.getColumns(null, "silver", "zernike", "%");
            boolean array = false;
            while (rows.next()) array |= rows.getString("TYPE_NAME").equals("_float8") && rows.getInt("DATA_TYPE") == Types.ARRAY;
            holds(array, "no array column");
        });
        check("getPrimaryKeys", () -> values(meta.getPrimaryKeys(null, "gold", "eye_features"), "COLUMN_NAME"));
        check("getIndexInfo", () -> values(meta.getIndexInfo(null, "gold", "eye_features", false, true), "INDEX_NAME"));
        check("getImportedKeys, getExportedKeys, getCrossReference", () -> {
            equal(values(meta.getImportedKeys(null, "gold", "eye_features"), "FKTABLE_NAME"), List.of());
            equal(values(meta.getExportedKeys(null, "gold", "eye_features"), "FKTABLE_NAME"), List.of());
            equal(values(meta.getCrossReference(null, "gold", "eye_features", null, "silver", "zernike"), "FKTABLE_NAME"), List.of());
        });
        check("getBestRowIdentifier, getVersionColumns", () -> {
            values(meta.getBestRowIdentifier(null, "gold", "eye_features", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME");
            values(meta.getVersionColumns(null, "gold", "eye_features"), "COLUMN_NAME");
        });
        check("getTypeInfo", () -> holds(values(meta.getTypeInfo(), "TYPE_NAME").containsAll(List.of("float8", "text", "timestamptz", "_float8")), "types"));
        check("getFunctions, getProcedures", () -> {
            ResultSet rows = meta.getFunctions(null, null, "zernike_fit");
            holds(rows.next(), "zernike_fit");
            equal(rows.getString("FUNCTION_SCHEM"), "public");
            holds(rows.getString("REMARKS") != null, "no remarks");
            values(meta.getProcedures(null, null, "%"), "PROCEDURE_NAME");
        });
        check("getFunctionColumns, getProcedureColumns", () -> {
            holds(values(meta.getFunctionColumns(null, null, "zernike_fit", "%"), "COLUMN_NAME").contains("radius_mm"), "radius_mm");
            values(meta.getProcedureColumns(null, null, "zernike_fit", "%"), "COLUMN_NAME");
        });
        check("getTablePrivileges, getColumnPrivileges", () -> {
            values(meta.getTablePrivileges(null, "gold", "eye_features"), "PRIVILEGE");
            values(meta.getColumnPrivileges(null, "gold", "eye_features", "eye"), "PRIVILEGE");
        });
        check("getUDTs, getClientInfoProperties", () -> {
            values(meta.getUDTs(null, null, "%", null), "TYPE_NAME");
            values(meta.getClientInfoProperties(), "NAME");
        });
        check("limits and names of the server", () -> {
            equal(meta.getDatabaseProductName(), "PostgreSQL");
            holds(meta.getDatabaseMajorVersion() >= 16, meta.getDatabaseMajorVersion());
            equal(meta.getMaxColumnNameLength(), 63);
            meta.getSQLKeywords();
            meta.getMaxIndexLength();
            meta.getNumericFunctions();
        });
        check("metadata of a result", () -> {
            try (Statement statement = connection.createStatement()) {
                ResultSetMetaData columns = statement.executeQuery("select eye, exam_date, age_years + 1 as next from gold.eye_features limit 1").getMetaData();
                equal(columns.getColumnTypeName(2), "date");
                equal(columns.getColumnLabel(3), "next");
                columns.isNullable(1);
                columns.isAutoIncrement(1);
                columns.getTableName(1);
                columns.getSchemaName(1);
            }
        });
        check("metadata of parameters", () -> {
            try (PreparedStatement statement = connection.prepareStatement("select * from silver.keratometry where eye = ? and ant_k_flat_d > ?")) {
                equal(statement.getParameterMetaData().getParameterTypeName(2), "float8");
            }
        });
        check("setSchema and getSchema", () -> {
            equal(connection.getSchema(), "gold");
            connection.setSchema("silver");
            equal(connection.getSchema(), "silver");
            try (Statement statement = connection.createStatement()) {
                holds(statement.executeQuery("select * from keratometry limit 1").next(), "no row");
            }
            connection.setSchema("gold");
        });
        check("fetchSize reads in parts", () -> {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(100);
                ResultSet rows = statement.executeQuery("select value from generate_series(1, 10000) as value order by 1");
                long sum = 0;
                while (rows.next()) sum += rows.getLong(1);
                equal(sum, 50005000L);
            }
            connection.rollback();
            connection.setAutoCommit(true);
        });
        check("setMaxRows", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setMaxRows(7);
                ResultSet rows = statement.executeQuery("select value from generate_series(1, 10000) as value");
                int count = 0;
                while (rows.next()) count++;
                equal(count, 7);
            }
        });
        check("setQueryTimeout", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(1);
                equal(fails(() -> statement.executeQuery(LONG)).getSQLState(), "57014");
            }
        });
        check("Statement.cancel", () -> {
            try (Statement statement = connection.createStatement()) {
                new Thread(() -> { try { Thread.sleep(500); statement.cancel(); } catch (Exception ignored) { } }).start();
                equal(fails(() -> statement.executeQuery(LONG)).getSQLState(), "57014");
            }
        });
        check("setNetworkTimeout, isValid", () -> {
            connection.setNetworkTimeout(Runnable::run, 60000);
            holds(connection.isValid(5), "not valid");
        });
        check("CopyManager reads", () -> {
            CopyManager copies = connection.unwrap(PGConnection.class).getCopyAPI();
            StringWriter out = new StringWriter();
            equal(copies.copyOut("copy (select eye, 1.5 from gold.eye_features order by 1 limit 2) to stdout csv", out), 2L);
            equal(out.toString(), "OD,1.5\nOD,1.5\n");
        });
        check("transactions, isolation and savepoints", () -> {
            connection.setAutoCommit(false);
            connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            connection.setReadOnly(true);
            try (Statement statement = connection.createStatement()) {
                statement.executeQuery("select 1");
                Savepoint before = connection.setSavepoint("before");
                equal(fails(() -> statement.executeQuery("select 1 / 0")).getSQLState(), "22012");
                equal(fails(() -> statement.executeQuery("select 1")).getSQLState(), "25P02");
                connection.rollback(before);
                statement.executeQuery("select 2");
                connection.commit();
            }
            connection.setReadOnly(false);
            connection.setAutoCommit(true);
        });
        check("errors have SQLSTATE and hint", () -> {
            try (Statement statement = connection.createStatement()) {
                SQLException error = fails(() -> statement.executeQuery("select * from gold.eye_featurs"));
                equal(error.getSQLState(), "42P01");
                holds(((org.postgresql.util.PSQLException) error).getServerErrorMessage().getHint().contains("eye_features"), error);
            }
        });
        check("several statements in one", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("select 1; select 2");
                holds(statement.getMoreResults(), "no second result");
            }
        });
        check("a batch into a temporary table", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("create temp table of_jdbc (eye text, k float8)");
                try (PreparedStatement insert = connection.prepareStatement("insert into of_jdbc values (?, ?)")) {
                    for (String eye : new String[] {"OD", "OS"}) {
                        insert.setString(1, eye);
                        insert.setDouble(2, 43.5);
                        insert.addBatch();
                    }
                    equal(Arrays.toString(insert.executeBatch()), "[1, 1]");
                }
                holds(values(meta.getColumns(null, null, "of_jdbc", "%"), "COLUMN_NAME").equals(List.of("eye", "k")), "columns");
            }
        });
        check("a composite", () -> {
            try (Statement statement = connection.createStatement()) {
                ResultSet row = statement.executeQuery("select power_vector(-2, -1, 90)");
                row.next();
                holds(row.getObject(1).toString().contains("\"m\":-2.5"), row.getObject(1));
            }
        });
        check("predict with a bound value", () -> {
            try (PreparedStatement statement = connection.prepareStatement("select predict('kc_dx') from gold.eye_features where eye = ? limit 3")) {
                for (int turn = 0; turn < 6; turn++) {
                    statement.setString(1, "OD");
                    ResultSet rows = statement.executeQuery();
                    int count = 0;
                    while (rows.next()) { holds(rows.getString(1) != null, "null"); count++; }
                    equal(count, 3);
                }
            }
        });
        connection.close();
    }
}
