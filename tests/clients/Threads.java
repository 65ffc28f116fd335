import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.util.ArrayList;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Blocking sockets in 200 threads, virtual ones where the JVM has them, with the timeouts of the sockets. */
final class Threads {
    static final int MANY = 200;

    public static void main(String[] arguments) throws InterruptedException {
        var uri = URI.create(arguments[0]);
        int patience = (int) (Double.parseDouble(arguments[1]) * 1000);
        var executor = executor();
        var results = new ArrayList<Future<String>>();
        long started = System.nanoTime();
        for (int i = 0; i < MANY; i++) {
            Callable<String> task = () -> get(uri, patience);
            results.add(executor.submit(task));
        }
        var statuses = new TreeSet<String>();
        Throwable failure = null;
        for (var result : results) {
            try {
                statuses.add(result.get());
            } catch (ExecutionException error) {
                failure = error.getCause();
            }
        }
        executor.shutdown();
        long took = (System.nanoTime() - started) / 1_000_000;
        if (failure == null) System.out.println(String.join(" ", statuses));
        else System.out.println((statuses.isEmpty() ? "failed " : "not alike ") + took + " " + failure);
    }

    static ExecutorService executor() {
        try {
            var virtual = Executors.class.getMethod("newVirtualThreadPerTaskExecutor");
            return (ExecutorService) virtual.invoke(null);
        } catch (ReflectiveOperationException before21) {
            return Executors.newFixedThreadPool(MANY);
        }
    }

    static String get(URI uri, int patience) throws IOException {
        try (var socket = new Socket()) {
            socket.connect(new InetSocketAddress(uri.getHost(), uri.getPort()), patience);
            socket.setSoTimeout(patience);
            var request = "GET " + uri.getPath() + " HTTP/1.1\r\nhost: " + uri.getAuthority() + "\r\n\r\n";
            socket.getOutputStream().write(request.getBytes());
            var line = new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine();
            if (line == null) throw new IOException("closed");
            return line.split(" ")[1];
        }
    }
}
