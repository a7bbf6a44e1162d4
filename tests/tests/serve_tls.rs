//! The server with a certificate: git reads and pushes over TLS by HTTP/2 and HTTP/1.1, and a new certificate is taken without a restart.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use mirror_tests::deadline;
use mirror_tests::gitclient::{GitClient, Token, VERSIONS};
use mirror_tests::http;
use mirror_tests::server::{self, Server, small_world};
use mirror_tests::world::World;
use serde_json::json;

/// A world whose server has a certificate.
struct Sealed {
    server: Server,
    world: World,
}

impl Sealed {
    fn begin() -> Self {
        let mut world = small_world();
        world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
        let folder = world.sandbox().path().to_owned();
        put_pair(&folder);
        server::configure(&mut world, |serve| {
            serve["readers"] = "open".into();
            serve["tls"] = json!({ "certificate": folder.join("tls.crt"), "key": folder.join("tls.key") });
        });
        // Tokens may cross any network here: TLS hides them.
        let server = Server::spawn(server::command(&world, "0.0.0.0:0").arg("-v"));
        Self { server, world }
    }

    fn folder(&self) -> PathBuf {
        self.world.sandbox().path().to_owned()
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}/app.git", self.server.address().port())
    }

    /// Git that trusts a certificate and nothing else.
    fn client(&self, certificate: &Path) -> GitClient {
        let certificate = certificate.to_str().expect("a path of text");
        GitClient::new(self.world.sandbox()).set("http.sslCAInfo", certificate)
    }

    /// Clones and pushes more than git sends in one piece, so that it comes in chunks.
    fn push_much(&self, client: &GitClient, name: &str) {
        let tip = self.world.cache().branch("gitops").expect("because it was synced");
        let work = client.clone_bare(&self.url(), &format!("work-{name}"), &[]);
        let mut noise = vec![0; 3 << 20];
        fill(&mut noise, name.len() as u64);
        let made = work.commit("gitops").on(tip).file(&format!("noise-{name}"), noise).make();
        let pushing = client.ask(work.path(), ["push", &self.url(), "gitops"]);
        assert!(pushing.status.success(), "{name}: {}", pushing.stderr);
        assert_eq!(self.world.cache().branch("gitops"), Some(made));
    }

    fn reads(&self, certificate: &Path) -> bool {
        let folder = self.folder();
        self.client(certificate).ask(&folder, ["ls-remote", &self.url()]).status.success()
    }
}

/// Puts a new certificate and its key in place, as those who renew them do, and gives a copy of the certificate for clients.
fn put_pair(folder: &Path) -> PathBuf {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("because ring makes keys");
    put(folder, "tls.key", &made.signing_key.serialize_pem());
    put(folder, "tls.crt", &made.cert.pem());
    let copies = std::fs::read_dir(folder).expect("a folder of ours").count();
    let copy = folder.join(format!("trusted-{copies}.crt"));
    std::fs::write(&copy, made.cert.pem()).expect("a folder of ours");
    copy
}

fn put(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!("{name}.new"));
    std::fs::write(&new, text).expect("a folder of ours");
    std::fs::rename(new, folder.join(name)).expect("a folder of ours");
}

#[test]
fn git_works_over_tls_with_http_1_and_2() {
    let sealed = Sealed::begin();
    let port = sealed.server.address().port();
    assert_eq!(sealed.server.announcement()["url"], json!(format!("https://127.0.0.1:{port}")));
    let trusted = sealed.folder().join("tls.crt");
    let token = Token::make(&sealed.world, "ci", &[], &[]);
    for (http, logged) in [("HTTP/2", "HTTP/2.0"), ("HTTP/1.1", "HTTP/1.1")] {
        let client = sealed.client(&trusted).set("http.version", http);
        for version in VERSIONS {
            let name = format!("clone-{}-{version:?}", logged.replace('/', "-"));
            let clone = client.clone().speaking(version).clone_bare(&sealed.url(), &name, &[]);
            assert_eq!(clone.branch("main"), sealed.world.upstream().branch("main"));
            clone.fsck();
        }
        sealed.server.wait_for_log(&format!("\"version\":\"{logged}\""));

        sealed.push_much(&client.with(&token), &logged.replace('/', "-"));
    }
    assert!(!sealed.server.log().contains(token.text()));
}

#[test]
fn affected_git_versions_push_over_http_1_1() {
    let sealed = Sealed::begin();
    let token = Token::make(&sealed.world, "ci", &[], &[]);
    let client = sealed.client(&sealed.folder().join("tls.crt")).set("http.version", "HTTP/2").with(&token);
    sealed.push_much(&client.set("http.userAgent", "git/2.43.0"), "old");
    let asked = |service: &str, version: &str| {
        let log = sealed.server.log();
        let lines = log.lines().filter(|line| line.contains("\"path\"") && line.contains(service));
        lines.filter(|line| line.contains(&format!("\"version\":\"{version}\""))).count()
    };
    // What is answered is logged a moment later.
    sealed.server.wait_until("the clone is logged", || asked("git-upload-pack", "HTTP/2.0") > 0);
    sealed.server.wait_until("the push is logged", || asked("git-receive-pack", "HTTP/1.1") > 0);
    assert_eq!(asked("git-receive-pack", "HTTP/2.0"), 0, "{}", sealed.server.log());
}

/// Fills bytes so that no packing makes them smaller; the same seed fills the same.
fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = seed | 1;
    for byte in bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = (state >> 32) as u8;
    }
}

#[test]
fn a_new_certificate_is_used_without_restart() {
    let sealed = Sealed::begin();
    let folder = sealed.folder();
    let second = put_pair(&folder);
    sealed.server.wait_until("the new certificate is shown", || sealed.reads(&second));

    // One that cannot be used is warned of, and the old one goes on.
    // There may be a warning already, of the moment between the new key and its certificate.
    let warned = || sealed.server.log().matches("kept the old certificate").count();
    let before = warned();
    put(&folder, "tls.crt", "this is no certificate\n");
    sealed.server.wait_until("the broken one is noticed", || {
        assert!(sealed.reads(&second), "the old one goes on");
        warned() > before
    });
    let third = put_pair(&folder);
    sealed.server.wait_until("the next one is shown", || sealed.reads(&third));
    assert!(!sealed.reads(&second), "and the one before is not");
}

#[test]
fn plain_http_on_a_tls_port_is_closed() {
    let sealed = Sealed::begin();
    let address = (std::net::Ipv4Addr::LOCALHOST, sealed.server.address().port()).into();
    for words in [&b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\xff\xff", b""] {
        let mut stream = http::connect(address);
        stream.write_all(words).expect("an open connection");
        // It may be closed by now.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP/"), "{answer:?}");
    }
    assert!(sealed.reads(&sealed.folder().join("tls.crt")));
}

#[test]
fn an_unusable_certificate_prevents_the_start() {
    let mut world = small_world();
    let folder = world.sandbox().path().to_owned();
    put_pair(&folder);
    put(&folder, "tls.key", "no key\n");
    server::configure(&mut world, |serve| {
        serve["tls"] = json!({ "certificate": folder.join("tls.crt"), "key": folder.join("tls.key") });
    });
    let ended = deadline::finish(&mut server::command(&world, "127.0.0.1:0"), &[]);
    assert_eq!(ended.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("a report");
    assert_eq!(report["error"]["code"], "mirror::serve::certificate_file", "{report}");
}

#[test]
fn tokens_without_tls_need_loopback() {
    let mut world = small_world();
    server::configure(&mut world, |_| {});
    let ended = deadline::finish(&mut server::command(&world, "0.0.0.0:0"), &[]);
    assert_eq!(ended.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("a report");
    assert_eq!(report["error"]["code"], "mirror::serve::insecure_tokens", "{report}");

    server::configure(&mut world, |serve| {
        serve["readers"] = "open".into();
        serve["insecureTokens"] = true.into();
    });
    let server = Server::spawn(&mut server::command(&world, "0.0.0.0:0"));
    server.wait_for_log("serve.insecureTokens");
}
