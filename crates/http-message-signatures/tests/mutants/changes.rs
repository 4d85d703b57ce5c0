//! Every way in which a request is changed.

use crate::common::encode;
use crate::same::signature;
use crate::wire::Wire;

/// Every single-bit change, deletion, doubling and a few insertions of one text.
pub fn damage(bytes: &[u8], mut each: impl FnMut(Vec<u8>)) {
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            each(changed);
        }
        let mut shorter = bytes.to_vec();
        let byte = shorter.remove(at);
        each(shorter);
        each([&bytes[..=at], &[byte], &bytes[at + 1..]].concat());
    }
    for at in 0..=bytes.len() {
        for insert in [" ", "\t", ",", ";", "\"", "0", "%", "\u{200b}", "\u{a0}", "é", "e\u{301}"] {
            each([&bytes[..at], insert.as_bytes(), &bytes[at..]].concat());
        }
        each(bytes[..at].to_vec());
    }
    each(bytes.to_ascii_uppercase());
    each(bytes.to_ascii_lowercase());
}

/// All mutants of one signed request, by the same key.
pub fn mutants(original: &Wire, mut each: impl FnMut(&str, Wire)) {
    for (at, (name, value)) in original.fields.iter().enumerate() {
        damage(value, |changed| {
            let mut wire = original.clone();
            wire.fields[at].1 = changed;
            each("a changed field", wire);
        });
        let mut wire = original.clone();
        wire.fields.remove(at);
        each("a field removed", wire.clone());
        wire.fields.insert(0, (name.clone(), value.clone()));
        each("a field moved", wire.clone());
        wire.fields.insert(0, (name.clone(), value.clone()));
        each("a field doubled", wire.clone());
        wire.fields[0].1 = Vec::new();
        each("an empty line of the field", wire.clone());
        wire.fields[0].1 = b"x=1".to_vec();
        each("another line of the field", wire);
        let mut wire = original.clone();
        wire.fields[at].0 = name.to_ascii_uppercase();
        each("a field name in another case", wire);
        if let Some(comma) = value.windows(2).position(|pair| pair == b", ") {
            let mut wire = original.clone();
            wire.fields[at].1 = value[..comma].to_vec();
            wire.fields.insert(at + 1, (name.clone(), value[comma + 2..].to_vec()));
            each("a field split into two lines", wire);
        }
        for other in 0..at {
            let mut wire = original.clone();
            let value = wire.fields[at].1.clone();
            wire.fields[at].1 = std::mem::replace(&mut wire.fields[other].1, value);
            each("two values exchanged", wire);
        }
    }
    for (name, value) in [
        ("x-extra", "1"),
        ("cookie", "a=b"),
        ("authorization", "Bearer other"),
        ("x-http-method-override", "DELETE"),
        ("content-encoding", "gzip"),
    ] {
        let mut wire = original.clone();
        wire.fields.push((name.to_owned(), value.as_bytes().to_vec()));
        each("a field added", wire);
    }
    request_line(original, &mut each);
    damage(&original.body, |body| each("a changed body", Wire { body, ..original.clone() }));
    for body in ["{}", "", "\u{feff}", "\0"] {
        each("another body", Wire { body: body.into(), ..original.clone() });
    }
    lists(original, &mut each);
    parameters(original, &mut each);
    signatures(original, &mut each);
}

pub fn request_line(original: &Wire, each: &mut impl FnMut(&str, Wire)) {
    let texts = |text: &str, each: &mut dyn FnMut(String)| {
        damage(text.as_bytes(), |changed| {
            if let Ok(changed) = String::from_utf8(changed) {
                each(changed);
            }
        });
    };
    texts(&original.method, &mut |method| each("a changed method", Wire { method, ..original.clone() }));
    texts(&original.path, &mut |path| each("a changed path", Wire { path, ..original.clone() }));
    let path = &original.path;
    for path in [
        format!("{path}/"),
        format!("/{path}"),
        format!("/.{path}"),
        format!("{path}/../users"),
        path.replace("%20", " "),
        path.replace('u', "%75"),
    ] {
        if path != original.path {
            each("another way to write the path", Wire { path, ..original.clone() });
        }
    }
    let query = original.query.clone().unwrap_or_default();
    texts(&query, &mut |query| each("a changed query", Wire { query: Some(query), ..original.clone() }));
    for query in [None, Some(""), Some("a=b"), Some("sort=x&limit=2"), Some("limit=2&sort=x#")] {
        let wire = Wire { query: query.map(str::to_owned), ..original.clone() };
        if wire.query != original.query {
            each("another query", wire);
        }
    }
    let moved = format!("{path}?{query}");
    each("the query in the path", Wire { path: moved, query: None, ..original.clone() });
}

/// The covered list: every component removed, doubled, moved, renamed; others added.
pub fn lists(original: &Wire, each: &mut impl FnMut(&str, Wire)) {
    let input = original.text("signature-input");
    let (list, parameters) = input["sig1=(".len()..].split_once(')').unwrap();
    let names: Vec<&str> = list.split(' ').collect();
    let mut list = |names: &[&str]| {
        let text = format!("sig1=({}){parameters}", names.join(" "));
        each("a changed list", original.with("signature-input", &text));
    };
    for at in 0..names.len() {
        let mut changed = names.clone();
        let name = changed.remove(at);
        list(&changed);
        for other in 0..names.len() {
            changed.insert(other, name);
            if changed != names {
                list(&changed);
            }
            changed.remove(other);
        }
        let mut doubled = names.clone();
        doubled.push(name);
        list(&doubled);
        let suffixes = [";sf", ";bs", ";req", ";tr", ";key=\"a\"", ";name=\"a\"", ";x", ";sf=?0", ";key=a"];
        for suffix in suffixes {
            let changed = format!("{name}{suffix}");
            let mut list_changed = names.clone();
            list_changed[at] = &changed;
            list(&list_changed);
        }
        let mut unquoted = names.clone();
        unquoted[at] = name.trim_matches('"');
        list(&unquoted);
    }
    for extra in [
        "\"user-agent\"", "\"host\"", "\"@authority\"", "\"@scheme\"", "\"@target-uri\"",
        "\"@request-target\"", "\"@query\"", "\"@status\"", "\"@signature-params\"", "\"signature\"",
        "\"signature-input\"", "\"\"", "1", "a", "?1", ":AA==:",
    ] {
        for at in [0, names.len()] {
            let mut changed = names.clone();
            changed.insert(at, extra);
            list(&changed);
        }
    }
    list(&[]);
}

/// The signature parameters: every one removed, doubled, moved, renamed, with another value or type; others
/// added.
pub fn parameters(original: &Wire, each: &mut impl FnMut(&str, Wire)) {
    let input = original.text("signature-input");
    let (list, parameters) = input.split_once(");").unwrap();
    let parameters: Vec<&str> = parameters.split(';').collect();
    let mut write = |parameters: &[&str]| {
        let text = format!(";{}", parameters.join(";"));
        each("changed parameters", original.with("signature-input", &format!("{list}){text}")));
    };
    for at in 0..parameters.len() {
        let mut changed = parameters.clone();
        let parameter = changed.remove(at);
        write(&changed);
        for other in 0..parameters.len() {
            changed.insert(other, parameter);
            if changed != parameters {
                write(&changed);
            }
            changed.remove(other);
        }
        let mut doubled = parameters.clone();
        doubled.insert(at, parameter);
        write(&doubled);
        let name = parameter.split_once('=').unwrap().0;
        for value in [
            "1", "\"1\"", "@1", "?1", "1.0", "a", ":AA==:", "-1", "999999999999999", "9999999999999999",
            "\"", "", "(1)",
        ] {
            let (other, quoted) = (format!("{name}={value}"), format!("{name} ={value}"));
            for text in [other.as_str(), quoted.as_str(), name] {
                let mut changed = parameters.clone();
                changed[at] = text;
                write(&changed);
            }
        }
        for renamed in ["keyid", "created", "expires", "nonce", "alg", "tag", "x"] {
            let text = format!("{renamed}={}", parameter.split_once('=').unwrap().1);
            let mut changed = parameters.clone();
            changed[at] = &text;
            if changed != parameters {
                write(&changed);
            }
        }
    }
    for extra in [
        "alg=\"ed25519\"",
        "alg=\"ecdsa-p256-sha256\"",
        "alg=\"hmac-sha256\"",
        "alg=\"none\"",
        "tag=\"a\"",
        "x=1",
        "x",
        "created=1795283723",
        "expires=1795283900",
        "nonce=\"n0nce2\"",
        "keyid=\"other\"",
    ] {
        for at in 0..=parameters.len() {
            let mut changed = parameters.clone();
            changed.insert(at, extra);
            write(&changed);
        }
    }
}

/// The field `signature` beyond its text: every bit of the bytes, their length, the label, other members.
pub fn signatures(original: &Wire, each: &mut impl FnMut(&str, Wire)) {
    let field = original.text("signature");
    let bytes = signature(field.as_bytes()).unwrap();
    let mut write = |bytes: &[u8]| {
        each("changed signature bytes", original.with("signature", &format!("sig1=:{}:", encode(bytes))));
    };
    damage(&bytes, |changed| write(&changed));
    for size in [32, 48, 64, 66, 96, 132] {
        write(&vec![0; size]);
        write(&vec![0xff; size]);
        write(&vec![1; size]);
    }
    write(&[0x30, 6, 2, 1, 1, 2, 1, 1]);
    write(&[0x30, 6, 2, 1, 0, 2, 1, 0]);
    let input = original.text("signature-input");
    let member = field.strip_prefix("sig1=").unwrap();
    for text in [
        format!("sig1={member};a=1"),
        format!("sig1={member}, sig1={member}"),
        format!("sig2={member}"),
        format!("sig2={member}, sig1=:AA==:"),
        format!("sig1=:AA==:, sig1={member}"),
        format!("sig1={member}, sig1"),
        format!("sig1=({member})"),
        format!("sig1=\"{}\"", member.trim_matches(':')),
        format!("Sig1={member}"),
        format!("{field},"),
    ] {
        each("another form of `signature`", original.with("signature", &text));
    }
    for text in [
        format!("{input}, {input}"),
        format!("{input}, sig1=()"),
        format!("sig1=();created=1, {input}"),
        format!("{input}, sig1;a"),
        format!("sig2{}", &input[4..]),
        format!("sig2=(), sig3=(), sig2{}", &input[4..]),
    ] {
        each("another form of `signature-input`", original.with("signature-input", &text));
    }
}
