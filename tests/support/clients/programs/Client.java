// The JDK's own HTTP client as it comes: over http:// it offers HTTP/2 with each request. One line for each answer.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

public class Client {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    private static HttpRequest.Builder to(String url, String key) {
        return HttpRequest.newBuilder(URI.create(url))
            .header("Authorization", "Bearer " + key)
            .header("Content-Type", "application/json");
    }

    private static String question(int words, boolean stream) {
        return "{\"model\":\"demo-chat\",\"stream\":" + stream
            + ",\"messages\":[{\"role\":\"user\",\"content\":\"" + "word ".repeat(words) + "\"}]}";
    }

    private static void tell(String what, HttpResponse<?> answer, String body) {
        System.out.println(what + "\t" + answer.statusCode() + "\t" + answer.version() + "\t" + body);
    }

    public static void main(String[] arguments) throws Exception {
        String base = arguments[0], key = arguments[1], chat = base + "/chat/completions";
        HttpRequest small = to(chat, key).POST(BodyPublishers.ofString(question(1, false))).build();
        HttpResponse<String> first = CLIENT.send(small, BodyHandlers.ofString());
        tell("small", first, first.body());

        HttpRequest large = to(chat, key).POST(BodyPublishers.ofString(question(500, false) + " ".repeat(100_000))).build();
        HttpResponse<String> second = CLIENT.send(large, BodyHandlers.ofString());
        tell("large", second, second.body());

        byte[] bytes = question(500, false).getBytes();
        HttpRequest chunked = to(chat, key)
            .POST(BodyPublishers.ofInputStream(() -> new java.io.ByteArrayInputStream(bytes))).build();
        HttpResponse<String> third = CLIENT.send(chunked, BodyHandlers.ofString());
        tell("chunked", third, third.body());

        HttpRequest expecting = to(chat, key).expectContinue(true)
            .POST(BodyPublishers.ofString(question(500, false))).build();
        HttpResponse<String> fourth = CLIENT.send(expecting, BodyHandlers.ofString());
        tell("expecting", fourth, fourth.body());

        HttpRequest streaming = to(chat, key).POST(BodyPublishers.ofString(question(1, true))).build();
        HttpResponse<Stream<String>> stream = CLIENT.send(streaming, BodyHandlers.ofLines());
        tell("stream", stream, stream.body().filter(line -> !line.isEmpty()).collect(Collectors.joining(" ")));

        HttpResponse<String> models = CLIENT.send(to(base + "/models", key).GET().build(), BodyHandlers.ofString());
        tell("models", models, models.body());

        var many = IntStream.range(0, 8).mapToObj(at -> CLIENT.sendAsync(small, BodyHandlers.ofString())).toList();
        for (var each : many) {
            tell("together", each.join(), "");
        }
    }
}
