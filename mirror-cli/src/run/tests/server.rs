//! The verbs about a server: the tokens it takes, and asking one that runs elsewhere.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use super::{CONFIG, Trial, scroll};

/// A certificate that signs nothing that anybody uses.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBkjCCATmgAwIBAgIUdRkcllAw6ygYoc0nmTXTFAo+GoIwCgYIKoZIzj0EAwIw\n\
    FDESMBAGA1UEAwwJbG9jYWxob3N0MB4XDTI2MTEyMjIwMTMxMFoXDTI2MTEyNDIw\n\
    MTMxMFowFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0D\n\
    AQcDQgAErPnQ7TdF8k/YtGCOQN+7N0XUkF+5m/kse73ZCFlvRZ2HV7O2UfQZEwO6\n\
    HSV/zica7rPc/6F6CwidVERms9A/O6NpMGcwHQYDVR0OBBYEFC6Ed4QOn9dYt0i+\n\
    iMtgUYZia4HIMB8GA1UdIwQYMBaAFC6Ed4QOn9dYt0i+iMtgUYZia4HIMBoGA1Ud\n\
    EQQTMBGCCWxvY2FsaG9zdIcEfwAAATAJBgNVHRMEAjAAMAoGCCqGSM49BAMCA0cA\n\
    MEQCIBaHDX+b2hGD1RfEY6etd9zKndl8DS0Z4hbb/n5W4FZOAiAzMrTtXjY+UcbZ\n\
    IYfs460HKcuBdtPshFDgAFPtIIM1Tg==\n\
    -----END CERTIFICATE-----\n";

fn with_tokens() -> Trial {
    let block = "    cache: ./mirror-cache\n    serve: { tokens: { file: ./secrets/tokens.yaml } }\n";
    Trial::with(&CONFIG.replacen("    cache: ./mirror-cache\n", block, 1))
}

#[test]
fn a_token_is_made_shown_once_listed_and_revoked() {
    let trial = with_tokens();
    let made = trial.run("git-mirror token new ci-promoter --node local --lane V03 --expires 90d -o json");
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{made}");
    let report: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(report["schema"], "git-mirror/token-new/v1");
    assert_eq!(report["lanes"], serde_json::json!(["v03"]));
    let token = report["token"].as_str().unwrap();
    assert!(token.starts_with("gmt_") && made.stdout.matches(token).count() == 1, "i8: {made}");

    let file = trial.folder.path().join("secrets/tokens.yaml");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("sha256:") && !text.contains(token), "i8: the file keeps the token itself");

    let later = scroll(
        &trial,
        &[
            "git-mirror token new ci-promoter --node local",
            "git-mirror token list --node local",
            "git-mirror token revoke somebody --node local",
            "git-mirror hwlab local git-mirror token revoke ci-promoter",
            "git-mirror token list --node local",
        ],
    );
    assert!(!later.contains(token), "i8: {later}");
    insta::assert_snapshot!(later);
    assert_eq!(trial.files(), ["git-mirror.yaml", "secrets", "secrets/tokens.yaml"]);
}

#[test]
fn what_cannot_be_a_token_is_told_and_nothing_is_written() {
    let trial = with_tokens();
    let text = scroll(
        &trial,
        &[
            "git-mirror token new ../x --node local",
            "git-mirror token new ci --node local --lane v04",
            "git-mirror token new ci --node local --expires yesterday",
            "git-mirror token list --node D601",
            "git-mirror token",
        ],
    );
    let mistaken = trial.run("git-mirror token revoke gmt_0123456789abcdef --node local");
    assert!(mistaken.code == 2 && !mistaken.stderr.contains("gmt_"), "i8: {mistaken}");
    assert_eq!(trial.files(), ["git-mirror.yaml"]);
    let without = Trial::with(CONFIG);
    insta::assert_snapshot!(text + &scroll(&without, &["git-mirror token new ci --node local"]));
    assert_eq!(without.files(), ["git-mirror.yaml"]);
}

#[test]
fn a_server_that_cannot_begin_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let trial = Trial::with(CONFIG);
    let ended = trial.run(&format!("git-mirror serve --node local --listen {address}"));
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended}");
    assert!(ended.stderr.contains("mirror::serve::listen"), "{ended}");

    let open = with_tokens().run("git-mirror serve --node local --listen 0.0.0.0:0");
    assert_eq!((open.code, open.stdout.as_str()), (2, ""), "tokens would go in the clear: {open}");
    assert!(open.stderr.contains("mirror::serve::insecure_tokens"), "{open}");

    let unsaid = trial.run("git-mirror serve --node local --listen 0.0.0.0:0");
    assert_eq!((unsaid.code, unsaid.stdout.as_str()), (2, ""), "everybody could read: {unsaid}");
    assert!(unsaid.stderr.contains("mirror::config::readers_unsaid"), "as of the file's own address: {unsaid}");
}

/// Answers one request with `answer`, and gives what was asked.
fn answering(answer: Vec<u8>) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).unwrap() == 0 {
                break;
            }
            asked.extend(byte);
        }
        // A client that had enough hangs up; that is what some of these tests are about.
        let _ = stream.write_all(&answer);
        String::from_utf8(asked).unwrap()
    });
    (url, asked)
}

/// Answers whoever comes, before a word is said.
fn answering_at_once(answer: Vec<u8>) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(&answer);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    (url, answering)
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn a_server_elsewhere_tells_its_status_and_history_as_if_they_were_told_here() {
    let local = Trial::with(CONFIG);
    let elsewhere = Trial::empty();
    elsewhere.put("token", b"gmt_secret\n");
    for verb in ["status", "history"] {
        let own = local.run(&format!("git-mirror {verb} --node local"));
        let report = local.run(&format!("git-mirror {verb} --node local -o json"));
        let (url, asked) = answering(http("200 OK", &report.stdout));
        let told = elsewhere.run(&format!("git-mirror {verb} --server {url} --token-file token"));
        assert_eq!((told.code, &told.stdout), (own.code, &own.stdout), "{told}");
        let asked = asked.join().unwrap().to_lowercase();
        assert!(asked.starts_with(&format!("get /api/v1/{verb}")), "{asked}");
        assert!(asked.contains("authorization: bearer gmt_secret\r\n"), "{asked}");

        let (url, _) = answering(http("200 OK", &report.stdout));
        let one = elsewhere.run(&format!("git-mirror {verb} --server {url} --lane V02 -o json"));
        let one: serde_json::Value = serde_json::from_str(&one.stdout).unwrap();
        let lanes: Vec<&str> =
            one["lanes"].as_array().unwrap().iter().map(|lane| lane["lane"].as_str().unwrap()).collect();
        assert_eq!(lanes, ["v02"]);
    }
}

#[test]
fn what_a_server_elsewhere_answers_wrongly_is_told() {
    let trial = Trial::empty();
    let status = Trial::with(CONFIG).run("git-mirror status --node local -o json").stdout;
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}", "x".repeat(1000)).into_bytes();
    let cases = [
        ("no report", http("200 OK", "<html>"), "status"),
        ("another report", http("200 OK", &status), "history"),
        ("a lane it does not have", http("200 OK", &status), "status --lane v07"),
        ("another node", http("200 OK", &status), "status --node G14"),
        ("a token is wanted", http("401 Unauthorized", "token?"), "status"),
        ("it is busy", http("503 Service Unavailable", "come\u{1b}[2J again\n"), "status"),
        ("it leads elsewhere", http("302 Found", ""), "status"),
        ("it is not HTTP", b"SSH-2.0-x\r\n".to_vec(), "status"),
        ("it ends too early", long, "status"),
    ];
    let mut text = String::new();
    for (name, answer, words) in cases {
        let (url, _) = answering(answer);
        let ended = trial.run(&format!("git-mirror {words} --server {url}"));
        assert_eq!(ended.stdout, "", "{name}");
        text.push_str(&format!("## {name}\n{}\n", ended.to_string().replace(&url, "SERVER")));
    }
    trial.put("empty.pem", b"nothing\n");
    trial.put("ca.pem", CERTIFICATE.as_bytes());
    for ca in ["absent.pem", "empty.pem", "ca.pem"] {
        let (url, _) = answering_at_once(http("200 OK", &status));
        let ended = trial.run(&format!("git-mirror status --ca {ca} --server {}", url.replace("http:", "https:")));
        assert_eq!(ended.stdout, "", "{ca}");
        let shown = ended.to_string().replace(url.trim_start_matches("http://"), "ADDRESS");
        text.push_str(&format!("## https with {ca}\n{shown}\n"));
    }
    // A port on which nobody listens and that nobody else gets: the near end of a connection has it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let gone = held.local_addr().unwrap();
    let ended = trial.run(&format!("git-mirror status --server http://{gone}"));
    text.push_str(&format!("## nobody is there\n{}\n", ended.to_string().replace(&gone.to_string(), "ADDRESS")));
    let words =
        ["--server mirror", "--server http://me:hunter2@mirror", "--server http://127.0.0.1:1 --token-file absent"];
    for words in words {
        let ended = trial.run(&format!("git-mirror status {words}"));
        assert!(ended.code == 2 && !ended.stderr.contains("hunter2"), "i8: {ended}");
        text.push_str(&format!("## {}\n{ended}\n", words.replace("me:hunter2", "USER")));
    }
    insta::assert_snapshot!(text);
    assert_eq!(trial.files(), ["ca.pem", "empty.pem"]);
}
