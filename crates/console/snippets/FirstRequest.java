// Java 17 or newer, without libraries of others: java FirstRequest.java
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

public class FirstRequest {
    static final String BASE = "https://investord.example";
    static final String CLIENT_ID = "CLIENT_ID", CLIENT_SECRET = "CLIENT_SECRET", KEY_ID = "KEY_ID";
    static final Base64.Encoder BASE64 = Base64.getEncoder();

    static PrivateKey readKey(String file) throws Exception {
        String pem = Files.readString(Path.of(file)).replaceAll("-----[A-Z ]+-----", "");
        return KeyFactory.getInstance("Ed25519").generatePrivate(new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(pem)));
    }

    /** Signs a request, sends it and returns the answer. A POST that creates also needs the header idempotency-key with a new UUID. */
    static String call(String method, String target, String body, Map<String, String> extra) throws Exception {
        var headers = new LinkedHashMap<String, String>();
        headers.put("accept", "application/json");
        headers.put("upvest-client-id", CLIENT_ID);
        headers.putAll(extra);
        if (!body.isEmpty()) {
            byte[] digest = MessageDigest.getInstance("SHA-512").digest(body.getBytes(StandardCharsets.UTF_8));
            headers.put("content-digest", "sha-512=:" + BASE64.encodeToString(digest) + ":");
        }
        var covered = new LinkedHashMap<String, String>();
        String[] parts = target.split("\\?", 2);
        covered.put("@method", method);
        covered.put("@authority", URI.create(BASE).getAuthority().toLowerCase());
        covered.put("@path", parts[0]);
        if (parts.length > 1) {
            covered.put("@query", "?" + parts[1]);
        }
        covered.putAll(headers);
        if (!body.isEmpty()) { // the library sends it
            covered.put("content-length", String.valueOf(body.getBytes(StandardCharsets.UTF_8).length));
        }
        long now = Instant.now().getEpochSecond();
        String names = covered.keySet().stream().map(name -> '"' + name + '"').collect(Collectors.joining(" "));
        String params = "(%s);keyid=\"%s\";created=%d;expires=%d;nonce=\"%s\"".formatted(names, KEY_ID, now, now + 60, UUID.randomUUID());
        covered.put("@signature-params", params);
        String signed = covered.entrySet().stream().map(one -> '"' + one.getKey() + "\": " + one.getValue()).collect(Collectors.joining("\n"));
        Signature signature = Signature.getInstance("Ed25519");
        signature.initSign(readKey("ed25519.pem"));
        signature.update(signed.getBytes(StandardCharsets.UTF_8));
        headers.put("upvest-signature-version", "15");
        headers.put("signature-input", "sig1=" + params);
        headers.put("signature", "sig1=:" + BASE64.encodeToString(signature.sign()) + ":");
        var request = HttpRequest.newBuilder(URI.create(BASE + target));
        headers.forEach(request::header);
        request.method(method, body.isEmpty() ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(body));
        HttpResponse<String> answer = HttpClient.newHttpClient().send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() >= 300) {
            throw new IllegalStateException(answer.body());
        }
        return answer.body();
    }

    public static void main(String[] arguments) throws Exception {
        String form = "grant_type=client_credentials&client_id=" + CLIENT_ID + "&client_secret="
            + URLEncoder.encode(CLIENT_SECRET, StandardCharsets.UTF_8) + "&scope=users:read";
        String answer = call("POST", "/auth/token", form, Map.of("content-type", "application/x-www-form-urlencoded"));
        var token = Pattern.compile("\"access_token\":\"([^\"]*)\"").matcher(answer);
        if (!token.find()) {
            throw new IllegalStateException(answer);
        }
        System.out.println(call("GET", "/users?limit=10", "", Map.of("authorization", "Bearer " + token.group(1))));
    }
}
