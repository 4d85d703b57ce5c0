// Go 1.19 or newer, without modules of others: go run first_request.go
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	base                          = "https://investord.example"
	clientID, clientSecret, keyID = "CLIENT_ID", "CLIENT_SECRET", "KEY_ID"
)

var key = readKey("ed25519.pem")

func readKey(file string) ed25519.PrivateKey {
	text, err := os.ReadFile(file)
	check(err)
	block, _ := pem.Decode(text)
	if block == nil {
		log.Fatal(file, " is no PEM file")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	check(err)
	own, is := key.(ed25519.PrivateKey)
	if !is {
		log.Fatal(file, " is no Ed25519 key")
	}
	return own
}

// call signs a request, sends it and returns the answer. Headers are pairs of name and value; a POST that creates also
// needs "idempotency-key" with a new UUID.
func call(method, target string, body []byte, extra ...[2]string) []byte {
	headers := append([][2]string{{"accept", "application/json"}, {"upvest-client-id", clientID}}, extra...)
	if len(body) > 0 {
		digest := sha512.Sum512(body)
		headers = append(headers, [2]string{"content-digest", "sha-512=:" + base64.StdEncoding.EncodeToString(digest[:]) + ":"})
	}
	path, query, found := strings.Cut(target, "?")
	address, err := url.Parse(base)
	check(err)
	covered := [][2]string{{"@method", method}, {"@authority", strings.ToLower(address.Host)}, {"@path", path}}
	if found {
		covered = append(covered, [2]string{"@query", "?" + query})
	}
	covered = append(covered, headers...)
	if len(body) > 0 { // the library sends it
		covered = append(covered, [2]string{"content-length", strconv.Itoa(len(body))})
	}

	var names []string
	var text strings.Builder
	for _, one := range covered {
		names = append(names, `"`+one[0]+`"`)
		fmt.Fprintf(&text, "%q: %s\n", one[0], one[1])
	}
	nonce := make([]byte, 16)
	_, err = rand.Read(nonce)
	check(err)
	now := time.Now().Unix()
	params := fmt.Sprintf(`(%s);keyid="%s";created=%d;expires=%d;nonce="%s"`,
		strings.Join(names, " "), keyID, now, now+60, hex.EncodeToString(nonce))
	text.WriteString(`"@signature-params": ` + params)
	signature := ed25519.Sign(key, []byte(text.String()))

	request, err := http.NewRequest(method, base+target, bytes.NewReader(body))
	check(err)
	for _, one := range headers {
		request.Header.Set(one[0], one[1])
	}
	request.Header.Set("upvest-signature-version", "15")
	request.Header.Set("signature-input", "sig1="+params)
	request.Header.Set("signature", "sig1=:"+base64.StdEncoding.EncodeToString(signature)+":")
	response, err := http.DefaultClient.Do(request)
	check(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	check(err)
	if response.StatusCode >= 300 {
		log.Fatal(string(answer))
	}
	return answer
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID},
		"client_secret": {clientSecret}, "scope": {"users:read"}}
	var token struct {
		Value string `json:"access_token"`
	}
	answer := call("POST", "/auth/token", []byte(form.Encode()), [2]string{"content-type", "application/x-www-form-urlencoded"})
	check(json.Unmarshal(answer, &token))
	fmt.Println(string(call("GET", "/users?limit=10", nil, [2]string{"authorization", "Bearer " + token.Value})))
}
