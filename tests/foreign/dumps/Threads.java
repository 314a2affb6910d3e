import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.ReentrantLock;

/** Threads of a program with nothing but the JDK: blocked at a monitor, at a lock, at a socket, without work, and two in a deadlock. */
public class Threads {
    static final Object FIRST = new Object(), SECOND = new Object(), HELD = new Object();
    static final List<Thread> STARTED = new ArrayList<>();
    static final ReentrantLock LOCK = new ReentrantLock();

    interface Body {
        void run() throws Exception;
    }

    static void start(String name, Body body) {
        Thread thread = new Thread(() -> {
            try {
                body.run();
            } catch (Exception error) {
                throw new RuntimeException(error);
            }
        }, name);
        thread.setDaemon(true);
        STARTED.add(thread);
        thread.start();
    }

    /** Whether a thread has come to where it stays. */
    static boolean waits(Thread thread) {
        StackTraceElement[] calls = thread.getStackTrace();
        boolean reads = calls.length > 0 && calls[0].getMethodName().matches("read0|accept|poll");
        return reads || thread.getState() == Thread.State.BLOCKED || thread.getState() == Thread.State.WAITING;
    }

    static void both(Object one, Object other) throws Exception {
        synchronized (one) {
            Thread.sleep(300);
            synchronized (other) {
                System.out.println("no deadlock");
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        LOCK.lock();
        start("deadlock-1", () -> both(FIRST, SECOND));
        start("deadlock-2", () -> both(SECOND, FIRST));
        start("socket-1", () -> {
            InputStream in = new Socket(server.getInetAddress(), server.getLocalPort()).getInputStream();
            in.read();
        });
        start("lock-1", LOCK::lock);
        start("accept-1", () -> {
            while (true) {
                server.accept();
            }
        });
        Executors.newFixedThreadPool(1, task -> {
            Thread thread = new Thread(task, "idle-1");
            thread.setDaemon(true);
            STARTED.add(thread);
            return thread;
        }).submit(() -> { });
        synchronized (HELD) {
            start("monitor \"quoted\" #7", () -> {
                synchronized (HELD) {
                    System.out.println("never");
                }
            });
            while (!STARTED.stream().allMatch(Threads::waits)) {
                Thread.sleep(50);
            }
            System.out.println("ready " + ProcessHandle.current().pid());
            Thread.sleep(600_000);
        }
    }
}
