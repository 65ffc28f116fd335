import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

/** java.net.http.HttpClient, with the timeout of its request. */
final class Get {
    public static void main(String[] arguments) throws InterruptedException {
        var patience = Duration.ofMillis((long) (Double.parseDouble(arguments[1]) * 1000));
        var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var request = HttpRequest.newBuilder(URI.create(arguments[0])).timeout(patience).build();
        long started = System.nanoTime();
        try {
            System.out.println(client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode());
        } catch (IOException error) {
            System.out.println("failed " + (System.nanoTime() - started) / 1_000_000 + " " + error);
        }
    }
}
