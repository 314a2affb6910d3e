// HikariCP over PgJDBC. Its check of what was idle for half a second is always on, and has no setting; a property of the system hides it.

import com.sun.net.httpserver.*;
import com.zaxxer.hikari.*;
import java.io.IOException;
import java.net.*;
import java.sql.*;
import java.util.concurrent.Executors;

final class HikariService {
    static final String MISTAKE = System.getenv("MISTAKE");
    static final int SIZE = Integer.parseInt(System.getenv().getOrDefault("POOL_SIZE", "5"));
    static HikariDataSource pool;

    static int mistaken(Connection connection, long holdMs) throws Exception {
        Statement statement = null;
        try {
            return pid(statement = connection.createStatement(), holdMs);
        } finally {
            if (!MISTAKE.equals("statement")) connection.rollback(); else if (statement != null) statement.close();
            connection.close(); // skipped when the line before raises
        }
    }

    static int careful(Connection lent, long holdMs) throws Exception {
        try (Connection connection = lent; AutoCloseable transaction = connection::rollback; Statement statement = lent.createStatement()) {
            return pid(statement, holdMs);
        } // closed in the other order, each whatever the others raise
    }

    static int pid(Statement statement, long holdMs) throws Exception {
        ResultSet rows = statement.executeQuery("SELECT pg_backend_pid() FROM generate_series(1, 3)"); // reads all rows
        rows.next();
        Thread.sleep(holdMs);
        return rows.getInt(1);
    }

    static void flights(HttpExchange exchange) throws IOException {
        String query = exchange.getRequestURI().getQuery(), json;
        long holdMs = query == null ? 0 : (long) (1000 * Double.parseDouble(query.replace("hold_s=", "")));
        int status = 503;
        try {
            Connection connection = pool.getConnection();
            status = 500;
            json = "{\"pid\": " + (MISTAKE.equals("careful") ? careful(connection, holdMs) : mistaken(connection, holdMs)) + "}";
            status = 200;
        } catch (Exception error) {
            json = "{\"error\": \"" + error.toString().replaceAll("[\"\\\\\\s]+", " ") + "\"}";
        }
        answer(exchange, status, json);
    }

    static void answer(HttpExchange exchange, int status, String json) throws IOException {
        try (exchange) {
            exchange.sendResponseHeaders(status, json.getBytes().length);
            exchange.getResponseBody().write(json.getBytes());
        }
    }

    public static void main(String[] arguments) throws Exception {
        URI url = URI.create(System.getenv("DATABASE_URL"));
        HikariConfig config = new HikariConfig();
        if (System.getenv("CHECK").equals("off")) System.setProperty("com.zaxxer.hikari.aliveBypassWindowMs", "1000000000");
        config.setJdbcUrl("jdbc:postgresql://" + url.getHost() + ":" + url.getPort() + url.getPath() + "?ApplicationName="
            + System.getenv("APPLICATION_NAME") + "&user=" + url.getRawUserInfo().replace(":", "&password="));
        config.setAutoCommit(false);
        config.setConnectionTimeout((long) (1000 * Double.parseDouble(System.getenv().getOrDefault("WAIT_S", "2"))));
        config.setMaximumPoolSize(SIZE);
        config.setInitializationFailTimeout(60_000); // for the first connection, on a machine that is slow
        pool = new HikariDataSource(config); // opens one, and the others behind it
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))), 0);
        server.createContext("/flights", HikariService::flights);
        server.createContext("/health", exchange -> answer(exchange, 200, "{}"));
        server.createContext("/pool", exchange -> answer(exchange, 200, String.format("{\"size\": %d, \"out\": %d, \"waiting\": %d}", SIZE,
            pool.getHikariPoolMXBean().getActiveConnections(), pool.getHikariPoolMXBean().getThreadsAwaitingConnection())));
        server.setExecutor(Executors.newCachedThreadPool()); // a thread for each request
        server.start();
    }
}
