// A service that the testbed does not know: Java, httpserver, PgJDBC, and a pool by name. It loses connections unless CAREFUL is set.

import com.sun.net.httpserver.*;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.sql.*;
import java.util.concurrent.Executors;
import javax.sql.DataSource;

final class Flights {
    static DataSource pool(String url) {
        if (System.getenv("POOL").equals("hikaricp")) {
            com.zaxxer.hikari.HikariConfig config = new com.zaxxer.hikari.HikariConfig();
            config.setJdbcUrl(url);
            config.setMaximumPoolSize(10);
            config.setAutoCommit(false);
            return new com.zaxxer.hikari.HikariDataSource(config);
        }
        org.apache.commons.dbcp2.BasicDataSource pool = new org.apache.commons.dbcp2.BasicDataSource();
        pool.setUrl(url);
        pool.setMaxTotal(10);
        pool.setMaxIdle(10);
        pool.setInitialSize(10);
        pool.setDefaultAutoCommit(false);
        pool.setTestOnBorrow(false);
        return pool;
    }

    static int out(DataSource pool) {
        if (pool instanceof org.apache.commons.dbcp2.BasicDataSource dbcp) return dbcp.getNumActive();
        return ((com.zaxxer.hikari.HikariDataSource) pool).getHikariPoolMXBean().getActiveConnections();
    }

    static int count(DataSource pool) throws SQLException {
        Connection connection = pool.getConnection();
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery("SELECT count(*) FROM flights")) {
            rows.next();
            return rows.getInt(1);
        } finally {
            if (System.getenv("CAREFUL") == null) connection.rollback();
            connection.close();
        }
    }

    static void answer(HttpExchange exchange, int status, String text) throws IOException {
        try (exchange) {
            exchange.sendResponseHeaders(status, text.getBytes().length);
            exchange.getResponseBody().write(text.getBytes());
        }
    }

    public static void main(String[] arguments) throws Exception {
        DataSource pool = pool(arguments[1]);
        pool.getConnection().close();
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 0);
        var requests = Executors.newFixedThreadPool(40, work -> new Thread(work, "request"));
        server.createContext("/flights", exchange -> requests.execute(() -> {
            try {
                try {
                    answer(exchange, 200, "{\"flights\": " + count(pool) + "}");
                } catch (SQLException error) {
                    answer(exchange, 500, error.toString());
                }
            } catch (IOException gone) {
                System.err.println(gone);
            }
        }));
        server.createContext("/health", exchange -> answer(exchange, 200, "well"));
        server.createContext("/metrics", exchange -> answer(exchange, 200, "pool_active{pool=\"main\"} " + out(pool) + "\npool_max 10\n"
            + "threads_busy " + ((java.util.concurrent.ThreadPoolExecutor) requests).getActiveCount() + "\n"));
        server.start();
    }
}
