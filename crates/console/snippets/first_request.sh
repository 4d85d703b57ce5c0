#!/bin/sh
# Needs curl and OpenSSL 3; `investord call GET '/users?limit=10'` does all of this by itself
set -eu
BASE=https://investord.example
CLIENT_ID="CLIENT_ID" CLIENT_SECRET="CLIENT_SECRET" KEY_ID="KEY_ID" KEY=ed25519.pem
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

encoded() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n' | sed 's/../%&/g'; }

# Signs a request and sends it: METHOD TARGET BODY HEADER... A POST that creates also needs "idempotency-key: $(uuidgen)".
call() {
    method=$1 target=$2 body=$3; shift 3
    path=${target%%\?*} query=${target#"${target%%\?*}"}
    set -- "accept: application/json" "upvest-client-id: $CLIENT_ID" "$@"
    if [ -n "$body" ]; then
        digest=$(printf %s "$body" | openssl dgst -sha512 -binary | openssl base64 -A)
        set -- "$@" "content-digest: sha-512=:$digest:"
    fi
    {
        printf '"@method": %s\n"@authority": %s\n"@path": %s\n' "$method" "${BASE#*://}" "$path"
        [ -z "$query" ] || printf '"@query": %s\n' "$query"
        for header; do printf '"%s": %s\n' "${header%%: *}" "${header#*: }"; done
        [ -z "$body" ] || printf '"content-length": %s\n' "$(printf %s "$body" | wc -c | tr -d ' ')" # curl sends it
    } >"$work/base"
    names=$(cut -d: -f1 "$work/base" | tr '\n' ' ')
    now=$(date +%s)
    params="(${names% });keyid=\"$KEY_ID\";created=$now;expires=$((now + 60));nonce=\"$(openssl rand -hex 16)\""
    printf '"@signature-params": %s' "$params" >>"$work/base"
    signature=$(openssl pkeyutl -sign -rawin -inkey "$KEY" -in "$work/base" | openssl base64 -A)
    printf '%s\n' "$@" "upvest-signature-version: 15" "signature-input: sig1=$params" "signature: sig1=:$signature:" \
        >"$work/headers"
    printf %s "$body" | curl -sS --fail-with-body -X "$method" "$BASE$target" -H @"$work/headers" ${body:+--data-binary @-}
}

form="grant_type=client_credentials&client_id=$CLIENT_ID&client_secret=$(encoded "$CLIENT_SECRET")&scope=users:read"
answer=$(call POST /auth/token "$form" "content-type: application/x-www-form-urlencoded") || { echo "$answer" >&2; exit 1; }
token=$(echo "$answer" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
call GET '/users?limit=10' "" "authorization: Bearer $token"
