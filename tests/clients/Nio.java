import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.TreeSet;

/** java.nio: one selector, 200 channels that never block, and a deadline for them all. */
final class Nio {
    static final int MANY = 200;

    public static void main(String[] arguments) throws IOException {
        var uri = URI.create(arguments[0]);
        long patience = (long) (Double.parseDouble(arguments[1]) * 1000);
        var request = "GET " + uri.getPath() + " HTTP/1.1\r\nhost: " + uri.getAuthority() + "\r\n\r\n";
        long started = System.nanoTime();
        try (var selector = Selector.open()) {
            for (int i = 0; i < MANY; i++) {
                var channel = SocketChannel.open();
                channel.configureBlocking(false);
                channel.register(selector, SelectionKey.OP_CONNECT);
                channel.connect(new InetSocketAddress(uri.getHost(), uri.getPort()));
            }
            System.out.println(String.join(" ", answers(selector, request, started, patience)));
        } catch (IOException error) {
            System.out.println("failed " + elapsed(started) + " " + error);
        }
    }

    /** The statuses of all answers. */
    static Set<String> answers(Selector selector, String request, long started, long patience)
            throws IOException {
        var statuses = new TreeSet<String>();
        var buffer = ByteBuffer.allocate(4096);
        for (int left = MANY; left > 0; ) {
            long wait = patience - elapsed(started);
            if (wait <= 0) throw new IOException("timeout");
            selector.select(wait);
            for (var key : selector.selectedKeys()) {
                var channel = (SocketChannel) key.channel();
                if (key.isConnectable()) {
                    channel.finishConnect();
                    channel.write(ByteBuffer.wrap(request.getBytes(StandardCharsets.US_ASCII)));
                    key.interestOps(SelectionKey.OP_READ);
                } else {
                    if (channel.read(buffer.clear()) < 0) throw new IOException("closed");
                    statuses.add(StandardCharsets.US_ASCII.decode(buffer.flip()).toString().split(" ")[1]);
                    channel.close();
                    left--;
                }
            }
            selector.selectedKeys().clear();
        }
        return statuses;
    }

    static long elapsed(long started) {
        return (System.nanoTime() - started) / 1_000_000;
    }
}
