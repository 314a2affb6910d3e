import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.sql.Connection;
import java.sql.DriverManager;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;

/** Threads that wait for a connection from three pools of one connection each, and one that waits for a silent database. */
public class Pools {
    interface Take {
        Connection from() throws Exception;
    }

    static final List<Connection> TAKEN = new ArrayList<>();

    static void empty(String name, Take pool) throws Exception {
        TAKEN.add(pool.from());
        start(name, pool);
    }

    static void start(String name, Take pool) {
        Thread thread = new Thread(() -> {
            try {
                pool.from();
            } catch (Exception error) {
                throw new RuntimeException(error);
            }
        }, name);
        thread.setDaemon(true);
        thread.start();
    }

    static Object answer(Class<?> kind) {
        return kind == boolean.class ? Boolean.TRUE : kind == int.class ? Integer.valueOf(0) : null;
    }

    public static void main(String[] arguments) throws Exception {
        ClassLoader loader = Pools.class.getClassLoader();
        DataSource source = (DataSource) Proxy.newProxyInstance(loader, new Class<?>[] {DataSource.class}, (self, method, given) ->
            method.getReturnType() != Connection.class ? answer(method.getReturnType())
                : Proxy.newProxyInstance(loader, new Class<?>[] {Connection.class}, (that, called, with) ->
                    called.getName().equals("isClosed") ? Boolean.FALSE : answer(called.getReturnType())));

        com.zaxxer.hikari.HikariConfig config = new com.zaxxer.hikari.HikariConfig();
        config.setDataSource(source);
        config.setMaximumPoolSize(1);
        config.setConnectionTimeout(600_000);
        com.zaxxer.hikari.HikariDataSource hikari = new com.zaxxer.hikari.HikariDataSource(config);
        empty("hikari-1", hikari::getConnection);

        org.apache.tomcat.jdbc.pool.DataSource tomcat = new org.apache.tomcat.jdbc.pool.DataSource();
        tomcat.setDataSource(source);
        tomcat.setMaxActive(1);
        tomcat.setInitialSize(0);
        tomcat.setMaxWait(600_000);
        empty("tomcat-1", tomcat::getConnection);

        ServerSocket silent = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        String url = "jdbc:postgresql://127.0.0.1:" + silent.getLocalPort() + "/flights?user=u&password=p&sslmode=disable";
        start("pgjdbc-1", () -> DriverManager.getConnection(url));

        Thread.sleep(200);
        org.apache.commons.dbcp2.BasicDataSource dbcp = new org.apache.commons.dbcp2.BasicDataSource() {
            @Override
            protected org.apache.commons.dbcp2.ConnectionFactory createConnectionFactory() {
                return source::getConnection;
            }
        };
        dbcp.setMaxTotal(1);
        empty("dbcp2-1", dbcp::getConnection);
        Thread.sleep(1000);
        System.out.println("ready " + ProcessHandle.current().pid());
        Thread.sleep(600_000);
    }
}
